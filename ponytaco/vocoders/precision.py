"""Vocoders in half precision on a GPU, and again in float32 where that was not enough."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn


def with_fallback(network: nn.Module, device: torch.device) -> Callable[..., Tensor]:
    """A network on its device: float32 on a CPU, float16 on a GPU.

    float16 and not bfloat16 also where a GPU has both: a sound's noise is what rounding leaves, and
    bfloat16 rounds eight times as coarsely. What overflows is computed once more in float32.

    Args:
        network: mel, and whatever it takes besides in float32, -> waveform; on the CPU, float32.
        device: where to compute.
    """
    network = network.to(device)
    half = copy.deepcopy(network).half() if device.type == "cuda" else None

    def compute(mel: Tensor, *others: Tensor) -> Tensor:
        others = tuple(other.to(device) for other in others)
        if half is not None:
            waveform = half(mel.to(device, torch.float16), *others).float()
            if torch.isfinite(waveform).all():
                return waveform
        return network(mel.to(device, torch.float32), *others)

    return compute
