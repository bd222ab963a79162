"""Published weights: where each of them can be downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ponytaco.io.download import FetchError, drive, receive

_NGC = "https://api.ngc.nvidia.com/v2/models/nvidia"
_MEGABYTE = 10**6


@dataclass(frozen=True)
class Published:
    """Weights that somebody published.

    Attributes:
        what: in words.
        file_name: under which they are kept.
        addresses: where they are, tried in this order.
        most_bytes: a larger file is broken off.
        sha256: of the file, 64 hexadecimal digits; '' where none was published.
    """

    what: str
    file_name: str
    addresses: tuple[str, ...]
    most_bytes: int
    sha256: str = ""


# None of their publishers gives a digest. What comes is opened as a stranger's file all the same.
PUBLISHED = {
    "hifigan": Published(
        "HiFi-GAN (universal, V1)",
        "hifigan_universal_v1",
        (
            "https://github.com/shivammehta25/Matcha-TTS-checkpoints/releases/download/v1.0/"
            "g_02500000",
            drive("1qpgI41wNXFcH-iKq1Y42JlBC9j0je8PW"),
        ),
        200 * _MEGABYTE,
    ),
    "waveglow": Published(
        "WaveGlow (universal, 256 channels)",
        "waveglow_256channels_universal_v5.pt",
        (
            drive("1rpK8CzAAirq9sWZhe9nlfvxMF1dRgFbF"),
            f"{_NGC}/waveglow_ckpt_fp32/versions/19.09.0/files/nvidia_waveglowpyt_fp32_20190427",
        ),
        2000 * _MEGABYTE,
    ),
    "tacotron2": Published(
        "NVIDIA's Tacotron 2 (LJSpeech)",
        "tacotron2_statedict.pt",
        (
            drive("1c5ZTuT7J08wLUoVZ2KkUs_VdZuJ86ZqA"),
            f"{_NGC}/tacotron2_pyt_ckpt_fp32/versions/19.09.0/files/"
            "nvidia_tacotron2pyt_fp32_20190427",
        ),
        1000 * _MEGABYTE,
    ),
}


def cache_folder() -> Path:
    """Where downloads are kept if nobody says otherwise."""
    return Path.home() / ".cache" / "ponytaco"


def fetch(name: str, folder: Path | None = None, say: Callable[[str], None] = print) -> Path:
    """Published weights, downloaded unless they are there already.

    Args:
        name: in ``PUBLISHED``.
        folder: where they are kept; ``cache_folder()`` if left out.
        say: takes a sentence when a download begins, and when another place is tried.

    Raises:
        FetchError: there are no such weights, or they cannot be had; the text says how to get
            them by hand.
    """
    if name not in PUBLISHED:
        raise FetchError(f"'{name}' is not known. There are: {', '.join(PUBLISHED)}.")
    published = PUBLISHED[name]
    return receive(
        published.addresses,
        (folder or cache_folder()) / published.file_name,
        published.what,
        most_bytes=published.most_bytes,
        sha256=published.sha256,
        say=say,
    )
