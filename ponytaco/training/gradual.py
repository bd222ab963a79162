"""Gradual training: a smaller reduction factor r once attention has been aligned for long.

A large r has fewer decoder steps to align, and so aligns earlier; a small one sounds finer.
"""

from __future__ import annotations

from typing import NamedTuple

from ponytaco.config import Config
from ponytaco.runs.state import RunState


class Reduction(NamedTuple):
    """A smaller reduction factor, and a message for the user."""

    n_frames_per_step: int
    sentence: str


def next_reduction(n_frames_per_step: int, config: Config, run_state: RunState) -> Reduction | None:
    """Return the reduction that is due, or None.

    It depends only on its arguments and draws no random numbers, so that a resumed run, and each of
    several processes, reduces at the same step.

    Args:
        n_frames_per_step: the reduction factor so far.
        config: the run's settings.
        run_state: tells since when attention has been aligned.
    """
    smaller = [r for r in config.frames_per_step if r < n_frames_per_step]
    if not smaller or run_state.aligned_since is None:
        return None
    n_steps = run_state.step - run_state.aligned_since
    if n_steps < config.train.reduce_frames_after:
        return None
    r = smaller[0]
    return Reduction(
        r,
        f"The voice has been aligned for {n_steps:,} steps: from step {run_state.step:,} on its "
        f"decoder makes {r} mel {'frames' if r > 1 else 'frame'} at a time instead of "
        f"{n_frames_per_step}, which its attention needs a while to get used to.",
    )
