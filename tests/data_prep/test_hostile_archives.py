"""Archives made by strangers: refused, or left out with a reason, and within fixed limits."""

import gzip
import io
import lzma
import os
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

import data_prep.dataset_writer as filelists_module
import data_prep.soundtools as soundtools_module
from data_prep.dataset_writer import prepare
from data_prep.folders import PrepareError
from data_prep.soundtools import ArchiveError, index_archive, read_clips

END = bytes(1024)


def base256(number):
    """A size as GNU tar writes those that eleven octal digits cannot hold, or negative ones."""
    return b"\x80" + number.to_bytes(11) if number >= 0 else (256**12 + number).to_bytes(12)


def header(name, size=0, kind=b"0", raw_size=None, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = raw_size or b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name, data=b"1", kind=b"0"):
    return header(name, len(data), kind) + data + bytes(-len(data) % 512)


def pax(**values):
    records = b""
    for key, value in values.items():
        text = f" {key.replace('__', '.')}={value}\n".encode()
        size = len(text)
        while len(str(size)) + len(text) != size:
            size = len(str(size)) + len(text)
        records += str(size).encode() + text
    return member("pax", records, b"x")


GOOD = member("a/audio.wav") + member("a/label.json")


def write(folder, content):
    path = folder / "t.tar"
    path.write_bytes(content)
    return path


def refused(path):
    with pytest.raises(ArchiveError) as error:
        list(read_clips(index_archive(path)))
    assert str(path) in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(header("x", kind=b"x", raw_size=base256(2**62)), id="huge pax header"),
        pytest.param(header("L", kind=b"L", raw_size=base256(2**62)), id="huge long name"),
        pytest.param(header("K", kind=b"K", raw_size=base256(2**33)), id="8 GB long link"),
        pytest.param(header("b/audio.wav", raw_size=base256(-512)), id="round for ever"),
        pytest.param(header("b/audio.wav", raw_size=base256(-1024)), id="negative size"),
        pytest.param(header("b/audio.wav", raw_size=base256(2**60)), id="gigantic member"),
        pytest.param(pax(size="-1024") + member("b/audio.wav"), id="negative pax size"),
        pytest.param(pax(size="9" * 4000) + member("b/audio.wav"), id="pax size of 4000 digits"),
        pytest.param(pax(GNU__sparse__map="a,b") + member("b/audio.wav"), id="broken sparse map"),
        pytest.param(
            pax(GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__realsize="x")
            + member("b/audio.wav", b"99999999999\n"),
            id="broken sparse file",
        ),
        pytest.param(pax(a="b") * 3000 + member("b/audio.wav"), id="3000 headers of one member"),
    ],
)
def test_a_lying_header_is_refused(tmp_path, bad):
    path = write(tmp_path, GOOD + bad + END)
    tracemalloc.start()
    refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20


@pytest.mark.parametrize("size", [-512, -1024])
def test_a_header_that_leads_back_is_refused_at_once(tmp_path, size):
    """And not only after the limit of clips, which a reader that goes round reaches, too."""
    path = write(tmp_path, GOOD + header("b/audio.wav", raw_size=base256(size)) + END)
    with pytest.raises(ArchiveError, match="damaged near byte 2048"):
        index_archive(path)


def test_a_long_name_of_many_megabytes_is_not_read(tmp_path):
    path = tmp_path / "t.tar"
    path.write_bytes(GOOD + header("L", 2**30, b"L"))
    os.truncate(path, 2**30 + 4096)  # a hole: it takes no room on the disk
    refused(path)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_compressed_bomb_named_tar_is_not_unpacked(tmp_path, pack):
    path = write(tmp_path, pack(GOOD + bytes(50_000_000)))
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="uncompress"):
        index_archive(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(header("b/audio.wav", kind=kind, linkname="/etc/passwd"), id=name)
        for kind, name in [
            (b"1", "hard link"), (b"2", "symbolic link"), (b"3", "character device"),
            (b"4", "block device"), (b"6", "pipe"), (b"S", "GNU sparse"),
        ]
    ]
    + [
        pytest.param(member("b/inner.tar", GOOD + END), id="tar in a tar"),
        pytest.param(member("audio.wav"), id="no folder"),
        pytest.param(pax(path="b/" * 20_000 + "audio.wav") + member("x"), id="endless name"),
    ],
)  # fmt: skip
def test_what_is_no_plain_file_is_counted_and_not_read(tmp_path, other):
    index = index_archive(write(tmp_path, GOOD + other + END))
    assert [clip.ref for clip in index.clips] == ["a"] and index.other_members == 1


def test_a_tar_as_a_clips_audio_is_no_sound(tmp_path, small_archive):
    content = small_archive.read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("x/audio.wav"))
    path = write(tmp_path, content + member("b/audio.wav", inner.getvalue()) +
                 member("b/label.json", b'{"utterance": {"content": "Hi."}}') + END)  # fmt: skip
    report = prepare(path, tmp_path / "out", progress=False).report
    assert report["rejected"] == {"broken audio": 1}


@pytest.mark.parametrize("limit", ["MOST_MEMBERS", "MOST_CLIPS"])
def test_there_is_a_limit_of_members_and_clips(tmp_path, monkeypatch, limit):
    path = write(tmp_path, b"".join(member(f"{i}/audio.wav") for i in range(10)) + END)
    monkeypatch.setattr(soundtools_module, limit, 10)
    assert len(index_archive(path).clips) == 10
    monkeypatch.setattr(soundtools_module, limit, 9)
    refused(path)


def test_there_is_a_limit_of_hours(small_archive, tmp_path, monkeypatch):
    monkeypatch.setattr(filelists_module, "MOST_HOURS", 3 / 3600)
    with pytest.raises(PrepareError, match="hours"):
        prepare(small_archive, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


NAMES = st.sampled_from(
    ["/etc/passwd", "../../up/audio.wav", "a/../../b/audio.wav", "/a/audio.wav", "./audio.wav",
     "C:\\x\\audio.wav", "a/label.json", "a/audio.wav", "a/audio.flac", "\u202ea/audio.wav"]
) | st.text(max_size=30)  # fmt: skip
KINDS = st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6", b"L", b"K", b"x", b"g", b"S", b"Z"])
SIZES = st.none() | st.integers(-(2**70), 2**70)
MEMBERS = st.lists(st.tuples(NAMES, KINDS, SIZES, st.binary(max_size=600)), max_size=6)


@settings(max_examples=often(80), deadline=None)
@given(MEMBERS)
def test_any_members_give_clips_or_a_sentence_and_no_file(tmp_path_factory, members):
    folder = tmp_path_factory.mktemp("t")
    content = GOOD
    for name, kind, size, data in members:
        raw = None if size is None else base256(size)
        name = name.encode("utf-8", "replace")[:90].decode("utf-8", "ignore")
        content += header(name, len(data), kind, raw) + data + bytes(-len(data) % 512)
    path = write(folder, content + END)
    try:
        for clip in read_clips(index_archive(path)):
            assert clip.audio is None or len(clip.audio) <= len(content)
    except ArchiveError as error:
        assert str(path) in str(error)
    assert [p.name for p in folder.iterdir()] == ["t.tar"]
