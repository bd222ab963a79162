"""Half precision of vocoders on a GPU, with float32 where that overflows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def with_fallback(
    network: nn.Module, device: torch.device, dtype: torch.dtype | None = None
) -> Callable[..., Tensor]:
    """Put a network on its device: float32 on a CPU, float16 on a GPU.

    float16 also where a GPU has bfloat16: rounding is heard as noise, which bfloat16 made 18 dB
    louder (HiFi-GAN with random weights: 22 dB below the sound against 40 dB). What overflows is
    computed again in float32.

    Args:
        network: on the CPU in float32, from mel and any other float32 inputs to waveform; options
            by name are handed on.
        device: where to compute.
        dtype: overrides the type to compute in.
    """
    network = network.to(device)
    dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
    half = None if dtype is torch.float32 else copy.deepcopy(network).to(dtype)

    def compute(mel: Tensor, *others: Tensor, **options: Any) -> Tensor:
        others = tuple(other.to(device) for other in others)
        if half is not None:
            waveform = half(mel.to(device, dtype), *others, **options).float()
            if torch.isfinite(waveform).all():
                return waveform
        return network(mel.to(device, torch.float32), *others, **options)

    return compute
