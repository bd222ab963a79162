import pytest
from support.judges import hide_judges

import ponytaco.training.session as session_module


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)


@pytest.fixture(autouse=True)
def no_judges(monkeypatch):
    hide_judges(monkeypatch)
