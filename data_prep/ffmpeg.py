"""Sounds that libsndfile cannot decode, through ffmpeg where it is installed."""

from __future__ import annotations

import contextlib
import importlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ponytaco.errors import PonytacoError

_SECONDS_OF_WORK = 120
_MOST_BYTES = 256 * 2**20

# The start of a file -> what ffmpeg shall take it for. Left to itself it also reads playlists,
# which name other files.
_FORMATS = (
    (rb"....(ftyp|moov|mdat|wide|free|skip)", "mov"),
    (rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]", "mp3"),
    (rb"\xff[\xf0\xf1\xf8\xf9]|ADIF", "aac"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (rb"\x1a\x45\xdf\xa3", "matroska"),
    (rb"#!AMR", "amr"),
    (rb"OggS", "ogg"),
    (rb"FLV", "flv"),
    (rb"RIFF....AVI ", "avi"),
    # Not PCM, floats or extensible, which libsndfile refuses only where they are damaged.
    (rb"RIFF....WAVEfmt ....(?=..)(?!\x01\0|\x03\0|\xfe\xff)", "wav"),
    (rb"\0\0\x01\xba", "mpeg"),
    (rb"\x47", "mpegts"),
)
_ESTIMATED = frozenset({"aac", "amr", "mp3", "mpegts"})
"""Formats whose length ffmpeg guesses from the size of the file."""

_DURATION = re.compile(r"Duration: (\d+):(\d+):(\d+\.\d+)")


class FfmpegError(PonytacoError):
    """A sound cannot be converted; the message is a clause without a full stop."""


def foreign_format(data: bytes) -> str:
    """Name the format of a sound in ffmpeg's words; empty for none that it is asked to read."""
    return next((name for start, name in _FORMATS if re.match(start, data, re.DOTALL)), "")


def find_ffmpeg() -> str:
    """Return the program's path: that of the system, or of the package imageio-ffmpeg; or ''."""
    if program := shutil.which("ffmpeg"):
        return program
    with contextlib.suppress(ImportError, RuntimeError):
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    return ""


def to_wav(data: bytes, longest_seconds: float, start: float = 0.0) -> tuple[bytes, float | None]:
    """Convert a sound to wav.

    Args:
        data: the file.
        longest_seconds: length of the wav at most.
        start: seconds of the original at which it begins.

    Returns:
        The wav, and the seconds that the original's header promises; None if it does not tell.

    Raises:
        FfmpegError: if it cannot be converted, or ffmpeg is not installed.
    """
    kind, program = foreign_format(data), find_ffmpeg()
    if not kind:
        raise FfmpegError("its format is not known")
    if not program:
        raise FfmpegError(
            "its format needs ffmpeg. Convert it to wav with another program, or install ffmpeg "
            "(pip install imageio-ffmpeg) and run the same command again"
        )
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in", Path(folder) / "out.wav"
        source.write_bytes(data)
        command = [program, "-nostdin", "-hide_banner", "-protocol_whitelist", "file", "-f", kind]
        command += ["-ss", str(start), "-i", str(source), "-map", "0:a:0"]
        command += ["-t", str(longest_seconds), "-c:a", "pcm_f32le"]
        command += ["-fs", str(_MOST_BYTES), str(target)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS_OF_WORK)
        except (OSError, subprocess.TimeoutExpired):
            raise FfmpegError("ffmpeg cannot be run, or does not end") from None
        if done.returncode or not target.is_file():
            raise FfmpegError("ffmpeg cannot decode it: it is damaged, or has no sound")
        told = _DURATION.search(done.stderr.decode("utf-8", "replace"))
        wav = target.read_bytes()
    if told is None or kind in _ESTIMATED:
        return wav, None
    hours, minutes, seconds = map(float, told.groups())
    return wav, 3600 * hours + 60 * minutes + seconds
