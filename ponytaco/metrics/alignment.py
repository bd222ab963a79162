"""Alignment scores: does attention read the text, in order, to its end?

No score proves alignment by itself: attention stuck on one symbol has a high focus. Together
they do, and ``AlignmentScore.aligned`` is the one rule used everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

# Summed attention from which a symbol counts as read (cookietts uses the same bound).
READ_MASS = 0.7
# Symbols that attention may advance in one step and still move forward: a pause's comma and space
# and a silent letter are often skipped at once.
MAX_JUMP = 4
# Symbols before the end that count as the end: the last mark often gets no attention.
END_SYMBOLS = 3
# Attention may be elsewhere for so many frames, 46 ms, without being heard.
_UNHEARD_FRAMES = 4


@dataclass(frozen=True)
class AlignmentScore:
    """How well attention follows the text; from 0 to 1, higher is better, unless stated."""

    focus: float
    """Largest weight of a step, mean over steps."""
    coverage: float
    """Share of spoken symbols with a summed attention of at least 0.7 frames."""
    forward: float
    """Share of steps that neither go back nor jump far."""
    diagonality: float
    """Length of the path over the diagonal's; 1 is straight, more is wandering."""
    longest_stall: float
    """Longest stay on one symbol, as a share of the steps; lower is better."""
    end_reached: float
    """1 if the last step is at the text's end, else 0."""
    in_order: float = 1.0
    """1 minus the symbols leapt over, forward or back, as a share of the text: one leap among
    hundreds of steps hardly lowers ``forward``, but skips or repeats a word. Marks and spaces do
    not count, for in a pause attention may wait at any of them: silence sounds alike."""

    @property
    def aligned(self) -> bool:
        """Whether the voice reads: the project's one rule."""
        return (
            self.coverage >= 0.9
            and self.forward >= 0.95
            and self.in_order >= 0.95
            and self.focus > 0.5
            and self.longest_stall <= 0.5
            and self.end_reached >= 0.9
        )

    def __str__(self) -> str:
        """Return the verdict and the numbers, for reports."""
        return f"{self.verdict} ({self.numbers})"

    @property
    def verdict(self) -> str:
        """The rule in words."""
        return "aligned" if self.aligned else "not aligned yet"

    @property
    def numbers(self) -> str:
        """The scores by name."""
        return (
            f"focus {self.focus:.2f}, coverage {self.coverage:.2f}, "
            f"forward {self.forward:.2f}, in order {self.in_order:.2f}, "
            f"longest stall {self.longest_stall:.2f}, end reached {self.end_reached:.2f}"
        )


def score_alignment(
    weights: npt.ArrayLike,
    n_frames_per_step: int = 1,
    spoken: Sequence[bool] | None = None,
) -> AlignmentScore:
    """Score one clip's attention.

    Args:
        weights: (T_steps, T_text), each row summing to one; without padding.
        n_frames_per_step: the reduction factor r; attention may move further in a longer step.
        spoken: (T_text,), False for spaces and marks: a good voice may skip those, so they do not
            count for coverage. All symbols count if left out.

    Raises:
        ValueError: the matrix is empty or has not two dimensions.
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
    """Average scores; the rule for a set of clips is applied to the mean.

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
    """Return the path without leaps that come back, or nearly, within so many steps."""
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
