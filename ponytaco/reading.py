"""What attention did with each word: read it, skipped it, or read it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# A symbol counts as read from this summed attention in frames on, as in alignment.py.
_READ_MASS = 0.7
# Of a word's symbols that must be read, or read again, for the word to be. A silent letter and
# a vowel between two others are often passed over in a word that is well heard.
_SHARE = 0.5
# Frames (35 ms) below which a return to a word is a flicker at its border and not heard.
_HEARD_FRAMES = 3
# Symbols back from where reading begins again; less is a flicker between neighbours.
_LEAP_BACK = 3

_JOINTS = ("'", "’")


@dataclass(frozen=True)
class Reading:
    """What became of a sentence's words, each named by its number from 0."""

    skipped: list[int]
    repeated: list[int]
    """Read once more after attention went back."""


def word_spans(signs: Sequence[str], spoken: Sequence[bool]) -> list[tuple[int, int]]:
    """Where each word stands among a text's symbols.

    Args:
        signs: (T_text,) the symbols; an apostrophe between two letters belongs to their word.
        spoken: (T_text,) True for letters and phones.

    Returns:
        Of each word its first symbol and the one after its last.
    """
    spans: list[tuple[int, int]] = []
    for i, is_spoken in enumerate(spoken):
        if not is_spoken:
            continue
        if spans and (spans[-1][1] == i or (spans[-1][1] == i - 1 and signs[i - 1] in _JOINTS)):
            spans[-1] = (spans[-1][0], i + 1)
        else:
            spans.append((i, i + 1))
    return spans


def follow_words(
    weights: npt.ArrayLike, spans: Sequence[tuple[int, int]], n_frames_per_step: int = 1
) -> Reading:
    """Find the words that were skipped or read more than once.

    Args:
        weights: (T_steps, T_text), each row summing to one; without padding.
        spans: of ``word_spans``.
        n_frames_per_step: mel frames a step makes.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    mass = matrix.sum(axis=0) * n_frames_per_step
    path = matrix.argmax(axis=1)
    skipped, repeated = [], []
    for number, (start, end) in enumerate(spans):
        if (mass[start:end] >= _READ_MASS).mean() < _SHARE:
            skipped.append(number)
        if _n_readings(path, start, end, n_frames_per_step) > 1:
            repeated.append(number)
    return Reading(skipped, repeated)


def _n_readings(path: npt.NDArray[np.intp], start: int, end: int, n_frames_per_step: int) -> int:
    """How often the path goes through a word."""
    enough = max(1, int(np.ceil(_SHARE * (end - start))))
    passages: list[list[int]] = [[]]
    furthest = -1
    for symbol in path.tolist():
        if furthest - symbol >= _LEAP_BACK:
            passages.append([])
            furthest = symbol
        furthest = max(furthest, symbol)
        if start <= symbol < end:
            passages[-1].append(symbol)
    return sum(
        len(set(passage)) >= enough and len(passage) * n_frames_per_step >= _HEARD_FRAMES
        for passage in passages
    )
