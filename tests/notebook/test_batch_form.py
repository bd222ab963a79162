import contextlib
import re
import zipfile

import pytest

from ponytaco.errors import PonytacoError
from ponytaco.notebook import batch_form
from ponytaco.notebook.batch_form import ask_for_lines, speak_lines
from ponytaco.notebook.voices import pick_voice


@pytest.fixture
def voice(storage_with_voice):
    return pick_voice(storage_with_voice, "Beeps")


def test_lines_become_a_zip(voice, capsys):
    path = speak_lines(voice, "Bad day!\n\n???\n../../Bee <b>\n")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["001_bad-day.wav", "003_bee-b.wav"]
        assert archive.read("001_bad-day.wav")[:4] == b"RIFF"
    printed = capsys.readouterr().out
    assert "left out" in printed and "2 of 3 lines" in printed


def test_no_lines_are_refused(voice):
    with pytest.raises(PonytacoError, match="no lines"):
        speak_lines(voice, "\n \n")


def test_a_terminal_has_no_text_box(voice, capsys):
    ask_for_lines(voice)
    assert "speak_lines(voice" in capsys.readouterr().out


@pytest.fixture
def click(voice, monkeypatch):
    """Return a function that fills the text box, clicks, and returns what the page then shows."""
    shown = []
    monkeypatch.setattr(batch_form, "has_widgets", lambda: True)
    monkeypatch.setattr(batch_form, "show", shown.append)
    ask_for_lines(voice)
    _, text, button, progress = shown[0].children

    def click(lines):
        text.value = lines
        with contextlib.suppress(ZeroDivisionError):  # ipywidgets 8 logs it
            button.click()
        assert not button.disabled
        return re.sub("<[^>]*>", "|", progress.value)

    return click


def test_the_button_speaks_every_line(click):
    shown = click("Bad day!")
    assert "1 of 1: Bad day!" in shown and "Download lines.zip" in shown


def test_a_click_explains_its_errors(click, monkeypatch):
    assert "There are no lines to speak" in click(" ")

    def fail(*arguments):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(batch_form, "speak_all_lines", fail)
    shown = click("Bad day!")
    assert "This is a mistake in ponytaco" in shown and "a bug" in shown
