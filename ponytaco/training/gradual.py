"""Fewer frames a step as a voice learns: few steps to find alignment in, then finer ones."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ponytaco.checkpoint.conversion.reduction_factor import set_frames_per_step
from ponytaco.config import Config
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.state import Progress
from ponytaco.training.ema import Average


def reduce_frames(
    model: Tacotron2,
    average: Average,
    optimizer: torch.optim.Optimizer,
    config: Config,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Go on with the next smaller number of frames a step, if the voice has been aligned for long.

    Decided by nothing but the progress, the model and the settings, and drawing no random numbers:
    a resumed run does it where an uninterrupted one does, and so do all processes.

    Args:
        model: changed in place, as are average, optimizer and progress.
        average: of its weights; begins anew with the model as it is then.
        optimizer: of the model's parameters.
        config: the run's settings.
        progress: where the run is.
        say: takes a sentence for the user.
    """
    before = model.decoder.n_frames_per_step
    smaller = [r for r in config.frames_per_step if r < before]
    if not smaller or progress.aligned_since is None:
        return
    n_steps = progress.step - progress.aligned_since
    if n_steps < config.train.reduce_frames_after:
        return
    set_frames_per_step(model, smaller[0], optimizer)
    average.begin(model)
    # A validation found the voice of longer steps aligned; of this one nothing is known. So the
    # guidance returns that helps it along, and what waits for alignment waits again.
    progress.aligned_since, progress.guided = None, 1.0
    progress.validations_since_best = 0
    say(
        f"The voice has been aligned for {n_steps:,} steps: from step {progress.step:,} on its "
        f"decoder makes {smaller[0]} mel {'frames' if smaller[0] > 1 else 'frame'} at a time "
        f"instead of {before}, which its attention needs a while to get used to."
    )
