import pytest

pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")

from data_prep import pronunciation  # noqa: E402
from data_prep.demo.espeak import speak  # noqa: E402
from data_prep.demo.grammar import VOCABULARY, sentences  # noqa: E402
from ponytaco.text import pronouncer  # noqa: E402
from ponytaco.text.lexicon import Lexicon  # noqa: E402


@pytest.fixture(scope="package")
def spoken():
    """Four sentences of the demo voice, with its own times."""
    return speak(sentences(4, seed=7))


@pytest.fixture
def dictionary(monkeypatch):
    """The demo voice's words, as if they were the installed dictionary."""
    lexicon = Lexicon({word.lower(): tuple(phones) for word, phones in VOCABULARY.items()})
    monkeypatch.setattr(pronunciation, "installed_dictionary", lambda: lexicon)
    monkeypatch.setattr(pronouncer, "installed_dictionary", lambda: lexicon)
    pronunciation._pronouncer.cache_clear()
    yield
    pronunciation._pronouncer.cache_clear()
