"""Schedules: learning rate by step; guidance, teacher forcing and the GAF's cap by alignment."""

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
    """Return the learning rate: linear warm-up, constant, then exponential decay.

    Args:
        step: steps done so far.
        peak: learning rate after the warm-up.
        warmup_steps: steps of the warm-up.
        decay_start: step at which the decay starts.
        decay_steps: steps in which the rate falls to 1/e.
        minimum: floor of the decay; a lower ``peak`` is kept.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if step < decay_start:
        return peak
    decayed = peak * math.exp(-(step - decay_start) / decay_steps)
    return max(decayed, min(minimum, peak))


def next_guidance_scale(guidance_scale: float, is_aligned: bool, fade_steps: int) -> float:
    """Return the scale of guidance and attention forcing after one more step.

    It fades to 0 once attention is aligned, and returns to 1 as slowly if alignment is lost: when
    all of it returned at once, after a validation that misjudged a single clip, gradients ten
    times as large made attention jump for 400 steps.

    Args:
        guidance_scale: the scale so far, 0 to 1; a run starts with 1.
        is_aligned: whether the last validation found the attention aligned.
        fade_steps: steps from 1 to 0, or from 0 to 1.
    """
    if fade_steps == 0:
        return 0.0 if is_aligned else 1.0
    step = 1 / fade_steps
    return max(0.0, guidance_scale - step) if is_aligned else min(1.0, guidance_scale + step)


def teacher_forcing(
    step: int, aligned_since: int | None, p_teacher_forcing: float, fade_steps: int
) -> float:
    """Return the probability that a window of frames is teacher-forced.

    It is 1 until attention is aligned: with less from the start, alignment has been reported to
    take two to four times as long.

    Args:
        step: steps done so far.
        aligned_since: step since which attention has been aligned; None if it is not.
        p_teacher_forcing: final probability, once aligned.
        fade_steps: steps from 1 to the final probability.
    """
    if aligned_since is None:
        return 1.0
    faded = 1.0 if fade_steps == 0 else min(1.0, (step - aligned_since) / fade_steps)
    return 1.0 - (1.0 - p_teacher_forcing) * faded


def gaf_cap(first_aligned: int | None, max_gaf: float, max_gaf_aligned: float) -> float:
    """Return the cap of the gradient-adaptive factor, which is lower once aligned.

    It stays lower even if alignment is lost: large gradients of the recogniser have been seen to
    undo an alignment, and would not restore it.

    Args:
        first_aligned: step at which attention was first found aligned; None before.
        max_gaf: cap before alignment.
        max_gaf_aligned: cap from then on.
    """
    return max_gaf if first_aligned is None else min(max_gaf, max_gaf_aligned)


def is_adversarial(step: int, first_aligned: int | None, after: int) -> bool:
    """Whether the postnet is trained against a discriminator.

    Args:
        step: steps done so far.
        first_aligned: step at which attention was first found aligned; None before.
        after: steps from then on in which it is still trained on squared errors; 0 for all.
    """
    return after > 0 and first_aligned is not None and step >= first_aligned + after


def drop_rate(first_aligned: int | None, until_aligned: float, aligned: float) -> float:
    """Return the share of teacher frames to drop, which is lower once aligned.

    Dropped frames make a decoder attend to the text; one that does can learn from whole clips how
    sounds go on.

    Args:
        first_aligned: step at which attention was first found aligned; None before.
        until_aligned: share before alignment, 0 to 1.
        aligned: share from then on.
    """
    return until_aligned if first_aligned is None else min(until_aligned, aligned)
