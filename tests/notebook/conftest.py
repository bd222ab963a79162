import shutil

import pytest
from support.judges import hide_judges


@pytest.fixture
def storage_with_voice(tmp_path, trained_run):
    """A storage whose only voice is Beeps; what a test does to it stays in the test."""
    from ponytaco.notebook.storage import Storage

    storage = Storage(root=tmp_path, disk=tmp_path / "disk")
    shutil.copytree(trained_run.run.folder, storage.run("Beeps").folder)
    (storage.runs / "nothing here").mkdir()
    return storage


@pytest.fixture(autouse=True)
def no_judges(monkeypatch):
    hide_judges(monkeypatch)
