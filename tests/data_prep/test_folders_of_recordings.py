"""From a folder to an archive or a data set: the commands, their reports, and dry runs."""

import csv
import json
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import soundfile

from data_prep.__main__ import main
from data_prep.labels import parse_label
from data_prep.recordings import RecordingsError, pack
from data_prep.soundtools import index_archive, read_clips
from ponytaco.io.locks import sole_writer
from ponytaco.text.symbols import STYLE_SIGNS


def record(path, seed=0, seconds=1.0, rate=22_050, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(seconds * rate)) / rate
    hum = sum(np.sin(2 * np.pi * (110 + 7 * seed) * k * t) / k for k in range(1, 6))
    soundfile.write(path, 0.1 * hum * (np.sin(9 * t) > -0.5), rate, **options)


CLIPS = [  # character, tags, noise, line
    ("Twilight", "Happy", "", "I am so excited!"),
    ("Twilight", "Neutral", "Noisy", "All right."),
    ("Twilight", "Canterlot Voice", "", "Spike, take a note."),
    ("Twilight", "Singing", "", "La la la."),
    ("Twilight", "Sad", "Very Noisy", "Oh no."),
    ("Twilight Sparkle", "Sad Whispering", "", "Wait..."),
    ("Rarity", "Angry", "Noisy", "Of all the things!"),
    ("Rarity", "Neutral", "", "Darling."),
    ("Rarity", "Smug", "", "Naturally."),
    ("Mrs. Cake", "Neutral", "", "Here you are."),
]


@pytest.fixture
def master(tmp_path):
    episode = tmp_path / "Master" / "Sliced Dialogue" / "FiM" / "S1" / "s1e1"
    for i, (character, tags, noise, line) in enumerate(CLIPS):
        stem = f"00_00_{i:02}_{character}_{tags}_{noise}_{line}"
        record(episode / f"{stem.replace('?', '_')}.flac", i)
        (episode / f"{stem.rstrip('.')}.txt").write_text(line)
    return tmp_path / "Master"


def test_list_shows_who_is_there(master, capsys):
    assert main(["list", str(master)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"{master}: Sliced Dialogue")
    rows = {" ".join(line.split("  ")[0].split()): " ".join(line.split()) for line in printed[1:4]}
    assert rows["Twilight Sparkle"].endswith(
        "6 clips 0.1 minutes 17% noisy 17% very noisy 17% singing"
    )
    assert rows["Rarity"].endswith("3 clips 0.1 minutes 33% noisy 0% very noisy 0% singing")
    assert rows["Mrs. Cake"].endswith("1 clips 0.0 minutes 0% noisy 0% very noisy 0% singing")
    assert printed[4].endswith(
        f'prepare {master} data/Twilight-Sparkle --character "Twilight Sparkle"'
    )


@pytest.mark.parametrize("options", [[], ["--style-signs"], ["--skip-tags", ""]])
def test_prepare_takes_one_character_with_tags_and_noise(master, tmp_path, capsys, options):
    out = tmp_path / "data" / "Twilight"
    assert main(["prepare", str(master), str(out), "--character", "Twilight", *options]) == 0
    report = json.loads((out / "report.json").read_text())
    sung = options == ["--skip-tags", ""]
    assert report["clips"] == 6 and report["kept"] == 4 + sung
    assert report["rejected"] == {"very noisy": 1} | ({} if sung else {"unwanted tag": 1})
    texts = {
        line.split("|")[1]
        for name in ("train.txt", "val.txt")
        for line in (out / name).read_text().splitlines()
    }
    signs = [STYLE_SIGNS[s] if "--style-signs" in options else "" for s in
             ("Happy", "Canterlot Voice", "Sad")]  # fmt: skip
    assert {f"{signs[0]}I am so excited!", f"{signs[1]}Spike, take a note.", "All right.",
            f"{signs[2]}Wait..."} <= texts  # fmt: skip
    left_out = list(csv.reader((out / "report.csv").open(encoding="utf-8")))
    assert left_out[0] == ["left out", "reason"] and len(left_out) == 1 + 4 + 2 - sung
    assert [p.name for p in out.parent.iterdir()] == ["Twilight"]
    assert main(["prepare", str(master), str(out), "--character", "Twilight", *options]) == 0
    assert "Nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["prepare", "pack"])
def test_a_dry_run_shows_and_writes_nothing(master, tmp_path, capsys, command):
    before = sorted(tmp_path.rglob("*"))
    arguments = [command, str(master), str(tmp_path / "out"), "--character", "Rarity", "--dry-run"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Understood as Sliced Dialogue") and "Of all the" in printed[2]
    assert printed[-1] == "Nothing was written." and "Characters: Rarity (3)." in printed
    assert (
        "3 clips with sound and text, 0 sounds without a text, 0 texts without a sound." in printed
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_of_an_archive(small_archive, tmp_path, capsys):
    assert main(["prepare", str(small_archive), str(tmp_path / "out"), "--dry-run"]) == 0
    assert "12 clips  " in capsys.readouterr().out and not (tmp_path / "out").exists()


def test_several_characters_are_asked_for(master, tmp_path, capsys):
    for arguments in ([], ["--character", "Spike"]):
        assert main(["prepare", str(master), str(tmp_path / "out"), *arguments]) == 1
        assert '--character "Twilight Sparkle"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_all_that_was_left_out_is_in_the_report(tmp_path, capsys):
    record(tmp_path / "in" / "good.wav")
    (tmp_path / "in" / "good.txt").write_text("Good.")
    for i in range(30):
        record(tmp_path / "in" / f"{i:02}.wav", i, seconds=0.1)
    (tmp_path / "in" / "=1+1.txt").write_text("x")
    assert main(["pack", str(tmp_path / "in"), str(tmp_path / "Me.tar"), "--character", "Me"]) == 0
    printed = capsys.readouterr()
    assert "Left out 21 more." in printed.out and "clip" in printed.err  # a progress bar
    rows = list(csv.reader((tmp_path / "Me.report.csv").open(encoding="utf-8")))
    assert len(rows) == 32 and ["07.wav", "has no 07.txt beside it"] in rows
    for path in (tmp_path / "in").glob("[0-9]*.wav"):
        path.unlink()
    (tmp_path / "in" / "=1+1.txt").unlink()
    command = ["pack", str(tmp_path / "in"), str(tmp_path / "Me.tar"), "--character", "Me"]
    assert main([*command, "--overwrite"]) == 0
    assert not (tmp_path / "Me.report.csv").exists()


@pytest.mark.parametrize(("rate", "note"), [(8_000, True), (11_025, True), (16_000, False)])
def test_dull_sounds_are_mentioned(tmp_path, rate, note):
    record(tmp_path / "a.wav", rate=rate)
    (tmp_path / "a.txt").write_text("Text.")
    notes = pack(tmp_path, tmp_path / "out.tar", "Me").notes
    assert (notes == ()) != note and all("1 clip of less than 16,000 Hz" in n for n in notes)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "aiff", "au", "caf"])
def test_sounds_of_every_format_are_packed(tmp_path, suffix):
    record(tmp_path / f"a.{suffix}")
    (tmp_path / "a.txt").write_text("Text.")
    packed = pack(tmp_path, tmp_path / "out.tar", "Me")
    assert packed.clips == 1 and packed.seconds == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_clips_are_cut_from_a_long_recording(tmp_path, suffix):
    record(tmp_path / f"talk.{suffix}", seconds=10)
    (tmp_path / "talk.txt").write_text("1.0\t2.5\tOne.\n4.0\t8.0\tTwo.\n9.0\t11.0\tToo far.\n")
    packed = pack(tmp_path, tmp_path / "out.tar", "Me")
    labels = [parse_label(c.label) for c in read_clips(index_archive(tmp_path / "out.tar"))]
    assert [(x.text, x.untrimmed_seconds) for x in labels] == [("One.", 1.5), ("Two.", 4.0)]
    assert "its label ends at 11.00 seconds, and the recording lasts 10.00" in packed.left_out[0]


def test_an_unpacked_archive_keeps_the_times_of_its_phones(small_archive, tmp_path, capsys):
    with tarfile.open(small_archive) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    assert main(["prepare", str(small_archive), str(tmp_path / "one")]) == 0
    assert main(["prepare", str(tmp_path / "unpacked"), str(tmp_path / "two")]) == 0
    one, two = (json.loads((tmp_path / n / "report.json").read_text()) for n in ("one", "two"))
    assert one["alignments"] == two["alignments"] and two["kept"] == 12
    for name in ("train.txt", "alignments.jsonl", "lexicon.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    packed = pack(tmp_path / "unpacked", tmp_path / "again.tar", "Me")
    assert packed.clips == 12 and "unpacked archive" in packed.found.layout


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
@pytest.mark.parametrize("command", ["pack", "prepare"])
def test_a_second_process_on_one_output_is_told(tmp_path, small_archive, command):
    record(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "a.txt").write_text("Text.")
    source = tmp_path / "in" if command == "pack" else small_archive
    out = tmp_path / "out.tar"
    arguments = [command, source, out, *(["--character", "Me"] if command == "pack" else [])]
    with sole_writer(out, RecordingsError):
        done = subprocess.run(
            [sys.executable, "-m", "data_prep", *arguments], capture_output=True, text=True
        )
    assert done.returncode == 1 and "is being written by another process" in done.stderr
    assert not out.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_of_two_processes_at_once_one_writes_and_nothing_is_mixed(tmp_path):
    for voice in ("one", "two"):
        for i in range(25):
            record(tmp_path / voice / f"{i}.wav", i, rate=16_000)
            (tmp_path / voice / f"{i}.txt").write_text(f"Text {i} of {voice}.")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "data_prep", "pack", tmp_path / voice, tmp_path / "out.tar",
             "--character", voice],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for voice in ("one", "two")
    ]  # fmt: skip
    done = [(p.communicate(), p.returncode) for p in processes]
    assert sorted(code for _, code in done) == [0, 1]
    winner = "one" if done[0][1] == 0 else "two"
    labels = [parse_label(c.label) for c in read_clips(index_archive(tmp_path / "out.tar"))]
    assert {label.character for label in labels} == {winner} and len(labels) == 25


def test_list_names_archives_of_every_kind(small_archive, tmp_path, capsys):
    small_archive.rename(tmp_path / "UPPER.TAR")
    for name in ("a.tar.gz", "b.tgz", "c.zip", "d.tar.xz"):
        (tmp_path / name).write_bytes(b"x")
    assert main(["list", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "12 clips" in printed[0] and "UPPER.TAR" in printed[0]
    assert [line.split()[-1] for line in printed[1:5]] == [
        "a.tar.gz", "b.tgz", "c.zip", "d.tar.xz",
    ]  # fmt: skip
    assert "compressed. Unpack it first: unzip c.zip" in printed[3]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_list_follows_drive_shortcuts_and_names_other_links(small_archive, tmp_path, capsys):
    folder = tmp_path / "drive" / "MyDrive"
    for target, link in ((".shortcut-targets-by-id/1x", "Shared"), ("elsewhere", "Other")):
        (tmp_path / "drive" / target).mkdir(parents=True)
        folder.mkdir(exist_ok=True)
        (folder / link).symlink_to(tmp_path / "drive" / target)
    small_archive.rename(tmp_path / "drive" / ".shortcut-targets-by-id" / "1x" / "Test.tar")
    (folder / "loop").symlink_to(folder)
    assert main(["list", str(folder)]) == 0
    other, shared = capsys.readouterr().out.splitlines()[:2]
    assert "12 clips" in shared and os.path.join("Shared", "Test.tar") in shared
    assert f"leads out of the folder: {tmp_path / 'drive' / 'elsewhere'}. List that" in other


@pytest.mark.parametrize("size", [2_000, 50_000, 300_001])
def test_minutes_are_counted_behind_large_headers(tmp_path, size):
    record(tmp_path / "a.wav", seconds=60)
    data = (tmp_path / "a.wav").read_bytes()
    large = data[:36] + b"LGWV" + size.to_bytes(4, "little") + b"x" * (size + size % 2) + data[36:]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "audio.wav").write_bytes(large)
    (tmp_path / "c" / "label.json").write_text('{"utterance": {"content": "a"}}')
    with tarfile.open(tmp_path / "T.tar", "w") as tar:
        tar.add(tmp_path / "c", "c")
    done = subprocess.run(
        [sys.executable, "-m", "data_prep", "list", tmp_path], capture_output=True, text=True
    )
    assert "1.0 minutes" in done.stdout
