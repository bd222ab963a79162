import pytest

from ponytaco.errors import PonytacoError
from ponytaco.notebook.speech_form import speech_settings, text_to_speak
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.voices import pick_voice


@pytest.fixture
def storage(tmp_path):
    return Storage(root=tmp_path, disk=tmp_path / "disk")


def test_the_form_becomes_settings(storage_with_voice):
    storage = storage_with_voice
    (storage.root / "mine.txt").write_text("PONY  B EY1\n")
    settings = speech_settings(storage, "happy", 3, 1.5, "griffin_lim", "mine.txt")
    options = settings.options
    assert (options.style, options.best_of, options.speed) == ("Happy", 3, 1.5)
    assert settings.dictionaries == (storage.root / "mine.txt",)
    assert speech_settings(storage).options.style == ""
    voice = pick_voice(storage, "Beeps")
    assert voice.open(settings).speak("Pony.", max_seconds=0.1).spelled == []


def test_a_text_may_be_a_file(storage):
    (storage.root / "story.txt").write_bytes("Café.".encode())
    assert text_to_speak(storage, "Field.", "story.txt") == "Café."
    assert text_to_speak(storage, "Field.", " ") == "Field."
    (storage.root / "story.txt").write_bytes(b"\xe9")
    with pytest.raises(PonytacoError, match="not text in UTF-8"):
        text_to_speak(storage, "", "story.txt")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"style": "hapy"}, "Did you mean Happy"),
        ({"best_of": 0}, "best_of is 0"),
        ({"speed": 9}, "speed is 9"),
        ({"dictionary": "nowhere.txt"}, "no file .*nowhere.txt"),
    ],
)
def test_wrong_fields_are_refused(storage, fields, message):
    with pytest.raises(PonytacoError, match=message):
        speech_settings(storage, **fields)
