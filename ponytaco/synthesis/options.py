"""Options of speech."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass

from ponytaco.errors import PonytacoError

LIMITS: Mapping[str, tuple[float, float]] = types.MappingProxyType(
    {
        "best_of": (1, 64),
        "retries": (0, 100),
        "speed": (0.5, 2),
        "pause": (0, 10),
        "gate_threshold": (0, 1),
        "max_seconds": (0, 600),
    }
)
"""Least and most of each number in ``SpeechOptions``."""

MAX_SYMBOLS_LIMITS = (10, 1000)
"""Least and most symbols after which a sentence is cut: from a word or two to several times what
published voices have learnt."""


class SpeechOptionsError(PonytacoError):
    """An option of speech is out of range."""


@dataclass(frozen=True)
class SpeechOptions:
    """How a text is spoken."""

    style: str = ""
    """A style's name, for the text's beginning; ``[happy]`` in a text changes it."""
    best_of: int = 1
    """Takes of each sentence, of which the best one is used."""
    retries: int = 2
    """How often a sentence without a good take is tried again, with other seeds."""
    speed: float = 1.0
    """1.2 is a fifth faster, at the same pitch; 0.5 to 2."""
    pause: float = 1.0
    """Factor on the pauses between sentences, 0 to 10."""
    gate_threshold: float = 0.5
    """Gate probability at which a sentence is over, 0 to 1."""
    max_seconds: float = 0.0
    """Where a sentence that never stops is cut; 0 goes by the length of its text."""
    seed: int = 1234
    """Seed of the prenet's dropout; another one speaks a little differently."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SpeechOptionsError(f"{name} is {value}; it can be {low} to {high}.")
