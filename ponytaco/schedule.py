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


def until_aligned(step: int, aligned_since: int | None, value: float, fade_steps: int) -> float:
    """What helps attention to align, and is taken away once it has: guidance, forcing.

    Args:
        step: steps done so far.
        aligned_since: step at which the model was found aligned and has stayed so; None while
            it is not, so that guidance returns when alignment is lost.
        value: until then.
        fade_steps: steps over which it falls to zero afterwards.
    """
    if aligned_since is None:
        return value
    if fade_steps == 0:
        return 0.0
    return value * max(0.0, 1.0 - (step - aligned_since) / fade_steps)


def teacher_forcing(
    step: int, aligned_since: int | None, p_teacher_forcing: float, fade_steps: int
) -> float:
    """The probability that a window of frames is fed the true ones.

    A decoder that is fed its own frames before it attends to the text has nothing to hold on to:
    below 1 from the start, alignment has been reported to take two to four times as long.

    Args:
        step: steps done so far.
        aligned_since: as for ``until_aligned``; the true frames return when alignment is lost.
        p_teacher_forcing: where it falls to once aligned.
        fade_steps: steps over which it falls.
    """
    if aligned_since is None:
        return 1.0
    faded = 1.0 if fade_steps == 0 else min(1.0, (step - aligned_since) / fade_steps)
    return 1.0 - (1.0 - p_teacher_forcing) * faded


def gaf_cap(aligned_since: int | None, max_gaf: float, max_gaf_aligned: float) -> float:
    """The cap of the gradient-adaptive factor, lower once aligned."""
    return max_gaf if aligned_since is None else min(max_gaf, max_gaf_aligned)
