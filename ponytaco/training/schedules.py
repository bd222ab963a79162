"""Step -> learning rate; what alignment switches: guidance, teacher forcing, the factor's cap."""

from __future__ import annotations

import math


def learning_rate(
    step: int,
    peak: float,
    warmup_steps: int,
    decay_start: int,
    decay_steps: int,
    minimum: float,
) -> float:
    """Linear warm-up, flat, then exponential decay.

    Args:
        step: steps done so far.
        peak: learning rate after the warm-up.
        warmup_steps: steps over which it rises.
        decay_start: step from which it decays.
        decay_steps: steps in which it falls to 1/e.
        minimum: floor of the decay; a lower ``peak`` stays as it is.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if step < decay_start:
        return peak
    decayed = peak * math.exp(-(step - decay_start) / decay_steps)
    return max(decayed, min(minimum, peak))


def next_guided(guided: float, is_aligned: bool, fade_steps: int) -> float:
    """The share of what helps attention to align, guidance and forcing, after one more step.

    It is taken away once attention has aligned, and comes back when alignment is lost: as slowly,
    because all of it at once is a blow of its own. After a validation that was wrong about one
    clip, gradients ten times as large as before made attention leap for 400 steps.

    Args:
        guided: the share so far, 1 in the beginning.
        is_aligned: whether the last validation found the model so.
        fade_steps: steps over which the whole of it goes or comes.
    """
    if fade_steps == 0:
        return 0.0 if is_aligned else 1.0
    step = 1 / fade_steps
    return max(0.0, guided - step) if is_aligned else min(1.0, guided + step)


def teacher_forcing(
    step: int, aligned_since: int | None, p_teacher_forcing: float, fade_steps: int
) -> float:
    """The probability that a window of frames is fed the true ones.

    A decoder that is fed its own frames before it attends to the text has nothing to hold on to:
    below 1 from the start, alignment has been reported to take two to four times as long.

    Args:
        step: steps done so far.
        aligned_since: step at which the model was found aligned and has stayed so; None while
            it is not, so that the true frames return when alignment is lost.
        p_teacher_forcing: where it falls to once aligned.
        fade_steps: steps over which it falls.
    """
    if aligned_since is None:
        return 1.0
    faded = 1.0 if fade_steps == 0 else min(1.0, (step - aligned_since) / fade_steps)
    return 1.0 - (1.0 - p_teacher_forcing) * faded


def gaf_cap(first_aligned: int | None, max_gaf: float, max_gaf_aligned: float) -> float:
    """The cap of the gradient-adaptive factor, lower once aligned.

    It stays so when alignment is lost: larger gradients of the recogniser would not bring back
    what they have been seen to undo.

    Args:
        first_aligned: step at which the model was first found aligned; None before.
        max_gaf: the cap before.
        max_gaf_aligned: the cap from then on.
    """
    return max_gaf if first_aligned is None else min(max_gaf, max_gaf_aligned)
