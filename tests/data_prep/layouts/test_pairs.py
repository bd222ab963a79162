"""Texts beside sounds, the Master File's Sliced Dialogue, and files of labels."""

import json
from pathlib import Path

import pytest

from data_prep.layouts.found import RecordingsError, choose_character, describe
from data_prep.layouts.label_files import Span, read_spans
from data_prep.layouts.pairs import shares
from data_prep.layouts.recognise import find_recordings
from data_prep.layouts.sliced_dialogue import ClipName, parse_name


def put(path: Path, content: str | bytes | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content or b"")


def left_out(found):
    return {entry.name: entry.reason for entry in found.left_out}


@pytest.mark.parametrize(
    ("sound", "text"),
    [
        ("a.wav", "a.txt"), ("a.WAV", "a.txt"), ("a.wav", "a.TXT"), ("A.wav", "a.txt"),
        ("a.wave", "a.txt"), ("a.mp3", "a.txt"), ("a.ogg", "a.txt"), ("a.opus", "a.txt"),
        ("a.aiff", "a.txt"), ("a.au", "a.txt"), ("a.caf", "a.txt"), ("a.m4a", "a.txt"),
        ("a.wav", "a.lab"), ("a.wav", "a.normalized.txt"), ("a.wav", "a.original.txt"),
        ("a.wav", "a.wav.txt"), ("a.wav.wav", "a.txt"), ("a.flac", "a.flac.TXT"),
        ("Yes..flac", "Yes.txt"), ("Yes...flac", "Yes.txt"), ("Yes.flac", "Yes..txt"),
        ("wav/p1/a.wav", "txt/p1/a.txt"), ("wavs/a.wav", "txt/a.txt"), ("wavs/a.wav", "a.txt"),
        ("What_.flac", "What?.txt"), ("caf\u0065\u0301.wav", "caf\u00e9.txt"),
        ("a.b.wav", "a.b.txt"),
    ],
)  # fmt: skip
def test_names_that_belong_together(tmp_path, sound, text):
    put(tmp_path / sound)
    put(tmp_path / text, "Hello there.")
    found = find_recordings(tmp_path)
    assert [r.text for r in found.recordings] == ["Hello there."] and not found.left_out


def test_no_text_is_taken_for_two_sounds(tmp_path):
    for name in ("All right.flac", "All right..flac", "All right...flac"):
        put(tmp_path / name)
    put(tmp_path / "All right.txt", "Question")
    put(tmp_path / "All right..txt", "Statement")
    found = find_recordings(tmp_path)
    assert {r.sound.name: r.text for r in found.recordings} == {
        "All right.flac": "Question", "All right..flac": "Statement",
    }  # fmt: skip
    assert found.without_text == 1


def test_the_normalised_text_is_taken_and_the_other_named(tmp_path):
    put(tmp_path / "a.wav")
    put(tmp_path / "a.original.txt", "In 1850.")
    put(tmp_path / "a.normalized.txt", "In eighteen fifty.")
    found = find_recordings(tmp_path)
    assert [r.text for r in found.recordings] == ["In eighteen fifty."]
    assert left_out(found) == {"a.original.txt": "another text of the same sound is taken"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Line one.\nLine two.", "Line one. Line two."),
        ("left\tright", "left right"),
        ("either | or", "either | or"),
        ("s1_01|Hello there.|Hello there.", "Hello there."),
        ("s1_01|Hello 2.|Hello two.", "Hello two."),
        ("s1_01 Hello there.", "Hello there."),
        ("s1_01\tHello there.", "Hello there."),
        ("CafÃ© naÃ¯ve â€“ itâ€™s", "Café naïve – it’s"),
        ("Café – Ã la carte", "Café – Ã la carte"),
        ("At 7:30 --> go", "At 7:30 --> go"),
        ("1 2 3", "1 2 3"),
    ],
)
def test_what_a_text_holds(tmp_path, content, text):
    put(tmp_path / "s1_01.wav")
    put(tmp_path / "s1_01.txt", content)
    assert [r.text for r in find_recordings(tmp_path).recordings] == [text]


@pytest.mark.parametrize(
    ("stem", "text"),
    [("001", "Hello."), ("2", "2 Hello."), ("1984", "1984 Hello."), ("05", "Hello.")],
)
def test_numbers_as_names(tmp_path, stem, text):
    put(tmp_path / f"{stem}.wav")
    put(tmp_path / f"{stem}.txt", f"{stem} Hello.")
    assert [r.text for r in find_recordings(tmp_path).recordings] == [text]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["a.mp3", "a.wav"], "a.wav"),
        (["a.flac", "a.ogg", "a.m4a"], "a.flac"),
        (["a.wave"], "a.wave"),
    ],
)
def test_of_two_formats_of_a_sound_the_better_is_taken(tmp_path, names, taken):
    for name in names:
        put(tmp_path / name)
    put(tmp_path / "a.txt", "Hello.")
    found = find_recordings(tmp_path)
    assert [r.sound.name for r in found.recordings] == [taken] and not found.without_text
    assert set(left_out(found)) == set(names) - {taken}


def test_a_word_at_the_start_is_no_name(tmp_path):
    put(tmp_path / "hello.wav")
    put(tmp_path / "hello.txt", "hello there")
    assert find_recordings(tmp_path).recordings[0].text == "hello there"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "its text is empty"), (" \n\t ", "its text is empty"), ("\u00a0\u200b", "empty"),
        ("...", "no letter or digit"), ("?!", "no letter or digit"),
        (r"{\rtf1\ansi Hello}", "RTF"), ("<!DOCTYPE html><p>Hello", "page"),
        ('{"text": "Hello"}', "JSON"), ('[{"start": 1}]', "JSON"),
        ("[Script Info]\nTitle: x", "subtitles"), ("[00:01.20]Hello", "LRC"),
        ("0:00\nHello there.\n0:05\nBye.", "time stamps"),
        ("00:01 Hello\n00:05 Bye", "time stamps"), ("PK\x03\x04", "document"),
        ('File type = "ooTextFile"\nObject class = "TextGrid"', "TextGrid"),
        (b"Hello\0\0\0", "NUL"), ("Plain".encode("utf-16-le"), "NUL"),
        ("こんにちは".encode("shift_jis"), "UTF-8"), ("Привет мир".encode("cp1251"), "UTF-8"),
        ("Caf\ufffd", "could not read"), ("x" * 2001, "2,001 characters"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_left_out_by_name(tmp_path, content, reason):
    put(tmp_path / "a.wav")
    put(tmp_path / "a.txt", content)
    put(tmp_path / "b.wav")
    put(tmp_path / "b.txt", "Good.")
    found = find_recordings(tmp_path)
    assert [r.text for r in found.recordings] == ["Good."]
    assert reason in left_out(found)["a.txt"]


@pytest.mark.parametrize(
    ("content", "spans"),
    [
        ("0.000000\t1.250000\tHello there.\n1.25\t3.0\tSecond.\n",
         [Span(0, 1.25, "Hello there."), Span(1.25, 3, "Second.")]),
        ("0,5\t2,0\tGerman numbers\r\n", [Span(0.5, 2, "German numbers")]),
        ("0.0\t2.0\tline one\n\\\t100.0\t200.0\n", [Span(0, 2, "line one")]),
        ("1\n00:00:00,000 --> 00:00:02,500\nHello\n<i>there.</i>\n\n2\n00:01:00,000 --> "
         "01:00:00,000\nBye.\n", [Span(0, 2.5, "Hello there."), Span(60, 3600, "Bye.")]),
        ("WEBVTT\n\n00:01.000 --> 00:02.000 align:start\nHello.\n", [Span(1, 2, "Hello.")]),
        ("0.0 1.25 Hello there.\n1.25 3.0 Bye",
         [Span(0, 1.25, "Hello there."), Span(1.25, 3, "Bye")]),
        ("0.0,1.25,Hello, you.", [Span(0, 1.25, "Hello, you.")]),
        ("[00:00.000 --> 00:02.500]  Hello.\n[00:02.500 --> 01:00.000]  Bye.\n",
         [Span(0, 2.5, "Hello."), Span(2.5, 60, "Bye.")]),
        ("2 3 go", []), ("1.5 2.5\nplain", []),
        ("Hello there.", []), ("1\t2", [Span(1, 2, "")]), ("1\t2\tx\nplain", []), ("", []),
    ],
)  # fmt: skip
def test_files_of_labels(content, spans):
    assert read_spans(content) == spans


def test_a_recording_with_labels_is_cut(tmp_path):
    put(tmp_path / "talk.wav")
    put(tmp_path / "talk.txt", "0.0\t1.5\tHello.\n1.5\t3.0\t\n5\t4\tBackwards.\n")
    put(tmp_path / "film.flac")
    put(tmp_path / "film.srt", "1\n00:00:01,000 --> 00:00:02,000\nCut!\n")
    found = find_recordings(tmp_path)
    assert [(r.text, r.span) for r in found.recordings] == [("Cut!", (1, 2)), ("Hello.", (0, 1.5))]
    assert left_out(found) == {
        "talk.txt, label 2": "its text is empty", "talk.txt, label 3": "it ends before it starts",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("00_03_15_Twilight_Happy__I am so excited!",
         ClipName("Twilight Sparkle", ("Happy",), "", "I am so excited!")),
        ("00_03_18_Mrs. Cake_Confused Anxious_Noisy_What is going on_",
         ClipName("Mrs. Cake", ("Confused", "Anxious"), "Noisy", "What is going on_")),
        ("01_00_00_Luna_Canterlot Voice Angry_Very Noisy_a_b_c",
         ClipName("Luna", ("Canterlot Voice", "Angry"), "Very Noisy", "a_b_c")),
        ("00_03_15_Big Mac_Neutral_verynoisy_Eeyup",
         ClipName("Big Macintosh", ("Neutral",), "Very Noisy", "Eeyup")),
        ("00_03_15_pinkie_Rap_Clean_x-2", ClipName("Pinkie Pie", ("Rap",), "", "x-2")),
        ("00_03_15_Rainbow_Smug_", ClipName("Rainbow Dash", ("Smug",), "", "")),
        ("00_03_15_Rainbow_Smug_Loud_x", None), ("0_03_15_Rainbow_Smug__x", None),
        ("ep1_line_2_of_the_third_scene", None), ("00_03_15__Smug__x", None), ("", None),
    ],
)  # fmt: skip
def test_names_of_sliced_dialogue(stem, name):
    assert parse_name(stem) == name


ROWS = [  # sound, name of its text, text
    ("00_00_49_Celestia_Neutral_Very Noisy_girls, we are late..flac",
     "00_00_49_Celestia_Neutral_Very Noisy_girls, we are late.txt", "Girls, we are late."),
    ("00_03_15_Twilight_Happy__I am so excited!.flac",
     "00_03_15_Twilight_Happy__I am so excited!.txt", "I am so excited!"),
    ("00_03_22_Twilight Sparkle_Neutral_Noisy_All right..wav",
     "00_03_22_Twilight Sparkle_Neutral_Noisy_All right..txt", "All right."),
    ("00_03_25_Twilight_Canterlot Voice__Wait....flac",
     "00_03_25_Twilight_Canterlot Voice__Wait.txt", "Wait..."),
    ("00_03_40_Mrs. Cake_Sad_Noisy_Oh dear.flac", "00_03_40_Mrs. Cake_Sad_Noisy_Oh dear.txt",
     "Oh dear."),
]  # fmt: skip


@pytest.fixture
def master(tmp_path):
    episode = tmp_path / "Sliced Dialogue" / "FiM" / "S1" / "s1e1"
    for sound, text, line in ROWS:
        put(episode / sound)
        put(episode / text, line)
    put(tmp_path / "Sliced Dialogue" / "Songs" / "00_00_10_Twilight_Happy__La.flac")
    put(tmp_path / "Sliced Dialogue" / "Songs" / "00_00_10_Twilight_Happy__La.txt", "La.")
    put(episode / "labels.txt", "0.0\t1.0\t00_00_49_Celestia_Neutral_Very Noisy_girls\n")
    put(tmp_path / "Sliced Dialogue" / "Source files" / "s1e1.flac")
    put(tmp_path / "Label files" / "fim_s01e01.txt", "0.0\t1.0\t00_03_15_Twilight_Happy__I\n")
    return tmp_path


def test_sliced_dialogue_of_all_characters(master):
    found = find_recordings(master)
    assert found.characters == {"Twilight Sparkle": 4, "Celestia": 1, "Mrs. Cake": 1}
    by_text = {r.text: r for r in found.recordings}
    assert by_text["Girls, we are late."].noise == "Very Noisy"
    assert by_text["Wait..."].tags == ("Canterlot Voice",)
    assert by_text["La."].tags == ("Happy", "Singing")
    assert not found.without_text and not found.without_sound
    assert set(left_out(found)) == {"labels.txt", "s1e1.flac", "fim_s01e01.txt"}
    assert "Characters: Twilight Sparkle (4), Celestia (1), Mrs. Cake (1)." in describe(found)


@pytest.mark.parametrize(
    ("character", "count"),
    [("Twilight", 4), ("twilight sparkle", 4), ("Mrs. Cake", 1), ("CELESTIA", 1)],
)
def test_one_character_is_picked(master, character, count):
    found = find_recordings(master)
    choose_character(found, character, master)
    assert len(found.recordings) == count and len(found.of_others) == 6 - count


@pytest.mark.parametrize("character", ["", "Rarity", "Cake"])
def test_without_a_character_that_is_there_nothing_is_taken(master, character):
    with pytest.raises(RecordingsError, match=r"clips of Twilight Sparkle \(4\).*--character"):
        choose_character(find_recordings(master), character, master)


def test_shares_of_noise_and_singing(master):
    own = [r for r in find_recordings(master).recordings if r.character == "Twilight Sparkle"]
    assert shares(own) == (0.25, 0.0, 0.25) and shares([]) == (0, 0, 0)


def test_whole_episodes_are_cut_by_their_label_files(tmp_path):
    put(tmp_path / "Audio" / "fim_s01e01.flac")
    put(
        tmp_path / "Label files" / "fim_s01e01.txt",
        "1.0\t2.5\t00_00_01_Twilight_Happy_Noisy_Hello, Spike?\n"
        "3.0\t4.0\t00_00_03_Spike_Sad__Hi.\n",
    )
    put(tmp_path / "Label files" / "fim_s01e02.txt", "1.0\t2.0\t00_00_01_Spike_Sad__Hi.\n")
    found = find_recordings(tmp_path)
    first = found.recordings[0]
    assert (first.character, first.span) == ("Twilight Sparkle", (1.0, 2.5))
    assert (first.text, first.tags, first.noise) == ("Hello, Spike?", ("Happy",), "Noisy")
    assert found.characters == {"Twilight Sparkle": 1, "Spike": 1} and not found.without_text
    assert "there is no recording of its name" in left_out(found)["fim_s01e02.txt"]


def label(**changes):
    usual = {
        "start": 1.0, "end": 2.5, "character": "Pinkie", "mood": ["Happy", "Canterlot Voice"],
        "noise_level": "verynoisy", "transcript": "Hello.",
    }  # fmt: skip
    return usual | changes


def test_labels_of_ponysorter(tmp_path):
    put(tmp_path / "fim_s01e01.flac")
    put(tmp_path / "other.wav")
    labels = [
        label(), label(mood="Sad Smug", noise_level="", character="Luna", end="3.5"),
        label(end=0.5), label(transcript=""), label(transcript=None), label(start="x"), 3,
    ]  # fmt: skip
    put(tmp_path / "Reviewed episodes" / "fim_s01e01.json", json.dumps({"labels": labels}))
    put(tmp_path / "Reviewed episodes" / "fim_s01e02.json", json.dumps({"labels": labels}))
    found = find_recordings(tmp_path)
    one, other = found.recordings
    assert (one.character, one.tags) == ("Pinkie Pie", ("Happy", "Canterlot Voice"))
    assert (one.noise, one.span, one.text) == ("Very Noisy", (1.0, 2.5), "Hello.")
    assert (other.character, other.tags, other.noise) == ("Luna", ("Sad", "Smug"), "")
    assert len([n for n in left_out(found) if n.startswith("fim_s01e01.json, label")]) == 5
    assert {"fim_s01e02.json", "other.wav"} <= set(left_out(found))


@pytest.mark.parametrize(
    ("audio", "name"), [("audio.wav", "label.json"), ("Audio.FLAC", "Label.json")]
)
def test_an_unpacked_archive(tmp_path, audio, name):
    for clip, content in (("x/1", '{"utterance": {"content": "Hi."}}'), ("x/2", "{")):
        put(tmp_path / clip / audio)
        put(tmp_path / clip / name, content)
    put(tmp_path / "x/3" / audio)
    found = find_recordings(tmp_path)
    assert [(r.text, r.label.name) for r in found.recordings] == [("Hi.", name)]
    assert "label cannot be used" in left_out(found)["2"] and audio in left_out(found)


def test_companions_of_other_systems_are_named_once_or_not_at_all(tmp_path):
    for name in ("a.wav", "._a.wav", "._a.txt", ".DS_Store", "desktop.ini", "__MACOSX/._b.wav"):
        put(tmp_path / name)
    put(tmp_path / "a.txt", "Good.")
    found = find_recordings(tmp_path)
    assert [r.text for r in found.recordings] == ["Good."]
    assert [entry.name for entry in found.left_out] == ["._a.txt, ._a.wav"]
