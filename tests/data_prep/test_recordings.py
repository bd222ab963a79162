import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep.dataset_writer import prepare
from data_prep.layouts.found import RecordingsError
from data_prep.layouts.recognise import find_recordings
from data_prep.recordings import check_character, pack
from data_prep.soundtools import index_archive, read_clips


def record(path: Path, hertz: float = 220, rate: int = 16_000, level: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(rate) / rate
    soundfile.write(path, np.stack([level * np.sin(2 * np.pi * hertz * t)] * 2, axis=1), rate)
    return path


def texts(archive: Path) -> dict[str, str]:
    return {
        clip.ref: json.loads(clip.label)["utterance"]["content"]
        for clip in read_clips(index_archive(archive))
    }


def test_sounds_and_texts_of_the_same_name(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out.tar"
    for name, text in (
        ("b.flac", "Second.\n"),
        ("a.wav", "\ufeffFirst\nline."),
        ("deep/c.WAV", "Ä"),
    ):
        record(folder / name).with_suffix(".txt").write_text(text, encoding="utf-8")
    record(folder / "alone.wav")
    packed = pack(folder, out, "Me")
    assert texts(out) == {"a": "First line.", "b": "Second.", "c": "Ä"}
    assert packed.clips == 3 and packed.seconds == pytest.approx(3, abs=0.01)
    assert packed.left_out == ("alone.wav: has no alone.txt beside it.",)


def test_labels_have_no_words_and_the_whole_clip_s_length(tmp_path):
    record(tmp_path / "in" / "a.wav").with_suffix(".txt").write_text("Hi")
    pack(tmp_path / "in", tmp_path / "out.tar", "Me")
    (clip,) = read_clips(index_archive(tmp_path / "out.tar"))
    label = json.loads(clip.label)
    assert label["character"] == "Me" and label["words"] == label["phones"] == []
    assert label["utterance"]["episode_interval"] == [0, pytest.approx(1.0, abs=0.001)]


def test_ljspeech_layout(tmp_path):
    folder = tmp_path / "LJSpeech"
    for name in ("LJ1", "LJ2", "LJ3"):
        record(folder / "wavs" / f"{name}.wav")
    (folder / "metadata.csv").write_text(
        'LJ1|in "1850"|in "eighteen fifty"\nLJ2|plain|\nLJ3\nLJ4|lost|lost\nLJ1|again|again\n'
    )
    packed = pack(folder, tmp_path / "out.tar", "LJ")
    assert texts(tmp_path / "out.tar") == {"LJ1": 'in "eighteen fifty"', "LJ2": "plain"}
    assert packed.left_out == (
        "metadata.csv, row 3: has no name or no text.",
        "metadata.csv, row 4: there is no audio file LJ4.",
        "metadata.csv, row 5: LJ1 already has a text.",
    )


def test_a_table_with_commas_and_a_header(tmp_path):
    record(tmp_path / "one.wav")
    (tmp_path / "list.csv").write_text('file,text\none.wav,"Well, yes."\n')
    found = find_recordings(tmp_path)
    assert [(r.sound.name, r.text) for r in found.recordings] == [("one.wav", "Well, yes.")]
    assert not found.left_out


def test_older_encodings_are_read(tmp_path):
    record(tmp_path / "one.wav").with_suffix(".txt").write_bytes("Café".encode("cp1252"))
    assert find_recordings(tmp_path).recordings[0].text == "Café"


def test_a_table_does_not_reach_outside_of_its_folder(tmp_path):
    record(tmp_path / "secret.wav")
    folder = tmp_path / "in"
    record(folder / "one.wav")
    (folder / "metadata.csv").write_text("../secret.wav|x\none|y\n~/one.wav/z|z\n")
    found = find_recordings(folder)
    assert [r.sound.name for r in found.recordings] == ["one.wav"] and len(found.left_out) == 2


def test_broken_and_cut_off_sounds_are_left_out_with_a_reason(tmp_path):
    folder = tmp_path / "in"
    for name, level in (("good", 0.3), ("loud", 3.0)):
        record(folder / f"{name}.wav", level=level).with_suffix(".txt").write_text("x")
    (folder / "bad.wav").write_bytes(b"no sound")
    (folder / "bad.txt").write_text("x")
    packed = pack(folder, tmp_path / "out.tar", "Me")
    assert packed.clips == 1 and len(packed.left_out) == 2
    assert packed.left_out[0].startswith("bad.wav: it cannot be decoded (")
    assert "BytesIO" not in packed.left_out[0] and packed.left_out[0].endswith(").")
    assert packed.left_out[1].endswith("of its samples are clipped.")


def test_equal_names_in_subfolders_stay_apart(tmp_path):
    for folder in ("a", "b"):
        record(tmp_path / "in" / folder / "1.wav").with_suffix(".txt").write_text(folder)
    pack(tmp_path / "in", tmp_path / "out.tar", "Me")
    assert texts(tmp_path / "out.tar") == {"1": "a", "1-2": "b"}


NAMES = ["../Evil", "", " Me", "a/b", "C:\\x", "-x", "Me.", "x" * 61, "a\0", "\u202eMe", "🦄"]


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_name_a_character(tmp_path, name):
    with pytest.raises(RecordingsError, match="cannot name a character") as error:
        check_character(name)
    assert str(error.value).isprintable()
    for good in ("Zecora", "Twilight Sparkle (alicorn)", "Flim-Flam Jr.'s", "Зекора", "a.b"):
        check_character(good)


def test_a_sound_of_more_than_256_mb_is_not_read(tmp_path):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.sin(np.arange(9_000)), 22_050)
        (tmp_path / f"{name}.txt").write_text("Text.")
    os.truncate(tmp_path / "b.wav", 257 * 2**20)  # a hole: it takes no room on the disk
    packed = pack(tmp_path, tmp_path / "out.tar", "Me")
    assert packed.clips == 1 and "b.wav: it has more than 256 MB" in packed.left_out[0]


def test_sounds_without_a_name_are_packed(tmp_path):
    sound = tmp_path / "sounds" / "..wav"
    sound.parent.mkdir()
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(9_000)), 22_050)
    (tmp_path / "a.wav").rename(sound)
    sound.with_suffix(".txt").write_text("Text.")
    assert pack(sound.parent, tmp_path / "out.tar", "Me").clips == 1


def test_errors_say_what_to_do_and_leave_nothing(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out.tar"
    with pytest.raises(RecordingsError, match="no such folder"):
        pack(folder, out, "Me")
    record(folder / "a.wav")
    with pytest.raises(RecordingsError, match="no recording with a text.*a.wav: has no a.txt"):
        pack(folder, out, "Me")
    (folder / "a.txt").write_text("x")
    (folder / "a.wav").write_bytes(b"")
    with pytest.raises(RecordingsError, match="no recording"):
        pack(folder, out, "Me")
    assert list(tmp_path.iterdir()) == [folder]
    for name in ("a.csv", "b.csv"):
        (folder / name).touch()
    with pytest.raises(RecordingsError, match="metadata.csv"):
        pack(folder, out, "Me")


def test_an_existing_archive_is_replaced_only_on_request(tmp_path):
    record(tmp_path / "in" / "a.wav").with_suffix(".txt").write_text("x")
    out = tmp_path / "out.tar"
    out.write_bytes(b"precious")
    with pytest.raises(RecordingsError, match="--overwrite"):
        pack(tmp_path / "in", out, "Me")
    assert out.read_bytes() == b"precious"
    assert pack(tmp_path / "in", out, "Me", overwrite=True).clips == 1


def test_packed_recordings_can_be_prepared(tmp_path):
    for i in range(4):
        sound = record(tmp_path / "in" / f"{i}.wav", hertz=200 + 30 * i)
        sound.with_suffix(".txt").write_text(f"Take {i}.")
    pack(tmp_path / "in", tmp_path / "out.tar", "Me")
    report = prepare(tmp_path / "out.tar", tmp_path / "Me", progress=False).report
    assert report["kept"] == 4 and report["alignments"]["without_phones"] == 4
    assert "|" in (tmp_path / "Me" / "val.txt").read_text()
    assert (tmp_path / "Me" / "alignments.jsonl").read_text() == ""
