"""Names of the Master File's clips: ``HH_MM_SS_Character_Tags_Noise_Line``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data_prep.vocabulary import full_name, noise_level, split_tags

LEFT_OUT_FOLDERS = frozenset({"source files"})
LABEL_FOLDERS = frozenset({"label files", "reviewed episodes"})
LABELS = "labels.txt"

_N_PARTS = 7


@dataclass(frozen=True)
class ClipName:
    """What the name of a clip tells."""

    character: str
    """In full."""

    tags: tuple[str, ...]
    noise: str
    line: str
    """The text as far as a file's name can hold it."""


def parse_name(stem: str) -> ClipName | None:
    """Read the name of a clip, or a label of a whole episode.

    Args:
        stem: without the suffix.

    Returns:
        What it tells; None if it is not of this form.
    """
    parts = stem.split("_", _N_PARTS - 1)
    if len(parts) < _N_PARTS - 1 or not all(re.fullmatch(r"\d\d", part) for part in parts[:3]):
        return None
    noise = noise_level(parts[5])
    if noise is None or not parts[3].strip():
        return None
    line = parts[6] if len(parts) == _N_PARTS else ""
    return ClipName(full_name(parts[3]), split_tags(parts[4]), noise, line.strip())
