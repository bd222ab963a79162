import shutil

import pytest


@pytest.fixture
def voice(trained_run, tmp_path):
    return shutil.copytree(trained_run.run.folder, tmp_path / "voice")
