"""Tacotron 2's loss: mel before and after the postnet, and gate."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class TacotronLoss(NamedTuple):
    """The terms of the loss, each a scalar."""

    mel: Tensor
    mel_postnet: Tensor
    gate: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the terms, which training minimises."""
        return self.mel + self.mel_postnet + self.gate


def tacotron_loss(
    mel: Tensor,
    mel_postnet: Tensor,
    gate: Tensor,
    target_mel: Tensor,
    mel_lengths: Tensor,
    gate_weight: float = 1.0,
    is_end: Tensor | None = None,
) -> TacotronLoss:
    """Compute mean squared errors of the mels and cross entropy of the gate over real frames.

    The published code (NVIDIA/tacotron2) averages over the padding too, so that a clip's loss
    depends on the rest of its batch; on clips of equal length the two agree.

    Args:
        mel: (B, n_mels, T_mel) before the postnet.
        mel_postnet: (B, n_mels, T_mel) after it.
        gate: (B, T_mel) logits.
        target_mel: (B, n_mels, T_mel).
        mel_lengths: (B,) frames of each clip.
        gate_weight: weight of a clip's last frame, the only one with gate target 1.
        is_end: (B,) bool, whether the clip ends with its last frame; from others the gate learns
            nothing. By default all do.
    """
    frames = torch.arange(target_mel.shape[2], device=gate.device)
    ends = mel_lengths.to(gate.device, non_blocking=True)[:, None]
    real = frames < ends
    n_real = ends.sum()
    gate_target = (frames == ends - 1).to(gate.dtype)
    gate_losses = F.binary_cross_entropy_with_logits(
        gate, gate_target, reduction="none", pos_weight=torch.full_like(gate[0, 0], gate_weight)
    )
    if is_end is not None:
        gate_losses = gate_losses * is_end[:, None]
    padding = ~real[:, None]
    n_values = n_real * target_mel.shape[1]

    def squared_error(predicted: Tensor) -> Tensor:
        return (predicted - target_mel).masked_fill(padding, 0.0).square().sum() / n_values

    return TacotronLoss(
        mel=squared_error(mel),
        mel_postnet=squared_error(mel_postnet),
        gate=gate_losses.masked_fill(~real, 0.0).sum() / n_real,
    )
