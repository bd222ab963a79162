"""The optimizer: Adam, with a learning rate of its own for the attention layer."""

from __future__ import annotations

import torch

from ponytaco.config import TrainConfig
from ponytaco.model.tacotron2 import Tacotron2


def make_optimizer(model: Tacotron2, settings: TrainConfig) -> torch.optim.Optimizer:
    """Return Adam for ``train_step``, which needs a fused one to skip steps on the device.

    The attention layer is a group of its own, with its own multiple of the learning rate: until
    attention is aligned, the layers behind it learn little of the text.
    """
    attention: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (attention if ".attention_layer." in name else others).append(parameter)
    optimizer = torch.optim.Adam(
        [
            {"params": others, "lr_scale": 1.0},
            {"params": attention, "lr_scale": settings.attention_learning_rate_scale},
        ],
        weight_decay=settings.weight_decay,
        eps=1e-6,
        fused=True,
    )
    set_learning_rate(optimizer, settings.learning_rate)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set each group of ``make_optimizer`` to its multiple of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
