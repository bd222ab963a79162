"""Reading of sound files, by libsndfile or else by ffmpeg; cut-off ones are refused."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.containers import missing_share, repaired, sound_seconds
from data_prep.ffmpeg import FfmpegError, find_ffmpeg, foreign_format, to_wav
from ponytaco.errors import PonytacoError
from ponytaco.io.strangers import open_regular

Channels = npt.NDArray[np.float32]
"""(T_wav, channels)"""

SOUND_SUFFIXES = (
    ".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".aifc", ".caf",
    ".au", ".w64", ".rf64",
    # Through ffmpeg:
    ".m4a", ".aac", ".mp4", ".m4v", ".mov", ".wma", ".webm", ".mkv", ".mka", ".amr", ".3gp", ".avi",
)  # fmt: skip
"""Of recordings, in small letters; of two files of the same name the earlier one is taken."""

LARGEST_SOUND_BYTES = 256 * 2**20
"""Two minutes of 192 kHz stereo at 32 bits are 184 MB."""

LONGEST_DECODED_SECONDS = 120.0
"""Longer than any clip; a small flac can contain hours of silence, which would fill the memory."""

MOST_CHANNELS = 32

MOST_SAMPLES = 50_000_000
"""Over all channels: two minutes of 192 kHz stereo, 200 MB when decoded. Two minutes of silence in
eight channels at 400 kHz, a small flac, would decode to 1.5 GB."""

CUT_OFF_SECONDS = 0.1
"""Missing at the end of a file that was cut off; mp3 decoders may lose less."""

_BLOCK = 4096
"""Samples, those of a flac's frame: no more is lost where a file is cut off."""


class AudioError(PonytacoError):
    """Unusable audio; the message is a clause that gives the reason, without a full stop."""


class TooLongError(AudioError):
    """Audio that is not decoded because of its length."""


def read_samples(data: bytes) -> tuple[Channels, int]:
    """Decode a sound file.

    Args:
        data: its content.

    Returns:
        (T_wav, channels) and the sample rate in Hz.

    Raises:
        TooLongError: if it is longer than 120 seconds.
        AudioError: if it cannot be decoded, is cut off, or is not plausible.
    """
    import soundfile

    try:
        channels, rate, promised = _read_by_libsndfile(repaired(data))
    except soundfile.SoundFileError as error:
        kind = foreign_format(data)
        if not kind or (kind == "mp3" and not find_ffmpeg()):
            raise AudioError(_what_it_is(data, error)) from None
        channels, rate, promised = _read_by_ffmpeg(data)
    except (RuntimeError, TypeError, MemoryError) as error:
        raise AudioError(f"it cannot be decoded ({_reason(error)})") from None
    there = len(channels) / rate
    if len(channels) and _ends_early(data):
        raise AudioError(f"it is cut off after {there:.2f} seconds. Copy or download it again")
    if promised - there > CUT_OFF_SECONDS:
        raise AudioError(
            f"it is cut off: its header tells of {promised:.2f} seconds, and it has {there:.2f}. "
            "Copy or download it again"
        )
    return channels, rate


def any_seconds(data: bytes) -> float | None:
    """Return the length of a sound that libsndfile reads; None for another."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(repaired(data))) as file:
            return float(file.frames / file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ZeroDivisionError):
        return None


def file_seconds(path: Path) -> float:
    """Return the length of a sound file as its header tells it; 0 if it does not."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(1024)
            seconds = sound_seconds(head, size)
            if seconds is None and size <= LARGEST_SOUND_BYTES:
                seconds = any_seconds(head + file.read())
    except OSError:
        return 0.0
    return seconds or 0.0


def _ends_early(data: bytes) -> bool:
    """Whether an ogg or raw AAC, which do not tell their length, ends within a page or a frame."""
    return missing_share(data) == 1


def read_span(path: Path, start: float, end: float) -> tuple[Channels, int]:
    """Decode a stretch of a long recording.

    Args:
        path: the recording.
        start: seconds.
        end: seconds.

    Returns:
        As ``read_samples``.

    Raises:
        TooLongError: if the stretch is longer than 120 seconds.
        AudioError: if it cannot be decoded, or ends after the recording.
        OSError: if the file cannot be read.
    """
    import soundfile

    if end - start > LONGEST_DECODED_SECONDS:
        raise TooLongError(f"it is {end - start:.0f} seconds long")
    with open_regular(path) as file:
        try:
            with soundfile.SoundFile(file) as sound:
                rate, length = int(sound.samplerate), sound.frames / sound.samplerate
                if end > length + CUT_OFF_SECONDS:
                    raise AudioError(
                        f"its label ends at {end:.2f} seconds, and the recording lasts {length:.2f}"
                    )
                sound.seek(round(start * rate))
                count = round((end - start) * rate)
                return sound.read(count, dtype="float32", always_2d=True), rate
        except soundfile.SoundFileError:
            file.seek(0)
            data = file.read(LARGEST_SOUND_BYTES)
    if not foreign_format(data):
        raise AudioError("the recording cannot be decoded")
    try:
        wav, _ = to_wav(data, end - start, start)
        return _read_by_libsndfile(wav)[:2]
    except (FfmpegError, soundfile.SoundFileError) as problem:
        raise AudioError(str(problem)) from None


def _read_by_libsndfile(data: bytes) -> tuple[Channels, int, float]:
    """Decode (T_wav, channels), the rate, and the seconds that the header promises."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        rate, count = int(file.samplerate), int(file.channels)
        if not 1_000 <= rate <= 400_000:
            raise AudioError(f"its sample rate of {rate} Hz is not plausible")
        if not 1 <= count <= MOST_CHANNELS:
            raise AudioError(f"it has {count} channels")
        if file.frames > LONGEST_DECODED_SECONDS * rate:
            raise TooLongError(f"it is {file.frames / rate:.0f} seconds long")
        if file.frames * count > MOST_SAMPLES:
            raise AudioError(f"it has {file.frames * count} samples, too many for a clip")
        try:
            # At once: the position is set again after each reading, which an mp3 does not bear.
            channels = file.read(int(file.frames), dtype="float32", always_2d=True)
        except soundfile.SoundFileError:
            channels = _read_blocks(data)
        missing = missing_share(data)
        promised = max(file.frames, round(len(channels) / max(1 - missing, 1e-6)))
        return channels, rate, promised / rate if len(channels) else 0.0


def _read_blocks(data: bytes) -> Channels:
    """Read up to where the rest is damaged, at least one block."""
    import soundfile

    blocks: list[Channels] = []
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        while not blocks or len(blocks[-1]):
            try:
                blocks.append(file.read(_BLOCK, dtype="float32", always_2d=True))
            except soundfile.SoundFileError:
                if not blocks:
                    raise
                break
    return np.concatenate(blocks)


def _read_by_ffmpeg(data: bytes) -> tuple[Channels, int, float]:
    import soundfile

    try:
        wav, promised = to_wav(data, LONGEST_DECODED_SECONDS + 1)
        channels, rate, seconds = _read_by_libsndfile(wav)
    except FfmpegError as problem:
        raise AudioError(str(problem)) from None
    except soundfile.SoundFileError:
        raise AudioError("ffmpeg cannot decode it: it is damaged, or has no sound") from None
    return channels, rate, seconds if promised is None else promised


def _what_it_is(data: bytes, error: Exception) -> str:
    """Explain why a file is no sound, by what it begins with."""
    if not data.strip(b"\0"):
        return "it is empty"
    if data.startswith(b"\0\x05\x16\x07"):
        return "it is no sound but a companion file of macOS; it can be deleted"
    if data[:200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, not a sound: the download failed. Download it again"
    if data.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the sound itself: run git lfs pull"
    if data[:4] == b"RIFF" and b"data" not in data:
        return "it has the header of a wav, but no sound"
    return f"it cannot be decoded ({_reason(error)})"


def _reason(error: Exception) -> str:
    """Message of libsndfile without its prefix, the address of the opened object."""
    return str(getattr(error, "error_string", error))[:100].rstrip(".")
