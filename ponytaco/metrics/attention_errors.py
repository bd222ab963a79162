"""Takes of one line: which words attention skipped or repeated, and which take is the best.

An autoregressive voice fails in a few well-known ways: it skips words, says some twice, dwells on a
sound, stops too early, or never. All of them show in the attention and in the gate.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ponytaco.metrics.alignment import MAX_JUMP, READ_MASS, AlignmentScore, score_alignment

# A second and more on one symbol: longer than any sound or pause of a sentence.
_STUCK_FRAMES = 100
# Shorter returns are flickers of the attention that nobody hears.
_REPEAT_FRAMES = 6
# An attention that is so spread follows no text; another seed will not help.
_LOST_FOCUS = 0.3
# Of what follows the last symbol: long enough for it to fade away.
_AFTER_END_FRAMES = 30
# Letters or phones before the end of a text at which it may be over: the last may be silent.
_LAST_SOUNDS = 3
# Frames that attention must stay at the last symbol: in a pause it may glance at the last mark.
_AT_END_FRAMES = 20


@dataclass(frozen=True)
class Take:
    """How one attempt at a line went; words are indices into the line's words."""

    score: AlignmentScore
    stopped: bool
    """Whether the gate opened; otherwise the take was cut."""
    skipped: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()
    """The words that it stopped before."""
    stuck: tuple[int, ...] = ()
    """Words on one of whose sounds it dwelt too long."""

    @property
    def lost(self) -> bool:
        """Whether attention does not follow the text at all, as in a voice that is not aligned."""
        return self.score.focus < _LOST_FOCUS

    @property
    def read_through(self) -> bool:
        """Whether every word was said once, in order."""
        return not self.lost and not self._n_wrong

    @property
    def good(self) -> bool:
        """Whether it can be let through."""
        return self.stopped and self.read_through

    @property
    def rank(self) -> tuple[float, ...]:
        """Larger is better; compares takes of the same line."""
        score = self.score
        quality = score.coverage + score.forward + score.in_order + score.focus
        wrong = self._n_wrong + 3 * (not self.stopped)
        return (not self.lost, -wrong, quality - score.longest_stall)

    @property
    def _n_wrong(self) -> int:
        return sum(map(len, (self.skipped, self.repeated, self.unread, self.stuck)))


def judge(
    alignment: npt.NDArray[np.floating],
    spoken: Sequence[bool],
    words: Sequence[tuple[int, int]],
    stopped: bool,
    n_frames_per_step: int = 1,
) -> Take:
    """Judge a take by its attention and its gate.

    Args:
        alignment: (T_steps, T_text), without padding.
        spoken: (T_text,), False for spaces, marks and signs.
        words: where each word's symbols begin and end.
        stopped: whether the gate opened.
        n_frames_per_step: mel frames a step makes.
    """
    r = n_frames_per_step
    # The median of three steps: a single step's flicker is not heard.
    path = alignment.argmax(axis=1)
    path = np.median([path, np.r_[path[:1], path[:-1]], np.r_[path[1:], path[-1:]]], axis=0)
    path = path.astype(np.intp)
    missed = _missed(alignment.sum(axis=0) * r, spoken, words)
    last = int(path.max())
    unread = tuple(word for word in missed if words[word][1] - 1 > last)
    return Take(
        score=score_alignment(alignment, r, spoken),
        stopped=stopped,
        skipped=tuple(word for word in missed if word not in unread),
        repeated=_words_at(_repeated(path, r), words, spoken),
        unread=unread,
        stuck=_words_at(_stuck(path, r, stopped), words, spoken, nearest=True),
    )


def best_take(takes: Sequence[Take]) -> int:
    """Index of the best of several takes of one line, the first of equals."""
    return max(range(len(takes)), key=lambda index: takes[index].rank)


def may_stop_from(spoken: Sequence[bool]) -> int:
    """The symbol that attention must have come to before an open gate is believed.

    The gate hears silence, and a pause is silent too: a comma would end the sentence.

    Args:
        spoken: (T_text,), False for spaces, marks and signs.
    """
    sounds = [i for i, is_sound in enumerate(spoken) if is_sound]
    return sounds[-_LAST_SOUNDS:][0] if sounds else 0


def end_of_reading(
    alignment: npt.NDArray[np.floating], spoken: Sequence[bool], n_frames_per_step: int = 1
) -> int | None:
    """The frame at which a take that never stopped can be cut: a little after its last symbol.

    Args:
        alignment: (T_steps, T_text), without padding.
        spoken: (T_text,), False for spaces, marks and signs.
        n_frames_per_step: mel frames a step makes.

    Returns:
        Frames to keep, or None where attention never came to rest at the last letter or phone.
    """
    n_symbols = len(spoken)
    last = max((i for i in range(n_symbols) if spoken[i]), default=n_symbols - 1)
    is_there = alignment.argmax(axis=1) >= last
    n_steps = -(-_AT_END_FRAMES // n_frames_per_step)
    for step in np.flatnonzero(is_there):
        if is_there[step : step + n_steps].all():
            return (int(step) + 1) * n_frames_per_step + _AFTER_END_FRAMES
    return None


def _missed(
    mass: npt.NDArray[np.floating], spoken: Sequence[bool], words: Sequence[tuple[int, int]]
) -> list[int]:
    """Words of whose sounds more than half had no attention; silent letters never have any."""
    missed = []
    for number, (start, stop) in enumerate(words):
        sounds = [i for i in range(start, stop) if spoken[i]]
        n_unread = sum(bool(mass[i] < READ_MASS) for i in sounds)
        if sounds and 2 * n_unread > len(sounds):
            missed.append(number)
    return missed


def _repeated(path: npt.NDArray[np.intp], r: int) -> set[int]:
    """Symbols that attention went back to and read on from."""
    behind = np.maximum.accumulate(path) - path > MAX_JUMP + r - 1
    symbols: set[int] = set()
    for start, stop in _runs(behind):
        if behind[start] and (stop - start) * r >= _REPEAT_FRAMES:
            symbols.update(path[start:stop].tolist())
    return symbols


def _stuck(path: npt.NDArray[np.intp], r: int, stopped: bool) -> set[int]:
    """Symbols on which attention stayed too long; the end of what never stops is another matter."""
    symbols = {
        int(path[start])
        for start, stop in _runs(path)
        if (stop - start) * r >= _STUCK_FRAMES and (stopped or stop < len(path))
    }
    return symbols


def _runs(values: npt.NDArray[np.generic]) -> list[tuple[int, int]]:
    """Where each stretch of equal values begins and ends."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return list(itertools.pairwise([0, *changes.tolist(), len(values)]))


def _words_at(
    symbols: set[int],
    words: Sequence[tuple[int, int]],
    spoken: Sequence[bool],
    nearest: bool = False,
) -> tuple[int, ...]:
    """The words that have one of these symbols; with ``nearest`` also the one before a mark."""
    found = set()
    for number, (start, stop) in enumerate(words):
        following = words[number + 1][0] if number + 1 < len(words) else len(spoken)
        if any(start <= symbol < (following if nearest else stop) for symbol in symbols):
            found.add(number)
    return tuple(sorted(found))
