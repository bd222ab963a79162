"""Attention guidance: reward attention mass where the text is known to be spoken.

Each symbol gets the interval of frames in which it may be attended. With labels these are the
phones' and words' true times; without, a band around the diagonal (Tachibana et al. 2018,
arXiv:1710.08969, penalise distance from it; here what counts is only being inside). The loss is
minus the log of the mass inside, so that it is zero for any attention that stays there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Attention mass is floored here, so that a clip that is wholly off cannot give an infinite loss.
_MIN_MASS = 1e-6


class Guide(NamedTuple):
    """Where the attention of a batch may be."""

    inside: Tensor  # (B, T_steps, T_text) whether a step is in a symbol's time
    depth: Tensor  # (B, T_steps, T_text) how far in, as a share of that time; at most 0.5
    counted: Tensor  # (B, T_steps) whether a step counts: it is real, and some symbol claims it


def make_guide(
    intervals: Tensor, mel_lengths: Tensor, n_steps: int, n_frames_per_step: int
) -> Guide:
    """Where attention may be, step by step.

    Args:
        intervals: (B, T_text, 2) start and end of each symbol, mel frames; NaN for padding.
        mel_lengths: (B,) frames of each clip.
        n_steps: decoder steps of the longest.
        n_frames_per_step: mel frames that one decoder step makes.
    """
    steps = torch.arange(n_steps, device=intervals.device)
    middles = ((steps + 0.5) * n_frames_per_step)[None, :, None]
    starts, ends = intervals[:, None, :, 0], intervals[:, None, :, 1]
    depth = torch.minimum(middles - starts, ends - middles)
    inside = depth >= 0  # NaN compares false, so padding is never inside
    step_lengths = -(-mel_lengths.to(intervals.device, non_blocking=True) // n_frames_per_step)
    # A time that no symbol claims says nothing about where attention should be.
    counted = (steps < step_lengths[:, None]) & inside.any(dim=2)
    return Guide(inside, depth / (ends - starts), counted)


def guidance_loss(alignment: Tensor, guide: Guide) -> Tensor:
    """Minus the log of the attention inside the symbols' intervals, averaged over real steps.

    Args:
        alignment: (B, T_steps, T_text), each row summing to one.
        guide: of the same clips and steps.

    Returns:
        A scalar.
    """
    mass = (alignment * guide.inside).sum(dim=2).clamp(min=_MIN_MASS)
    return -(mass.log() * guide.counted).sum() / guide.counted.sum().clamp(min=1)


def known_attention(guide: Guide) -> Tensor:
    """Where attention should be: at the symbol in the middle of whose time a step is.

    Returns:
        (T_steps, B, T_text) ones and zeros; only zeros in steps that do not count.
    """
    middle = guide.depth.masked_fill(~guide.inside, -1.0).argmax(dim=2, keepdim=True)
    weights = torch.zeros_like(guide.depth).scatter_(2, middle, 1.0)
    return (weights * guide.counted[:, :, None]).transpose(0, 1).contiguous()
