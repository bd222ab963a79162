"""How a text is to be spoken."""

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
"""The least and the most of each number of a ``SpeechOptions``."""

MAX_SYMBOLS_LIMITS = (10, 1000)
"""Of the symbols after which a sentence is cut: a word or two, and several times what published
voices know. No voice has learnt pieces of a letter."""


class SpeechOptionsError(PonytacoError):
    """A way of speaking cannot be."""


@dataclass(frozen=True)
class SpeechOptions:
    """How a text is spoken."""

    style: str = ""
    """A style's name, for the text's beginning; ``[happy]`` in a text changes it."""
    best_of: int = 1
    """Takes of each line, of which the best one is used."""
    retries: int = 2
    """How often a line of which no take is good is tried again, with other seeds."""
    speed: float = 1.0
    """1.2 is a fifth faster, at the same pitch; 0.5 to 2."""
    pause: float = 1.0
    """Pauses between lines, as a multiple; 0 to 10."""
    gate_threshold: float = 0.5
    """Probability of the gate at which a line is over, 0 to 1."""
    max_seconds: float = 0.0
    """Where a line that never stops is cut; 0 judges by its length."""
    seed: int = 1234
    """Of the prenet's dropout; another one speaks a little differently."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SpeechOptionsError(f"{name} is {value}; it can be {low} to {high}.")
