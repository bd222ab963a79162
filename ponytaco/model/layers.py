"""The basic layers, named as in the published checkpoints, and the length mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearNorm(nn.Module):
    """A linear layer with Xavier-uniform weights.

    The inner module is called ``linear_layer`` in the published checkpoints (NVIDIA/tacotron2).

    Args:
        in_dim: number of input features.
        out_dim: number of output features.
        bias: whether the layer has a bias.
        gain_of: the nonlinearity that follows, whose gain scales the initial weights.
    """

    def __init__(
        self, in_dim: int, out_dim: int, bias: bool = True, gain_of: str = "linear"
    ) -> None:
        super().__init__()
        self.linear_layer = nn.Linear(in_dim, out_dim, bias=bias)
        nn.init.xavier_uniform_(self.linear_layer.weight, gain=_gain(gain_of))

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_dim) -> (…, out_dim)."""
        return self.linear_layer(x)


class ConvNorm(nn.Module):
    """A 1-d convolution with Xavier-uniform weights that keeps the length.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels.
        kernel_size: kernel; odd, so that the length stays.
        bias: whether the layer has a bias.
        gain_of: the nonlinearity that follows, whose gain scales the initial weights.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        bias: bool = True,
        gain_of: str = "linear",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias
        )
        nn.init.xavier_uniform_(self.conv.weight, gain=_gain(gain_of))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, T) -> (B, out_channels, T)."""
        return self.conv(x)


def conv_batch_norm(
    in_channels: int, out_channels: int, kernel_size: int, gain_of: str
) -> nn.Sequential:
    """Make a convolution with batch norm, as encoder and postnet stack them."""
    return nn.Sequential(
        ConvNorm(in_channels, out_channels, kernel_size, gain_of=gain_of),
        nn.BatchNorm1d(out_channels),
    )


def length_mask(lengths: Tensor, max_length: int, device: torch.device) -> Tensor:
    """Return a mask that is True within each sequence's length.

    Args:
        lengths: (B,) integers, on any device.
        max_length: width of the mask.
        device: device of the mask.

    Returns:
        (B, max_length) bool.
    """
    ends = lengths.to(device, non_blocking=True)[:, None]
    return torch.arange(max_length, device=device) < ends


def _gain(nonlinearity: str) -> float:
    return nn.init.calculate_gain(nonlinearity)  # type: ignore[arg-type]
