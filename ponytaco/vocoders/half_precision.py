"""Vocoders in half precision on a GPU, and again in float32 where that was not enough."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn


def with_fallback(
    network: nn.Module, device: torch.device, dtype: torch.dtype | None = None
) -> Callable[..., Tensor]:
    """A network on its device: float32 on a CPU, float16 on a GPU.

    float16 and not bfloat16 also where a GPU has both: what rounding leaves is heard as noise, and
    with bfloat16 it was 18 dB louder (HiFi-GAN with random weights: 22 dB below the sound against
    40 dB). What overflows is computed once more in float32.

    Args:
        network: mel, and whatever it takes besides in float32, -> waveform; on the CPU, float32.
        device: where to compute.
        dtype: another type to compute in.
    """
    network = network.to(device)
    dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
    half = None if dtype is torch.float32 else copy.deepcopy(network).to(dtype)

    def compute(mel: Tensor, *others: Tensor) -> Tensor:
        others = tuple(other.to(device) for other in others)
        if half is not None:
            waveform = half(mel.to(device, dtype), *others).float()
            if torch.isfinite(waveform).all():
                return waveform
        return network(mel.to(device, torch.float32), *others)

    return compute
