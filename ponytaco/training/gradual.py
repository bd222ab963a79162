"""Gradual training: a smaller reduction factor r once the attention has been aligned for long.

With a large r there are few decoder steps to find an alignment in; a smaller one sounds finer.
"""

from __future__ import annotations

from typing import NamedTuple

from ponytaco.config import Config
from ponytaco.runs.state import RunState


class Reduction(NamedTuple):
    """A smaller reduction factor, and why it is due."""

    n_frames_per_step: int
    sentence: str


def next_reduction(n_frames_per_step: int, config: Config, run_state: RunState) -> Reduction | None:
    """Return the reduction that is due, None where none is.

    It depends on nothing but its arguments and draws no random numbers: a resumed run reduces where
    an uninterrupted one does, and so do all processes.

    Args:
        n_frames_per_step: the reduction factor so far.
        config: the run's settings.
        run_state: tells since when the attention has been aligned.
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
