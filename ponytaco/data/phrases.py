"""Phrases: the parts of a clip between pauses, to train on in its place.

A decoder goes through a clip step by step, so the same frames as more and shorter clips side by
side take less time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ponytaco.data.alignment_targets import SILENCES
from ponytaco.data.dataset_folder import Interval

# A shorter pause may be the closure of a plosive.
_LEAST_PAUSE_SECONDS = 0.1
_LEAST_SECONDS = 0.8


class Text(NamedTuple):
    """A clip's text in one of its spellings, with the times of its labels."""

    symbols: Sequence[str]
    spoken: Sequence[bool]
    """Whether each symbol is a letter or a phone."""
    intervals: npt.NDArray[np.float32]
    """(T_text, 2) start and end of each symbol, frames."""


class Phrase(NamedTuple):
    """A phrase of a clip."""

    frames: slice
    symbols: dict[bool, slice]
    """By whether the text is read from its ARPAbet spelling."""
    ctc: slice
    """Its CTC ids, one for each letter or phone of the ARPAbet spelling."""
    is_end: bool

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.frames.stop - self.frames.start)


def cut_into_phrases(
    letters: Text, arpabet: Text, cuts: Sequence[int], n_frames: int
) -> list[Phrase]:
    """Cut a clip at some frames.

    Args:
        letters: the text's spelling in letters.
        arpabet: its ARPAbet spelling; the same where it has none.
        cuts: where to cut, frames in order; from ``pauses``.
        n_frames: frames of the clip.

    Returns:
        The phrases; empty if there is no cut, or a spelling cannot be cut there.
    """
    of_letters, of_arpabet = split_text(*letters, cuts), split_text(*arpabet, cuts)
    if not cuts or of_letters is None or of_arpabet is None:
        return []
    phrases, n_before = [], 0
    for start, stop, in_letters, in_arpabet in zip(
        (0, *cuts), (*cuts, n_frames), of_letters, of_arpabet, strict=True
    ):
        n_spoken = n_before + sum(arpabet.spoken[in_arpabet])
        symbols = {False: in_letters, True: in_arpabet}
        phrases.append(
            Phrase(slice(start, stop), symbols, slice(n_before, n_spoken), stop == n_frames)
        )
        n_before = n_spoken
    return phrases


def pauses(words: Sequence[Interval], n_seconds: float, phrase_seconds: float) -> list[float]:
    """Choose the pauses at which a clip is cut, as few as make its phrases short enough.

    Args:
        words: the labels' words in order.
        n_seconds: length of the clip.
        phrase_seconds: a longer part is cut again at its longest pause, if it has one.

    Returns:
        The middle of each chosen pause in seconds, in order; empty for a clip that stays whole.
    """
    spoken = [word for word in words if word[0] not in SILENCES]
    found = [
        (later[1] - earlier[2], (earlier[2] + later[1]) / 2)
        for earlier, later in pairwise(spoken)
        if later[1] - earlier[2] >= _LEAST_PAUSE_SECONDS
    ]

    def cut(start: float, end: float) -> list[float]:
        inside = [p for p in found if start + _LEAST_SECONDS <= p[1] <= end - _LEAST_SECONDS]
        if end - start <= phrase_seconds or not inside:
            return []
        _, middle = max(inside)
        return [*cut(start, middle), middle, *cut(middle, end)]

    return cut(0.0, n_seconds)


def split_text(
    symbols: Sequence[str],
    spoken: Sequence[bool],
    intervals: npt.NDArray[np.float32],
    cuts: Sequence[float],
) -> list[slice] | None:
    """Find the part of a text that is said in each phrase.

    Marks stay with the word before them, and what opens a word with the word after it; the space
    where a text is cut is in neither part.

    Args:
        symbols: the text's symbols.
        spoken: whether each symbol is a letter or a phone.
        intervals: (T_text, 2) start and end of each symbol, in the unit of ``cuts``.
        cuts: where the clip is cut, in order.

    Returns:
        The symbols of each phrase, one more than there are cuts; None if the symbols' times
        contradict the text's order, or a part would say nothing.
    """
    middles = intervals.mean(axis=1)
    places = [i for i, is_spoken in enumerate(spoken) if is_spoken]
    parts, start = [], 0
    for cut in cuts:
        n_before = sum(bool(middles[i] < cut) for i in places)
        is_ordered = all(middles[i] < cut for i in places[:n_before])
        if not is_ordered or not 0 < n_before < len(places):
            return None
        last, first = places[n_before - 1], places[n_before]
        spaces = [i for i in range(last + 1, first) if symbols[i] == " "]
        parts.append(slice(start, spaces[0] if spaces else first))
        start = spaces[0] + 1 if spaces else first
    parts.append(slice(start, len(symbols)))
    return parts if all(any(spoken[part]) for part in parts) else None
