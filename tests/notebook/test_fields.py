"""Forms are filled in by people."""

import pytest

from ponytaco.errors import PonytacoError
from ponytaco.notebook.characters import pick_character
from ponytaco.notebook.fields import bare, find_name, number
from ponytaco.notebook.speech_form import speech_settings, text_to_speak
from ponytaco.notebook.storage import Storage, connect_storage
from ponytaco.notebook.voices import pick_voice


@pytest.mark.parametrize(
    "typed", ["Zecora", " Zecora\n", "'Zecora'", '"Zecora"', "“Zecora”", "\u00a0Zecora"]
)
def test_spaces_and_quotes_mean_nothing(typed):
    assert bare(typed) == "Zecora"
    assert bare(None) == "" and bare(4) == 4


@pytest.mark.parametrize(
    ("typed", "value"),
    [("4", 4), (4, 4), (4.0, 4), ("4,0", 4), ("４", 4), (None, 7), ("", 7), (" ", 7), ("-1", -1),
     ("−1", -1), ("1.5", 1.5)],
)  # fmt: skip
def test_a_number_in_any_writing(typed, value):
    assert number("best_of", typed, 7) == value


@pytest.mark.parametrize("typed", ["four", "4 takes", "1,000.0.0", "x" * 1000, [4]])
def test_what_is_no_number_is_refused_by_its_name(typed):
    with pytest.raises(PonytacoError, match="best_of cannot be '.{1,40}': fill in a number"):
        number("best_of", typed, 7)


def test_a_name_is_found_in_any_case_unless_two_are_alike():
    assert find_name("zecora", ["Apple", "Zecora"]) == "Zecora"
    assert find_name("zecora", ["ZECORA", "Zecora"]) is None
    assert find_name("Zecora", ["ZECORA", "Zecora"]) == "Zecora"
    assert find_name("Celestia", ["Zecora"]) is None


def test_forms_that_were_emptied_take_their_defaults(tmp_path):
    storage = Storage(root=tmp_path, disk=tmp_path)
    assert speech_settings(storage, *[None] * 5) == speech_settings(storage)
    assert speech_settings(storage, " 'happy' ").options.style == "Happy"
    with pytest.raises(PonytacoError, match="speed cannot be 'fast'"):
        speech_settings(storage, speed="fast")
    assert text_to_speak(storage, "Hello.", None) == "Hello."


def test_names_are_picked_as_they_are_meant(storage_with_voice, tmp_path):
    assert pick_voice(storage_with_voice, " 'beeps' ").name == "Beeps"
    archives = storage_with_voice.archives
    archives.mkdir(parents=True)
    (archives / "Beeps.tar").write_bytes(b"tar")
    for typed in ("beeps", "'Beeps'", "Beeps.tar"):
        assert pick_character(storage_with_voice, typed, None).name == "Beeps"
    assert connect_storage(f"'{tmp_path}/a b'").root == tmp_path / "a b"
