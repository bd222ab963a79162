"""Guided attention: reward attention to the symbols that are spoken at each step.

Each symbol has an interval of frames in which it may be attended: with labels the time of its phone
or word, without a band around the diagonal. Tachibana et al. 2018 (arXiv:1710.08969) penalise the
distance from the diagonal; here the loss is minus the log of the attention inside the intervals,
which is zero for any attention that stays inside.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Floor of the attention inside, so that a clip that is wholly off has a finite loss.
_MIN_MASS = 1e-6


class AttentionTargets(NamedTuple):
    """The symbols that each decoder step of a batch may attend to."""

    inside: Tensor
    """(B, T_steps, T_text) bool: the step's middle lies in the symbol's interval."""
    depth: Tensor
    """(B, T_steps, T_text) distance to the nearer end of the interval, as a share of its length.

    At most 0.5, in the middle; negative outside; NaN for padding.
    """
    counted: Tensor
    """(B, T_steps) bool: the step is real and inside at least one interval."""


def attention_targets(
    intervals: Tensor, mel_lengths: Tensor, n_steps: int, n_frames_per_step: int
) -> AttentionTargets:
    """Find the symbols that each decoder step may attend to.

    Args:
        intervals: (B, T_text, 2) start and end of each symbol, mel frames; NaN for padding.
        mel_lengths: (B,) frames of each clip.
        n_steps: decoder steps of the longest clip.
        n_frames_per_step: reduction factor r.
    """
    steps = torch.arange(n_steps, device=intervals.device)
    middles = ((steps + 0.5) * n_frames_per_step)[None, :, None]
    starts, ends = intervals[:, None, :, 0], intervals[:, None, :, 1]
    depth = torch.minimum(middles - starts, ends - middles)
    inside = depth >= 0  # NaN compares false, so padding is never inside
    step_lengths = -(-mel_lengths.to(intervals.device, non_blocking=True) // n_frames_per_step)
    # A step in no interval has no known target.
    counted = (steps < step_lengths[:, None]) & inside.any(dim=2)
    return AttentionTargets(inside, depth / (ends - starts), counted)


def guided_attention_loss(alignment: Tensor, targets: AttentionTargets) -> Tensor:
    """Compute minus the log of the attention inside the intervals, averaged over counted steps.

    Args:
        alignment: (B, T_steps, T_text), each row summing to one.
        targets: targets of the same clips and steps.

    Returns:
        A scalar.
    """
    mass = (alignment * targets.inside).sum(dim=2).clamp(min=_MIN_MASS)
    return -(mass.log() * targets.counted).sum() / targets.counted.sum().clamp(min=1)


def forced_attention(targets: AttentionTargets) -> Tensor:
    """Return attention weights to force: each step attends the symbol it is deepest inside of.

    Returns:
        (T_steps, B, T_text), each row one-hot; zeros in steps that do not count.
    """
    deepest = targets.depth.masked_fill(~targets.inside, -1.0).argmax(dim=2, keepdim=True)
    weights = torch.zeros_like(targets.depth).scatter_(2, deepest, 1.0)
    return (weights * targets.counted[:, :, None]).transpose(0, 1).contiguous()
