"""The prenet: a bottleneck between the previous frame and the decoder."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ponytaco.model.dropout import dropout
from ponytaco.model.layers import LinearNorm


class Prenet(nn.Module):
    """Two ReLU layers whose dropout stays on in synthesis (Shen et al. 2018, arXiv:1712.05884).

    Args:
        in_dim: mel bands.
        dim: size of both layers.
        p_dropout: dropout, in training and in synthesis.
    """

    def __init__(self, in_dim: int, dim: int, p_dropout: float) -> None:
        super().__init__()
        self.p_dropout = p_dropout
        self.layers = nn.ModuleList(
            [LinearNorm(in_dim, dim, bias=False), LinearNorm(dim, dim, bias=False)]
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(…, in_dim) -> (…, dim)."""
        x = frames
        for layer in self.layers:
            x = dropout(F.relu(layer(x)), self.p_dropout, training=True)
        return x
