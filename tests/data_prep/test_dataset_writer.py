import errno
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep import dataset_writer as filelists
from data_prep.archive_writer import ArchiveWriter
from data_prep.audio import SAMPLE_RATE
from data_prep.dataset_writer import lexicon, prepare, safe_name, split
from data_prep.folders import UNFINISHED, PrepareError
from data_prep.options import ClipOptions
from data_prep.soundtools import ArchiveError


def add_files(archive: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(archive, "a") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def lines(path: Path) -> list[list[str]]:
    return [line.split("|") for line in path.read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_keeps_the_contract(small_archive, tmp_path):
    out = tmp_path / "data" / "Test"
    prepared = prepare(small_archive, out, progress=False)
    assert prepared.fresh and prepared.folder == out
    assert {path.name for path in out.iterdir()} == {
        "train.txt", "val.txt", "wavs", "alignments.jsonl", "lexicon.txt", "report.csv",
        "report.json",
    }  # fmt: skip
    train, val = lines(out / "train.txt"), lines(out / "val.txt")
    assert len(train) == 11 and len(val) == 1
    rows = train + val
    assert {row[0] for row in rows} == {f"wavs/clip_{i:02}.wav" for i in range(12)}
    assert all(len(row) == 3 and row[2].startswith("{") for row in rows)
    for row in rows:
        info = soundfile.info(out / row[0])
        assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    assert {path.name for path in out.parent.iterdir()} == {"Test"}


def test_alignments_fit_texts_and_wavs(small_archive, tmp_path):
    out = prepare(small_archive, tmp_path / "out", progress=False).folder
    texts = {row[0]: row[2] for row in lines(out / "train.txt") + lines(out / "val.txt")}
    alignments = [json.loads(line) for line in (out / "alignments.jsonl").open()]
    assert len(alignments) == 12
    for line in alignments:
        name = f"wavs/{line['ref']}.wav"
        spoken = [symbol for symbol, _, _ in line["tokens"]]
        assert spoken == texts[name].replace("{", "").replace("}", "").replace(".", "").split()
        times = np.array([token[1:] for token in line["tokens"]])
        assert (times[:, 0] <= times[:, 1]).all() and (np.diff(times[:, 0]) >= 0).all()
        assert times.max() <= soundfile.info(out / name).duration + 1e-4
        assert len(line["words"]) == 6 and line["words"][0][1] == line["tokens"][0][1]


def test_report_and_lexicon(small_archive, tmp_path):
    add_files(
        small_archive,
        {
            "lost/label.json": b'{"utterance": {"content": "x"}}',
            "broken/label.json": b"{",
            "broken/audio.wav": b"",
            "nolabel/audio.wav": b"123",
            "notes.txt": b"",
        },
    )
    prepared = prepare(small_archive, tmp_path / "out", progress=False)
    report = json.loads((prepared.folder / "report.json").read_text())
    assert report == prepared.report
    assert (report["clips"], report["kept"], report["train"], report["val"]) == (15, 12, 11, 1)
    assert report["rejected"] == {"no label": 1, "broken label": 1, "no audio": 1}
    assert report["rejected_examples"]["no label"][0].startswith("nolabel: ")
    assert report["alignments"] == {
        "kept": 12, "dropped": 0, "without_phones": 0, "found_here": 0,
    }  # fmt: skip
    assert report["archive"] == "Test.tar" and len(report["sha256"]) == 64
    assert report["options"]["max_seconds"] == 15.0 and report["other_members"] == 1
    wavs = list((prepared.folder / "wavs").iterdir())
    seconds = sum(soundfile.info(wav).duration for wav in wavs)
    assert report["minutes"] == pytest.approx(seconds / 60, abs=0.006)
    assert "MICE  M AY1 S\n" in (prepared.folder / "lexicon.txt").read_text()


def test_again_does_nothing_and_other_options_replace(small_archive, tmp_path):
    out = tmp_path / "out"
    prepare(small_archive, out, progress=False)
    before = files(out)
    (out / "mels-1.pt").write_bytes(b"made by somebody later")
    assert not prepare(small_archive, out, progress=False).fresh
    assert (out / "mels-1.pt").exists()
    assert prepare(small_archive, out, ClipOptions(max_seconds=14), progress=False).fresh
    assert not (out / "mels-1.pt").exists()
    assert prepare(small_archive, out, progress=False).fresh
    assert files(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"out", "Test.tar"}


def test_a_changed_archive_or_a_lost_wav_is_prepared_again(small_archive, tmp_path):
    out = tmp_path / "out"
    prepare(small_archive, out, progress=False)
    next((out / "wavs").iterdir()).unlink()
    assert prepare(small_archive, out, progress=False).fresh
    add_files(small_archive, {"x/audio.wav": b""})
    assert prepare(small_archive, out, progress=False).fresh


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_an_interruption_leaves_what_was_there(small_archive, tmp_path, monkeypatch, stop):
    out = tmp_path / "out"
    prepare(small_archive, out, progress=False)
    before = files(out)
    write_bytes = Path.write_bytes

    def fail_late(path: Path, data: bytes) -> int:
        if path.name == "clip_07.wav":
            raise stop
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", fail_late)
    with pytest.raises((PrepareError, KeyboardInterrupt)) as caught:
        prepare(small_archive, out, ClipOptions(max_seconds=14), progress=False)
    if isinstance(stop, OSError):
        assert str(caught.value).startswith(f"{out}: the disk is full.")
    assert files(out) == before
    assert {path.name for path in tmp_path.iterdir()} == {"out", "Test.tar"}


def test_the_remains_of_a_killed_run_are_replaced(small_archive, tmp_path):
    partial = tmp_path / ".out.partial"
    (partial / "wavs").mkdir(parents=True)
    (partial / UNFINISHED).touch()
    assert prepare(small_archive, tmp_path / "out", progress=False).fresh
    assert not partial.exists()


@pytest.mark.parametrize("place", ["out", ".out.partial"])
def test_files_of_others_are_never_deleted(small_archive, tmp_path, place):
    (tmp_path / place).mkdir()
    (tmp_path / place / "thesis.doc").touch()
    with pytest.raises(PrepareError, match="not (prepared|made) here"):
        prepare(small_archive, tmp_path / "out", progress=False)
    assert (tmp_path / place / "thesis.doc").exists()


def test_files_that_were_added_to_a_dataset_are_named_and_never_deleted(small_archive, tmp_path):
    out = prepare(small_archive, tmp_path / "out", progress=False).folder
    for name in "abcde":
        (out / name).touch()
    with pytest.raises(PrepareError, match="also contains a, b, c and 2 more, so it is left alone"):
        prepare(small_archive, out, seed=1, progress=False)
    assert all((out / name).exists() for name in "abcde")


def test_a_foreign_report_does_not_make_a_folder_ours(small_archive, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text('{"kept": 12}')
    with pytest.raises(PrepareError):
        prepare(small_archive, tmp_path / "out", progress=False)


def test_an_empty_folder_is_filled_and_a_file_is_refused(small_archive, tmp_path):
    (tmp_path / "out").mkdir()
    assert prepare(small_archive, tmp_path / "out", progress=False).fresh
    (tmp_path / "file").touch()
    with pytest.raises(PrepareError, match="exists as a file"):
        prepare(small_archive, tmp_path / "file", progress=False)
    with pytest.raises(PrepareError, match=r"file[/\\]below"):
        prepare(small_archive, tmp_path / "file" / "below", progress=False)


def test_fewer_than_two_clips_are_an_error_with_reasons(tmp_path, fake_clip):
    archive = tmp_path / "t.tar"
    with ArchiveWriter(archive) as writer:
        for i, tags in enumerate(([], ["Singing"], ["Singing"])):
            clip = fake_clip(["see", "my", "mice"], seed=i, tags=tags)
            writer.add(f"{i}", clip.waveform, SAMPLE_RATE, clip.label)
    with pytest.raises(PrepareError, match="only 1 of 3 clips .* 2 unwanted tag"):
        prepare(archive, tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == [archive]


def test_a_missing_archive_leaves_nothing(tmp_path):
    with pytest.raises(ArchiveError):
        prepare(tmp_path / "none.tar", tmp_path / "out", progress=False)
    assert not list(tmp_path.iterdir())


def test_wild_refs_stay_inside_and_apart(tmp_path, fake_clip):
    archive = tmp_path / "t.tar"
    with ArchiveWriter(archive) as writer:
        for i, ref in enumerate(["a|b", "a b", "A:B", "Ünï\n", "..."]):
            clip = fake_clip(["see", "my", "mice"], seed=i)
            writer.add(ref, clip.waveform, SAMPLE_RATE, clip.label)
    out = prepare(archive, tmp_path / "out", progress=False).folder
    names = {path.name for path in (out / "wavs").iterdir()}
    assert names == {"a_b.wav", "a_b-2.wav", "A_B-3.wav", "_n__.wav", "clip.wav"}
    rows = lines(out / "train.txt") + lines(out / "val.txt")
    assert {row[0] for row in rows} == {f"wavs/{name}" for name in names}


@settings(max_examples=often(80), deadline=None)
@given(st.lists(st.text(max_size=130), max_size=6))
def test_names_are_safe_and_unique(refs):
    taken: set[str] = set()
    names = [safe_name(ref, taken) for ref in refs]
    assert len({name.lower() for name in names}) == len(refs)
    for name in names:
        assert name and len(name) < 110 and not name.startswith(".")
        assert all(char.isascii() and (char.isalnum() or char in "_.-") for char in name)


@settings(max_examples=often(100), deadline=None)
@given(st.lists(st.sampled_from("abcdefghij"), min_size=2, max_size=40), st.integers(0, 5))
def test_the_split_is_a_partition(texts, seed):
    train, val = split(texts, seed)
    assert train and 1 <= len(val) <= 50
    assert sorted(train + val) == list(range(len(texts)))
    assert split(texts, seed) == (train, val)


@pytest.mark.parametrize(("count", "wanted"), [(2, 1), (20, 1), (100, 5), (1000, 50), (3000, 50)])
def test_the_split_takes_five_percent_but_at_most_50(count, wanted):
    texts = [f"text {i}" for i in range(count)]
    train, val = split(texts, seed=1)
    assert len(val) == wanted
    if count == 100:
        assert split(texts, seed=2)[1] != val


def test_equal_texts_stay_on_one_side():
    texts = [f"Text {i // 2}" + "." * (i % 2) for i in range(60)]
    for seed in range(5):
        train, val = split(texts, seed)
        assert not {texts[i].strip(".") for i in train} & {texts[i].strip(".") for i in val}
    assert split(["same"] * 30, 0)[1]
    # Every text thrice, and one clip wanted: three are taken, rather than to divide a text.
    assert len(split([f"{i // 3}" for i in range(18)], 0)[1]) == 3


def test_the_lexicon_has_the_most_frequent_pronunciation():
    counts = {"B": Counter({("B", "IY1"): 2, ("B",): 5}), "A": Counter({("EY1",): 1, ("AH0",): 1})}
    assert lexicon(counts) == "A  AH0\nB  B\n"


def test_clips_are_examined_one_at_a_time(small_archive, tmp_path, monkeypatch):
    """The memory holds one clip: each is written before the next one is read."""
    events = []
    read, examine = filelists.read_clips, filelists.examine
    monkeypatch.setattr(
        filelists,
        "read_clips",
        lambda index: (events.append("read") or clip for clip in read(index)),
    )
    monkeypatch.setattr(filelists, "examine", lambda *a: events.append("examine") or examine(*a))
    prepare(small_archive, tmp_path / "out", progress=False)
    assert events == ["read", "examine"] * 12


@pytest.mark.slow
@pytest.mark.shared
def test_real_speech(shared_data, tmp_path):
    prepared = prepare(shared_data / "LJ.tar", tmp_path / "LJ", progress=False)
    assert prepared.report["kept"] >= 285
    assert prepared.report["alignments"]["kept"] >= 285
    assert prepared.report["with_arpabet"] >= 285
    assert prepared.report["val"] == 15


def test_another_sample_rate_keeps_clips_texts_and_times(small_archive, tmp_path):
    usual = prepare(small_archive, tmp_path / "usual", progress=False)
    wide = prepare(
        small_archive, tmp_path / "wide", ClipOptions(sample_rate=48_000), progress=False
    )
    assert "sample_rate" not in usual.report["options"]  # older folders are not prepared again
    assert wide.report["options"]["sample_rate"] == 48_000
    for name in ("train.txt", "val.txt", "alignments.jsonl", "lexicon.txt"):
        assert (wide.folder / name).read_bytes() == (usual.folder / name).read_bytes()
    for path in (usual.folder / "wavs").iterdir():
        before, after = soundfile.info(path), soundfile.info(wide.folder / "wavs" / path.name)
        assert (before.samplerate, after.samplerate) == (22_050, 48_000)
        assert after.duration == pytest.approx(before.duration, abs=1e-4)
        low, high = soundfile.read(path)[0], soundfile.read(wide.folder / "wavs" / path.name)[0]
        at = np.linspace(0.1, 0.9, 50)  # the same parts: their loudness follows the same course
        for place in at:
            i, j = int(place * len(low)), int(place * len(high))
            assert abs(low[i - 200 : i + 200].std() - high[j - 435 : j + 435].std()) < 0.02
    assert not prepare(small_archive, tmp_path / "usual", ClipOptions(), progress=False).fresh
