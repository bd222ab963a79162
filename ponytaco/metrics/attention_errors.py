"""Attention errors of a take: words skipped, repeated, unread or stuck on; and the best take.

An autoregressive voice fails in a few well-known ways: it skips words, repeats some, dwells on a
sound, stops too early, or never. All of them show in the attention and in the gate.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ponytaco.metrics.alignment import MAX_JUMP, READ_MASS, AlignmentScore, score_alignment

# A second and more on one symbol is longer than any sound or pause of a sentence.
_STUCK_FRAMES = 100
# Shorter returns are flickers of the attention that nobody hears.
_REPEAT_FRAMES = 6
# Attention this spread out does not follow the text; another seed will not help.
_LOST_FOCUS = 0.3
# After the last symbol: long enough for its sound to fade away.
_AFTER_END_FRAMES = 30
# Letters or phones before a text's end from which on it may stop: the last may be silent.
_LAST_SOUNDS = 3
# Attention must stay at the last symbol for so long: in a pause it may glance at the last mark.
_AT_END_FRAMES = 20


@dataclass(frozen=True)
class Take:
    """One attempt at an utterance; words are indices into the utterance's words."""

    score: AlignmentScore
    stopped: bool
    """Whether the gate opened; otherwise the take was cut."""
    skipped: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()
    """Words after the point where it stopped."""
    stuck: tuple[int, ...] = ()
    """Words with a sound on which attention stayed too long."""

    @property
    def lost(self) -> bool:
        """Whether attention does not follow the text at all, as in a voice that is not aligned."""
        return self.score.focus < _LOST_FOCUS

    @property
    def read_through(self) -> bool:
        """Whether every word was read once, in order."""
        return not self.lost and not self._n_wrong

    @property
    def good(self) -> bool:
        """Whether it was read through and stopped by itself."""
        return self.stopped and self.read_through

    @property
    def rank(self) -> tuple[float, ...]:
        """Sort key of takes of one utterance; larger is better."""
        score = self.score
        quality = score.coverage + score.forward + score.in_order + score.focus
        wrong = self._n_wrong + 3 * (not self.stopped)
        return (not self.lost, -wrong, quality - score.longest_stall)

    @property
    def _n_wrong(self) -> int:
        return sum(map(len, (self.skipped, self.repeated, self.unread, self.stuck)))


def find_attention_errors(
    alignment: npt.NDArray[np.floating],
    spoken: Sequence[bool],
    words: Sequence[tuple[int, int]],
    stopped: bool,
    n_frames_per_step: int = 1,
) -> Take:
    """Find the errors of a take in its attention and its gate.

    Args:
        alignment: (T_steps, T_text), without padding.
        spoken: (T_text,), False for spaces, marks and signs.
        words: where each word's symbols begin and end.
        stopped: whether the gate opened.
        n_frames_per_step: the reduction factor r.
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
    """Return the index of the best take of one utterance, the first of equals."""
    return max(range(len(takes)), key=lambda index: takes[index].rank)


def may_stop_from(spoken: Sequence[bool]) -> int:
    """Return the symbol from which on an open gate ends a clip.

    The gate opens at silence, and pauses are silent too: a comma would end the sentence.

    Args:
        spoken: (T_text,), False for spaces, marks and signs.
    """
    sounds = [i for i, is_sound in enumerate(spoken) if is_sound]
    return sounds[-_LAST_SOUNDS:][0] if sounds else 0


def end_of_reading(
    alignment: npt.NDArray[np.floating], spoken: Sequence[bool], n_frames_per_step: int = 1
) -> int | None:
    """Return the frame at which to cut a take that never stopped: shortly after its last symbol.

    Args:
        alignment: (T_steps, T_text), without padding.
        spoken: (T_text,), False for spaces, marks and signs.
        n_frames_per_step: the reduction factor r.

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
    """Return the words of whose sounds attention missed more than half; silent letters get none."""
    missed = []
    for number, (start, stop) in enumerate(words):
        sounds = [i for i in range(start, stop) if spoken[i]]
        n_unread = sum(bool(mass[i] < READ_MASS) for i in sounds)
        if sounds and 2 * n_unread > len(sounds):
            missed.append(number)
    return missed


def _repeated(path: npt.NDArray[np.intp], r: int) -> set[int]:
    """Return the symbols that attention went back to and read again."""
    behind = np.maximum.accumulate(path) - path > MAX_JUMP + r - 1
    symbols: set[int] = set()
    for start, stop in _runs(behind):
        if behind[start] and (stop - start) * r >= _REPEAT_FRAMES:
            symbols.update(path[start:stop].tolist())
    return symbols


def _stuck(path: npt.NDArray[np.intp], r: int, stopped: bool) -> set[int]:
    """Return the symbols on which attention stayed too long, the end of endless takes aside."""
    symbols = {
        int(path[start])
        for start, stop in _runs(path)
        if (stop - start) * r >= _STUCK_FRAMES and (stopped or stop < len(path))
    }
    return symbols


def _runs(values: npt.NDArray[np.generic]) -> list[tuple[int, int]]:
    """Return where each stretch of equal values begins and ends."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return list(itertools.pairwise([0, *changes.tolist(), len(values)]))


def _words_at(
    symbols: set[int],
    words: Sequence[tuple[int, int]],
    spoken: Sequence[bool],
    nearest: bool = False,
) -> tuple[int, ...]:
    """Return the words with one of these symbols; with ``nearest`` also the one before a mark."""
    found = set()
    for number, (start, stop) in enumerate(words):
        following = words[number + 1][0] if number + 1 < len(words) else len(spoken)
        if any(start <= symbol < (following if nearest else stop) for symbol in symbols):
            found.add(number)
    return tuple(sorted(found))
