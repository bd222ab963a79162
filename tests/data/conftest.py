import shutil

import pytest


@pytest.fixture
def folder(fake_dataset, tmp_path):
    """A copy of the fake data without a cache."""
    return shutil.copytree(
        fake_dataset, tmp_path / "Beeps", ignore=shutil.ignore_patterns("mels-*")
    )


@pytest.fixture(scope="session")
def data(fake_dataset):
    """The fake data, opened; not to be changed."""
    from ponytaco.config import AudioConfig
    from ponytaco.data.dataset import open_datasets
    from ponytaco.data.dataset_folder import read_dataset
    from ponytaco.text.symbols import SYMBOLS

    return open_datasets(read_dataset(fake_dataset), AudioConfig(), SYMBOLS, "english")
