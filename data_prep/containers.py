"""Headers of sound files: how much sound they promise, and repair of those that do not tell.

libsndfile reads what is there. It neither tells that a file was cut off, nor reads a wav or a flac
that a program wrote into a pipe and could not go back to complete.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_UNKNOWN_SIZE = 0x7FFF0000
"""Sizes of a wav's data from here on are written by programs that do not know them yet."""

_W64_RIFF, _W64_DATA = b"riff\x2e\x91\xcf\x11", b"data\xf3\xac\xd3\x11"


@dataclass(frozen=True)
class Chunk:
    """Part of a chunked file."""

    name: bytes
    start: int
    """Offset of its content in bytes."""

    size: int
    """Bytes, as its header has it."""


def missing_share(data: bytes) -> float:
    """Return the share of its sound that a file promises and does not have.

    Args:
        data: content of a wav, aiff, au, caf, w64, ogg or any other file.

    Returns:
        0..1; 0 for a complete file, and for one whose header does not tell.
    """
    if data[:4] == b"OggS":
        return _missing_of_last_page(data)
    if data[:1] == b"\xff" and len(data) > 7 and data[1] & 0xF6 == 0xF0:
        return _missing_of_last_frame(data)
    promised, there = _sound_bytes(data)
    return max(0.0, 1 - there / promised) if promised else 0.0


def _sound_bytes(data: bytes) -> tuple[int, int]:
    """Bytes of sound that a header promises, and those that follow; (0, 0) if it does not tell."""
    if data[:4] == b".snd" and len(data) >= 24:
        start, size = struct.unpack(">II", data[4:12])
        return (0, 0) if size >= _UNKNOWN_SIZE else (size, min(size, len(data) - start))
    for chunk in chunks(data):
        if chunk.name not in (b"data", b"SSND", _W64_DATA):
            continue
        size = chunk.size
        if data[:4] == b"RF64" and data[12:16] == b"ds64":
            size = int.from_bytes(data[28:36], "little")
        is_told = size < _UNKNOWN_SIZE or data[:4] in (b"RF64", b"riff", b"caff")
        is_told = is_told and 0 < size < 2**62
        return (size, min(size, len(data) - chunk.start)) if is_told else (0, 0)
    return 0, 0


def chunks(data: bytes, padded: bool = True) -> Iterator[Chunk]:
    """Iterate over the chunks of a RIFF (wav), RF64, AIFF, CAF or W64 file; none for others.

    Args:
        data: the file.
        padded: chunks have an even length, as they must have; not every program knows.
    """
    kind = data[:4]
    if kind in (b"RIFF", b"RF64", b"RIFX", b"FORM"):
        order = ">" if kind in (b"RIFX", b"FORM") else "<"
        place, layout, align, extra = 12, f"{order}4sI", 2 if padded else 1, 0
    elif kind == b"caff":
        place, layout, align, extra = 8, ">4sQ", 1, 0
    elif data[:8] == _W64_RIFF:
        place, layout, align, extra = 40, "<8s8xQ", 8, 24  # its sizes count the header
    else:
        return
    header = struct.calcsize(layout)
    while place + header <= len(data):
        name, size = struct.unpack_from(layout, data, place)
        size = max(0, size - extra)
        yield Chunk(name, place + header, size)
        place += header + size + -size % align


def _missing_of_last_page(data: bytes) -> float:
    """Return 1 for an Ogg file that ends within a page, whose whole length nothing tells."""
    place = 0
    while data[place : place + 4] == b"OggS" and place + 27 <= len(data):
        n_segments = data[place + 26]
        table = data[place + 27 : place + 27 + n_segments]
        place += 27 + n_segments + sum(table)
        if place > len(data) or len(table) < n_segments:
            return 1.0
    return 1.0 if data[place : place + 4] == b"OggS" else 0.0


def _missing_of_last_frame(data: bytes) -> float:
    """Return 1 for raw AAC (ADTS) that ends within a frame."""
    place = 0
    while place + 7 <= len(data) and data[place] == 0xFF and data[place + 1] & 0xF6 == 0xF0:
        place += max(7, (int.from_bytes(data[place + 3 : place + 6], "big") >> 5) & 0x1FFF)
    return 1.0 if place > len(data) else 0.0


def repaired(data: bytes) -> bytes:
    """Complete the header of a wav or flac so that libsndfile reads all of it.

    Returns:
        The same bytes if nothing is to be repaired, or if it cannot be.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _repaired_wav(data)
    if data[:4] == b"fLaC" and len(data) >= 42 and not _flac_samples(data):
        return _with_samples(data, _count_flac_samples(data))
    return data


def _repaired_wav(data: bytes) -> bytes:
    for padded in (True, False):
        found = list(chunks(data, padded))
        names = [chunk.name for chunk in found]
        if b"fmt " in names and b"data" in names:
            break
    else:
        return data
    sounds = [chunk for chunk in found if chunk.name == b"data"]
    if padded and sounds[0].size and len(sounds) == 1:
        return data
    fmt = found[names.index(b"fmt ")]
    sound = b""
    for chunk in sounds:
        is_told = 0 < chunk.size < _UNKNOWN_SIZE
        sound += data[chunk.start : chunk.start + chunk.size] if is_told else data[chunk.start :]
    parts = [(b"fmt ", data[fmt.start : fmt.start + fmt.size]), (b"data", sound)]
    body = b"".join(
        name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in parts
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def _flac_samples(data: bytes) -> int:
    # STREAMINFO (RFC 9639, 8.2): 36 bits samples up to byte 26; 0 if unknown.
    return int.from_bytes(data[18:26], "big") & (2**36 - 1)


def _with_samples(data: bytes, samples: int) -> bytes:
    packed = int.from_bytes(data[18:26], "big") | samples
    return data[:18] + packed.to_bytes(8, "big") + data[26:]


def _count_flac_samples(data: bytes) -> int:
    """Count the samples of a flac by the number in its last frame's header; 0 if there is none."""
    block = int.from_bytes(data[8:10], "big")
    place = len(data)
    while (place := data.rfind(b"\xff", 42, place)) >= 0:
        header = data[place : place + 16]
        if len(header) < 6 or header[1] not in (0xF8, 0xF9):
            continue
        numbered = _coded_number(header[4:])
        if numbered is None:
            continue
        number, end = numbered[0], 4 + numbered[1]
        length = header[2] >> 4
        size, more = _block_size(length, header[end : end + 2], block)
        end += more + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
        if size and end < len(header) and _crc8(header[:end]) == header[end]:
            return (number if header[1] == 0xF9 else number * block) + size
    return 0


def _block_size(code: int, following: bytes, usual: int) -> tuple[int, int]:
    """Samples of a frame, and the bytes after the number that tell them (RFC 9639, 9.1.1)."""
    if code == 1:
        return 192, 0
    if 2 <= code <= 5:
        return 576 << (code - 2), 0
    if code == 6 and following:
        return following[0] + 1, 1
    if code == 7 and len(following) == 2:
        return int.from_bytes(following, "big") + 1, 2
    return (256 << (code - 8), 0) if code >= 8 else (0, 0)


def _coded_number(data: bytes) -> tuple[int, int] | None:
    """Read a number in the form of a character in UTF-8, and its length in bytes."""
    first = data[0]
    if first < 0x80:
        return first, 1
    length = next((n for n in range(2, 8) if first >> (7 - n) == (1 << (n + 1)) - 2), 0)
    if not length or len(data) < length:
        return None
    number = first & ((1 << (7 - length)) - 1) if length < 7 else 0
    for byte in data[1:length]:
        if byte >> 6 != 2:
            return None
        number = number << 6 | byte & 63
    return number, length


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (7 if crc & 128 else 0)) & 255
    return crc


def sound_seconds(head: bytes, size: int) -> float | None:
    """Read the length of a wav or flac from its header, without decoding.

    Args:
        head: the first bytes of the file, at least a few hundred.
        size: size of the whole file in bytes.

    Returns:
        Seconds, or None if the header does not tell.
    """
    if head[:4] == b"fLaC" and len(head) >= 26:
        # STREAMINFO (RFC 9639, 8.2): 20 bits sample rate at byte 18, 36 bits samples to byte 26.
        packed = int.from_bytes(head[18:26], "big")
        rate, samples = packed >> 44, packed & (2**36 - 1)
        return samples / rate if rate and samples else None
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav_seconds(head, size)
    return None


def _wav_seconds(head: bytes, size: int) -> float | None:
    place, bytes_per_second = 12, 0
    while place + 8 <= len(head):
        name = head[place : place + 4]
        length = int.from_bytes(head[place + 4 : place + 8], "little")
        if name == b"fmt " and place + 20 <= len(head):
            bytes_per_second = int.from_bytes(head[place + 16 : place + 20], "little")
        if name == b"data":
            data = min(length, size - place - 8)
            return data / bytes_per_second if bytes_per_second else None
        # Chunks are padded to an even length.
        place += 8 + length + length % 2
    return None
