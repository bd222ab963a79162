"""Published weights and their addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ponytaco.formatting import did_you_mean
from ponytaco.io.download import DownloadError, download, drive
from ponytaco.printable import say

_NGC = "https://api.ngc.nvidia.com/v2/models/nvidia"
_MEGABYTE = 10**6


@dataclass(frozen=True)
class Published:
    """Weights that somebody published.

    Attributes:
        what: a description for messages.
        file_name: name of the downloaded file.
        addresses: where to download from, tried in this order.
        most_bytes: limit of the size; the download of a larger file is stopped.
        sha256: the file's digest, 64 hexadecimal digits; '' if none was published.
    """

    what: str
    file_name: str
    addresses: tuple[str, ...]
    most_bytes: int
    sha256: str = ""


# None of the publishers gives a digest; what comes is opened as a stranger's file all the same.
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
    """Return the default folder of downloads."""
    return Path.home() / ".cache" / "ponytaco"


def fetch(name: str, folder: Path | None = None, log: Callable[[str], None] = say) -> Path:
    """Download published weights unless they exist already, and return their path.

    Args:
        name: a key of ``PUBLISHED``.
        folder: folder of downloads; ``cache_folder()`` by default.
        log: takes a message when a download begins and when another address is tried.

    Raises:
        DownloadError: if the name is unknown or no address gave the file; the message tells how to
            get it by hand.
    """
    if name not in PUBLISHED:
        meant = did_you_mean(name, PUBLISHED)
        raise DownloadError(f"Unknown weights '{name}'.{meant} There are: {', '.join(PUBLISHED)}.")
    published = PUBLISHED[name]
    return download(
        published.addresses,
        (folder or cache_folder()) / published.file_name,
        published.what,
        most_bytes=published.most_bytes,
        sha256=published.sha256,
        log=log,
    )
