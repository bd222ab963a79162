import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep import soundtools
from data_prep.archive_writer import ArchiveWriter
from data_prep.soundtools import ArchiveError, archive_seconds, index_archive, read_clips


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def clips(path: Path) -> list[tuple[str, bytes | None, bytes | None]]:
    return [(clip.ref, clip.audio, clip.label) for clip in read_clips(index_archive(path))]


def test_pairs_are_found_in_any_order_and_depth(tmp_path):
    members = [
        ("./a/label.json", b"la"),
        ("x/y/b/audio.flac", b"ab"),
        ("./a/audio.wav", b"aa"),
        ("c/audio.wav", b"ac"),
        ("x/y/b/label.json", b"lb"),
        ("d/label.json", b"ld"),
    ]
    assert clips(write_tar(tmp_path / "t.tar", members)) == [
        ("a", b"aa", b"la"),
        ("b", b"ab", b"lb"),
        ("c", b"ac", None),
        ("d", None, b"ld"),
    ]


def test_of_a_member_that_comes_twice_the_last_one_counts(tmp_path):
    twice = [("a/audio.wav", b"1"), ("a/label.json", b"2")]
    twice += [("a/audio.wav", b"3"), ("a/label.json", b"4"), ("other/a/audio.wav", b"5")]
    path = write_tar(tmp_path / "t.tar", twice)
    assert clips(path) == [("a", b"3", b"4"), ("a", b"5", None)]
    assert index_archive(path).replaced_members == 2
    each = [("a/audio.wav", b"1")] * 2 + [("a/label.json", b"2")] * 3
    assert clips(write_tar(tmp_path / "e.tar", each)) == [("a", b"1", b"2")]


@pytest.mark.parametrize(
    ("audio", "label"),
    [
        ("a/Audio.WAV", "a/Label.json"), ("a/AUDIO.FLAC", "a/LABEL.JSON"),
        ("a/audio.ogg", "a/label.json"),
        ("x\\a\\audio.wav", "x\\a\\label.json"), ("a/audio.mp3", "a/label.json"),
    ],
)  # fmt: skip
def test_names_in_capitals_with_backslashes_and_of_other_formats(tmp_path, audio, label):
    path = write_tar(tmp_path / "t.tar", [(audio, b"1"), (label, b"2")])
    assert clips(path) == [("a", b"1", b"2")]


@pytest.mark.parametrize("names", [["a.wav", "a.txt"], ["audio.wav", "label.json"], ["x/y.flac"]])
def test_an_archive_without_clips_names_what_it_has(tmp_path, names):
    path = write_tar(tmp_path / "t.tar", [(name, b"1") for name in names])
    with pytest.raises(ArchiveError, match=f"contains no clips. It has {', '.join(names)}"):
        index_archive(path)


def test_what_is_no_clip_is_counted_not_followed(tmp_path):
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("a", tarfile.DIRTYPE), ("a/audio.wav", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        device = tarfile.TarInfo("a/label.json")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
        for name in ("b/audio.wav", "b/readme.txt", "audio.wav"):
            tar.addfile(tarfile.TarInfo(name))
    index = index_archive(path)
    assert [clip.ref for clip in index.clips] == ["b"]
    assert index.other_members == 4


def test_nothing_is_written_whatever_the_names(tmp_path):
    names = ["../evil/audio.wav", "/abs/audio.wav", "a/../../b/audio.wav"]
    path = write_tar(tmp_path / "t.tar", [(name, b"x") for name in names])
    assert [audio for _, audio, _ in clips(path)] == [b"x"] * 3
    assert list(tmp_path.iterdir()) == [path]


def test_oversized_members_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(soundtools, "LARGEST_AUDIO_BYTES", 3)
    path = write_tar(tmp_path / "t.tar", [("a/audio.wav", b"1234"), ("a/label.json", b"12345")])
    (clip,) = read_clips(index_archive(path))
    assert clip.audio is None and clip.too_large == ("audio",) and clip.label == b"12345"


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("missing.tar", None, "no such archive"),
        ("text.tar", b"hello world, this is no tar" * 40, "not a readable, uncompressed tar"),
        ("empty.tar", b"", "not a readable"),
        ("zeros.tar", bytes(10_240), "contains no clips"),
    ],
)
def test_a_bad_archive_is_explained(tmp_path, name, content, part):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArchiveError, match=part) as caught:
        index_archive(path)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_archive(tmp_path):
    with pytest.raises(ArchiveError, match="is a folder, not an archive.*ponytaco pack"):
        index_archive(tmp_path)


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x")])
def test_only_what_tarfile_raises_is_blamed_on_the_archive(small_archive, monkeypatch, error):
    """A mistake of ours keeps its traceback, even if tarfile raises errors of the same class."""

    def fail(*_):
        raise error

    monkeypatch.setattr(soundtools, "_note_member", fail)
    with pytest.raises(type(error)):
        index_archive(small_archive)
    monkeypatch.setattr(tarfile.TarFile, "next", fail)
    with pytest.raises(ArchiveError, match="header is damaged"):
        index_archive(small_archive)


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.9])
def test_a_cut_off_archive_is_refused(small_archive, kept):
    data = small_archive.read_bytes()
    small_archive.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ArchiveError):
        index_archive(small_archive)


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path):
    path = write_tar(tmp_path / "t.tar", [(f"{i}/audio.wav", b"x") for i in range(4)])
    data = bytearray(path.read_bytes())
    data[2048 + 10] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged or truncated near byte 2048"):
        index_archive(path)


def test_a_tar_without_end_blocks_is_read(tmp_path):
    path = write_tar(tmp_path / "t.tar", [("a/audio.wav", b"x")])
    path.write_bytes(path.read_bytes()[:1024])
    assert clips(path) == [("a", b"x", None)]


def test_no_headers_pile_up_in_memory(tmp_path, monkeypatch):
    held = []
    path = tmp_path / "t.tar"
    with ArchiveWriter(path) as archive:
        for i in range(5):
            archive.add(f"{i}", np.zeros(9, np.float32), 22_050, {})
            held.append(len(archive._tar.members))
    note = soundtools._note_member
    opened, reopen = [], tarfile.open
    monkeypatch.setattr(tarfile, "open", lambda **k: opened.append(reopen(**k)) or opened[-1])
    monkeypatch.setattr(
        soundtools,
        "_note_member",
        lambda *arguments: held.append(len(opened[0].members)) or note(*arguments),
    )
    index_archive(path)
    assert len(held) == 15 and max(held) <= 1


def test_an_archive_s_length_is_the_sum_of_its_clips(small_archive):
    index = index_archive(small_archive)
    true = sum(soundfile.info(io.BytesIO(c.audio)).duration for c in read_clips(index))
    assert archive_seconds(index) == pytest.approx(true, abs=0.01)


@settings(max_examples=often(60), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), max_size=8))
def test_a_damaged_archive_gives_clips_or_an_archive_error(tmp_path_factory, changes):
    path = write_tar(tmp_path_factory.mktemp("t") / "t.tar", [("a/audio.wav", b"1")] * 2)
    data = bytearray(path.read_bytes())
    for place, byte in changes:
        data[place] = byte
    path.write_bytes(data)
    try:
        for clip in read_clips(index_archive(path)):
            assert clip.audio is None or isinstance(clip.audio, bytes)
    except ArchiveError as error:
        assert str(path) in str(error)
