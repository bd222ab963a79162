"""Dropout with random numbers that are cheap on a CPU.

On a CPU torch draws a number of 32 bits for each value from a serial generator, which was a tenth
of a training step in bfloat16. Here one number of 64 bits serves four values, which rounds the rate
to 1 / 65,536. On a GPU, where drawing costs nothing, torch's own dropout is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# With fewer values the additional calls cost more than the random numbers.
_WORTH_IT = 20_000


class Dropout(nn.Module):
    """A layer like ``nn.Dropout``.

    Args:
        p: probability that a value becomes zero, in training only.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(…) -> (…)."""
        return dropout(x, self.p, self.training)


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Set random values to zero and scale up the others, so that the mean stays.

    Args:
        x: (…).
        p: probability that a value becomes zero, 0 to 1.
        training: if false, ``x`` is returned unchanged.
    """
    if not training:
        return x
    if x.device.type != "cpu" or x.numel() < _WORTH_IT or not 0 < p < 1:
        return F.dropout(x, p)
    return x * dropout_factors(x.shape, p, x.device, x.dtype)


def dropout_factors(
    shape: Sequence[int],
    p: float,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw factors that are 0 with probability ``p`` and 1 / (1 - p) otherwise.

    Args:
        shape: shape of the result.
        p: the probability, 0 to 1.
        device: device of the result.
        dtype: type of the result.
    """
    if device.type != "cpu" or not 0 < p < 1:
        return F.dropout(torch.ones(shape, device=device, dtype=dtype), p)
    n_dropped = _n_dropped(p)
    return dropout_mask(shape, p, device).to(dtype).mul_(2**16 / (2**16 - n_dropped))


def dropout_mask(shape: Sequence[int], p: float, device: torch.device) -> Tensor:
    """Draw what dropout keeps: False with probability ``p``, else True.

    Args:
        shape: shape of the result.
        p: the probability, 0 to 1.
        device: device of the result.
    """
    if device.type != "cpu" or not 0 < p < 1:
        return torch.rand(shape, device=device) >= p
    n = torch.Size(shape).numel()
    # All 64 bits: the default range of random_ leaves out the sign.
    drawn = torch.empty(-(-n // 4), dtype=torch.int64).random_(-(2**63), None)
    return (drawn.view(torch.int16)[:n] >= _n_dropped(p) - 2**15).view(shape)


def _n_dropped(p: float) -> int:
    """Return how many of 65,536 values are dropped."""
    return min(max(round(p * 2**16), 1), 2**16 - 1)
