"""The two layers everything else is built from, named as in the published checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearNorm(nn.Module):
    """A linear layer with Xavier-uniform weights.

    The inner module's name, ``linear_layer``, is the published checkpoints' (NVIDIA/tacotron2).

    Args:
        in_dim: features in.
        out_dim: features out.
        bias: whether there is a bias.
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
    """A length-keeping 1-d convolution with Xavier-uniform weights.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel_size: odd, so that the length stays.
        bias: whether there is a bias.
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
    """A convolution and its batch norm, as encoder and postnet stack them."""
    return nn.Sequential(
        ConvNorm(in_channels, out_channels, kernel_size, gain_of=gain_of),
        nn.BatchNorm1d(out_channels),
    )


def length_mask(lengths: Tensor, max_length: int, device: torch.device) -> Tensor:
    """True where a sequence is real.

    Args:
        lengths: (B,) whole numbers, on any device.
        max_length: width of the mask.
        device: where the mask is wanted.

    Returns:
        (B, max_length) of bool.
    """
    there = lengths.to(device, non_blocking=True)
    return torch.arange(max_length, device=device) < there[:, None]


def _gain(nonlinearity: str) -> float:
    return nn.init.calculate_gain(nonlinearity)  # type: ignore[arg-type]
