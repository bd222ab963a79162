import pytest

from ponytaco.notebook import pick_voice, reading, speak
from ponytaco.notebook.reading import reading_page, show_reading
from ponytaco.notebook.speech_form import SpeechSettings
from ponytaco.synthesis.options import SpeechOptions
from ponytaco.text.frontend import english_frontend
from ponytaco.text.lexicon import Lexicon


@pytest.fixture
def shown(monkeypatch):
    pytest.importorskip("ipywidgets")
    things = []
    monkeypatch.setattr(reading, "has_widgets", lambda: True)
    monkeypatch.setattr(reading, "show", things.append)
    return things


def test_what_will_be_said_is_shown_before_speaking(storage_with_voice, shown):
    settings = SpeechSettings(
        SpeechOptions(max_seconds=0.1, retries=0, style="Happy"), "griffin_lim"
    )
    speak(pick_voice(storage_with_voice, "Beeps"), "Bad day, <b>bee</b> 2.", settings)
    (folded,) = shown
    assert folded.selected_index is None
    html = folded.children[0].value
    assert "Bad day, &lt;b&gt;bee" in html and "<b>bee" not in html


def test_the_page_tells_sources_expansions_and_lines_for_a_dictionary():
    frontend = english_frontend([Lexicon({"luna": ("L", "UW1")}, "mine.txt", is_users=True)])
    html = reading_page(frontend.read("Luna paid $5. [sad] Blorp!"), frontend.symbols)
    assert "$5 → five dollars" in html and "mine.txt" in html and "[Sad] Blorp!" in html
    assert "BLORP  B L AO1 R P" in html
    html = reading_page(frontend.read("Luna. " * 60), frontend.symbols)
    assert "And 10 more." in html and "dictionary:" not in html


def test_a_terminal_shows_nothing(monkeypatch):
    monkeypatch.setattr(reading, "has_widgets", lambda: False)
    frontend = english_frontend()
    show_reading(frontend.read("Hello."), frontend.symbols)
