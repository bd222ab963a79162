import pytest
from support.judges import hide_judges


@pytest.fixture(autouse=True)
def no_judges(monkeypatch):
    hide_judges(monkeypatch)
