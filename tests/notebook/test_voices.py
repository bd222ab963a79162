import shutil

import pytest

from ponytaco.errors import PonytacoError
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.voices import pick_voice, speak, trained_voices


@pytest.fixture
def storage(storage_with_voice):
    return storage_with_voice


def test_a_voice_speaks_into_a_file(storage, capsys):
    voice = pick_voice(storage, "Beeps")
    wav = speak(voice, "Bad day.")
    assert wav.parent == storage.run("Beeps").folder / "speech"
    assert wav.read_bytes()[:4] == b"RIFF"
    assert speak(voice, "Bad day.") != wav  # nothing is overwritten within a second
    printed = capsys.readouterr().out
    assert "Beeps is ready to speak" in printed and "s of speech in" in printed


def test_each_sentence_is_shown_and_the_whole(storage, monkeypatch):
    shown = []
    monkeypatch.setattr("ponytaco.notebook.voices.show_html", shown.append)
    speak(pick_voice(storage, "Beeps"), "Bad day. A <b>bee</b>! [the bee]")
    assert len(shown) == 3 + 2  # three sentences, the whole, and where it is
    assert all("<audio" in html for html in shown[:4])
    assert all("<img" in html for html in shown[:3])
    assert "A &lt;b&gt;bee" in shown[1] and not any("<b>" in html for html in shown)
    assert "[the bee] is not a style" in shown[3] and "Download" in shown[4]


def test_a_long_speech_is_not_embedded(storage, monkeypatch):
    shown = []
    monkeypatch.setattr("ponytaco.notebook.voices.show_html", shown.append)
    monkeypatch.setattr("ponytaco.notebook.voices._LONGEST_EMBEDDED_SECONDS", 0.5)
    monkeypatch.setattr("ponytaco.notebook.voices._MOST_PICTURES", 1)
    speak(pick_voice(storage, "Beeps"), "Bad day. Cake.")
    assert ["<img" in html for html in shown] == [True, False, False, False]
    assert "<audio" not in shown[2] and "Download" not in shown[3]


def test_an_empty_text_is_refused(storage):
    with pytest.raises(PonytacoError, match="no text to speak"):
        speak(pick_voice(storage, "Beeps"), "  ")


def test_the_newest_voice_comes_first(storage, trained_run):
    shutil.copytree(trained_run.run.folder, storage.run("Newer").folder)
    storage.run("Newer").best_model.touch()
    assert [voice.name for voice in trained_voices(storage)] == ["Newer", "Beeps"]


def test_no_voices_and_unknown_voices(storage, tmp_path):
    with pytest.raises(PonytacoError, match="only: Beeps"):
        pick_voice(storage, "Nopony")
    with pytest.raises(PonytacoError, match=r"Train one with Training\.ipynb"):
        pick_voice(Storage(root=tmp_path / "empty", disk=tmp_path))
