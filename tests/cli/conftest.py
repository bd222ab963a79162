import shutil

import pytest
from support.judges import hide_judges


@pytest.fixture
def voice(trained_run, tmp_path):
    return shutil.copytree(trained_run.run.folder, tmp_path / "voice")


@pytest.fixture(autouse=True)
def no_judges(monkeypatch):
    hide_judges(monkeypatch)
