"""Sound files that are cut off, headers that promise nothing, and formats for ffmpeg."""

import io
import re
import struct
import sys

import numpy as np
import pytest
import soundfile

from data_prep import ffmpeg, sound_files
from data_prep.audio import decode
from data_prep.containers import missing_share, repaired
from data_prep.sound_files import AudioError, read_samples

RATE = 24_000
SECONDS = 2.0
TONE = np.random.default_rng(0).normal(0, 0.1, int(SECONDS * RATE)).astype(np.float32)


def encoded(kind: str, subtype: str | None = None, endian: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, TONE, RATE, subtype, endian, kind)
    return file.getvalue()


FORMATS = [
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "MS_ADPCM"), ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"),
    ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "subtype"), FORMATS)
def test_what_libsndfile_decodes_is_read_whole(kind, subtype):
    channels, rate = read_samples(encoded(kind, subtype))
    assert len(channels) / rate == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("share", [0.35, 0.66, 0.9])
@pytest.mark.parametrize(("kind", "subtype"), FORMATS)
def test_a_cut_off_file_is_refused_with_its_lengths(kind, subtype, share):
    data = encoded(kind, subtype)
    with pytest.raises(AudioError) as error:
        decode(data[: int(len(data) * share)])
    if kind not in ("OGG", "CAF"):  # which do not tell their length, or cannot be opened
        assert re.search(r"cut off: its header tells of (1\.9|2\.0)", str(error.value))


@pytest.mark.parametrize("endian", ["BIG", "LITTLE"])
def test_some_bytes_more_or_less_are_no_cut(endian):
    data = encoded("WAV", "PCM_16", endian)
    assert len(read_samples(data + b"tail" * 500)[0]) == len(TONE)
    assert len(read_samples(data[:-100])[0]) == len(TONE) - 50


def wav(*chunks: tuple[bytes, bytes, int | None], padded: bool = True) -> bytes:
    body = b""
    for name, content, size in chunks:
        body += name + struct.pack("<I", len(content) if size is None else size) + content
        body += b"\0" * (len(content) % 2 if padded else 0)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


PCM = (TONE * 32767).astype("<i2").tobytes()
FMT = (b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16), None)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFD3])
@pytest.mark.parametrize(
    "before", [(), ((b"LIST", b"INFO1234", None),), ((b"bext", b"x" * 602, None),)]
)
def test_a_wav_from_a_pipe_is_read_to_its_end(size, before):
    channels, _ = read_samples(wav(FMT, *before, (b"data", PCM, size)))
    assert len(channels) == len(TONE)


@pytest.mark.parametrize("odd", [b"x" * 27, b"y", b"z" * 1023])
def test_chunks_of_odd_length_without_padding_are_read(odd):
    data = wav((b"JUNK", odd, None), FMT, (b"data", PCM, None), padded=False)
    assert len(read_samples(data)[0]) == len(TONE)


def test_all_data_chunks_of_a_wav_are_read():
    half = len(PCM) // 2
    data = wav(FMT, (b"data", PCM[:half], None), (b"data", PCM[half:], None))
    assert len(read_samples(data)[0]) == len(TONE)


@pytest.mark.parametrize("samples", [100, 4096, 5000, 200_000])
def test_a_flac_from_a_pipe_is_read_whole(samples):
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal(samples)
    soundfile.write(file, noise, RATE, format="FLAC")
    data = bytearray(file.getvalue())
    total = int.from_bytes(data[18:26], "big")
    data[18:26] = (total >> 36 << 36).to_bytes(8, "big")
    assert len(read_samples(bytes(data))[0]) == samples


@pytest.mark.parametrize("data", [b"", b"RIFF", b"fLaC" + b"\0" * 60, b"\xff" * 50, b"caff" * 9])
def test_a_header_alone_is_no_error(data):
    assert repaired(data) is not None and 0 <= missing_share(data) <= 1
    with pytest.raises(AudioError):
        read_samples(data)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "it is empty"),
        (b"\0" * 400, "it is empty"),
        (b"<!DOCTYPE html><html>Quota exceeded</html>", "web page"),
        (b"  <HTML>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + b"\0" * 99, "macOS"),
        (wav(FMT), "has the header of a wav, but no sound"),
    ],
)
def test_what_is_no_sound_is_named(data, part):
    with pytest.raises(AudioError, match=part):
        read_samples(data)


M4A = b"\0\0\0\x20ftypM4A " + b"\0" * 200
FOREIGN = [
    M4A, b"\0\0\0\x20ftypisom" + b"1" * 99, b"\x1a\x45\xdf\xa3" + b"x" * 99, b"#!AMR\n" + b"x" * 99,
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + b"x" * 99, b"\xff\xf1\x50\x80" + b"x" * 99,
]  # fmt: skip


@pytest.mark.parametrize("data", FOREIGN)
def test_formats_for_ffmpeg_are_named_where_it_is_missing(monkeypatch, data):
    monkeypatch.setattr(ffmpeg, "find_ffmpeg", lambda: "")
    with pytest.raises(AudioError, match="needs ffmpeg. Convert it to wav .* or install ffmpeg"):
        read_samples(data)


@pytest.mark.skipif(sys.platform == "win32", reason="a script with a shebang")
@pytest.mark.parametrize(
    ("told", "kept", "part"), [(2.0, 2.0, ""), (2.0, 1.2, "cut off: its header tells of 2.00")]
)
def test_ffmpeg_converts_and_tells_the_length(monkeypatch, tmp_path, told, kept, part):
    (tmp_path / "made.wav").write_bytes(encoded("WAV")[: 44 + int(kept * RATE) * 2])
    script = tmp_path / "ffmpeg"
    script.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        f"sys.stderr.write('  Duration: 00:00:0{told:.2f}, start: 0.0')\n"
        f"shutil.copy(r'{tmp_path / 'made.wav'}', sys.argv[-1])\n"
    )
    if kept < told:
        data = bytearray((tmp_path / "made.wav").read_bytes())
        data[40:44] = struct.pack("<I", len(data) - 44)
        (tmp_path / "made.wav").write_bytes(data)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if part:
        with pytest.raises(AudioError, match=part):
            read_samples(M4A)
    else:
        assert len(read_samples(M4A)[0]) == len(TONE)


def test_playlists_are_never_given_to_ffmpeg():
    for data in (b"#EXTM3U\nfile:///etc/passwd", b"ffconcat version 1.0\nfile x", b"[playlist]"):
        assert not ffmpeg.foreign_format(data)


def test_too_long_sounds_are_not_decoded(monkeypatch):
    monkeypatch.setattr(sound_files, "LONGEST_DECODED_SECONDS", 1.0)
    with pytest.raises(sound_files.TooLongError):
        read_samples(encoded("FLAC"))
