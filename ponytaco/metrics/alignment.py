"""Scores of an attention matrix: does the model read the text, in order, to its end?

No score proves alignment by itself: attention stuck on one symbol has a high focus. Together
they do, and ``AlignmentScore.aligned`` is the one rule used everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

# A symbol counts as read from this summed attention on (cookietts uses the same bound).
READ_MASS = 0.7
# Symbols that attention may skip in one step and still be moving forward: a pause's comma and
# space and a silent letter are often passed over at once.
MAX_JUMP = 4
# Symbols before the end that count as the end: the last mark is often not attended at all.
END_SYMBOLS = 3
# Frames, 46 ms, that attention may be elsewhere without a sound to be heard of it.
_UNHEARD_FRAMES = 4


@dataclass(frozen=True)
class AlignmentScore:
    """How well attention follows the text; each 0 to 1 and better when higher, unless said."""

    focus: float
    """Mean over steps of the largest weight."""
    coverage: float
    """Share of spoken symbols whose summed attention is at least 0.7 frames."""
    forward: float
    """Share of steps that neither go back nor jump far."""
    diagonality: float
    """Length of the path over the diagonal's; 1 is straight, larger is wandering."""
    longest_stall: float
    """Longest stay on one symbol, as a share of the steps; better when lower."""
    end_reached: float
    """Whether the last step is at the text's end; a share, once averaged."""
    in_order: float = 1.0
    """1 minus the symbols that were leapt over, there or back, as a share of the text: one leap
    among hundreds of steps hardly lowers ``forward``, but skips or repeats a word. Only where it
    speaks: in a pause attention may wait at any mark, for silence sounds alike."""

    @property
    def aligned(self) -> bool:
        """The project's one rule."""
        return (
            self.coverage >= 0.9
            and self.forward >= 0.95
            and self.in_order >= 0.95
            and self.focus > 0.5
            and self.longest_stall <= 0.5
            and self.end_reached >= 0.9
        )

    def __str__(self) -> str:
        """In words, for reports."""
        verdict = "aligned" if self.aligned else "not aligned yet"
        return (
            f"{verdict} (focus {self.focus:.2f}, coverage {self.coverage:.2f}, "
            f"forward {self.forward:.2f}, in order {self.in_order:.2f}, "
            f"longest stall {self.longest_stall:.2f}, end reached {self.end_reached:.2f})"
        )


def score_alignment(
    weights: npt.ArrayLike,
    n_frames_per_step: int = 1,
    spoken: Sequence[bool] | None = None,
) -> AlignmentScore:
    """Score one clip's attention.

    Args:
        weights: (T_steps, T_text), each row summing to one; without padding.
        n_frames_per_step: mel frames a step makes; attention may move further in a longer step.
        spoken: (T_text,), False for spaces and marks: a good voice may pass over those, so they do
            not count for coverage. All symbols count if left out.

    Raises:
        ValueError: the matrix is empty or not one.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"An attention matrix is (T_steps, T_text), not {matrix.shape}.")
    n_steps, n_symbols = matrix.shape
    path = matrix.argmax(axis=1)
    moves = np.diff(path)
    max_jump = MAX_JUMP + n_frames_per_step - 1
    forward = ((moves >= 0) & (moves <= max_jump)).mean() if n_steps > 1 else 1.0
    read = matrix.sum(axis=0) * n_frames_per_step >= READ_MASS
    counted = np.ones(n_symbols, dtype=bool) if spoken is None else np.asarray(spoken, dtype=bool)
    spoken_path = _without_excursions(
        path[counted[path]], _UNHEARD_FRAMES // n_frames_per_step, max_jump
    )
    leaps = np.abs(np.diff(spoken_path, prepend=0))
    path_length = np.hypot(np.diff(path), 1.0).sum()
    diagonal_length = np.hypot(n_symbols - 1, n_steps - 1)
    return AlignmentScore(
        focus=float(matrix.max(axis=1).mean()),
        coverage=float(read[counted].mean()) if counted.any() else 1.0,
        forward=float(forward),
        diagonality=float(path_length / diagonal_length) if diagonal_length else 1.0,
        longest_stall=_longest_run(path) / n_steps,
        end_reached=float(path[-1] >= n_symbols - END_SYMBOLS),
        in_order=max(0.0, 1.0 - float(leaps[leaps > max_jump].sum()) / n_symbols),
    )


def mean_score(scores: Sequence[AlignmentScore]) -> AlignmentScore:
    """The scores' means, which is what the rule is asked of.

    Raises:
        ValueError: there are none.
    """
    if not scores:
        raise ValueError("There are no alignments to average.")
    names = [field.name for field in fields(AlignmentScore)]
    return AlignmentScore(**{n: float(np.mean([getattr(s, n) for s in scores])) for n in names})


def _without_excursions(
    path: npt.NDArray[np.intp], n_steps: int, max_jump: int
) -> npt.NDArray[np.intp]:
    """The path without its leaps that are back, or nearly so, after at most so many steps."""
    path = path.copy()
    for t in np.flatnonzero(np.abs(np.diff(path)) > max_jump):
        back = np.flatnonzero(np.abs(path[t + 2 : t + 2 + n_steps] - path[t]) <= max_jump)
        if len(back):
            path[t + 1 : t + 2 + back[0]] = path[t]
    return path


def _longest_run(path: npt.NDArray[np.intp]) -> int:
    changes = np.flatnonzero(np.diff(path)) + 1
    edges = np.concatenate(([0], changes, [len(path)]))
    return int(np.diff(edges).max())
