"""Location-sensitive attention: where in the text the next frames come from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ponytaco.model.layers import ConvNorm, LinearNorm


class LocationLayer(nn.Module):
    """Features of where the attention was, for the energies of where it goes next.

    Args:
        n_filters: of the convolution over the previous and the summed attention weights.
        kernel_size: symbols; odd.
        attention_dim: width of the energy layer.
    """

    def __init__(self, n_filters: int, kernel_size: int, attention_dim: int) -> None:
        super().__init__()
        self.location_conv = ConvNorm(2, n_filters, kernel_size, bias=False)
        self.location_dense = LinearNorm(n_filters, attention_dim, bias=False, gain_of="tanh")

    def forward(self, weights_and_sum: Tensor) -> Tensor:
        """(B, 2, T_text) -> (B, T_text, attention_dim)."""
        return self.location_dense(self.location_conv(weights_and_sum).transpose(1, 2))


class LocationSensitiveAttention(nn.Module):
    """Additive attention over the memory, with location features (Chorowski et al. 2015).

    Args:
        query_dim: width of the attention LSTM's state.
        memory_dim: width of the memory.
        attention_dim: width of the energy layer.
        location_n_filters: filters of the location convolution.
        location_kernel_size: its kernel, symbols; odd.
    """

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        attention_dim: int,
        location_n_filters: int,
        location_kernel_size: int,
    ) -> None:
        super().__init__()
        self.query_layer = LinearNorm(query_dim, attention_dim, bias=False, gain_of="tanh")
        self.memory_layer = LinearNorm(memory_dim, attention_dim, bias=False, gain_of="tanh")
        self.v = LinearNorm(attention_dim, 1, bias=False)
        self.location_layer = LocationLayer(location_n_filters, location_kernel_size, attention_dim)

    def process_memory(self, memory: Tensor) -> Tensor:
        """The part of the energies that stays the same for every frame, (B, T_text, dim)."""
        return self.memory_layer(memory)

    def forward(
        self,
        query: Tensor,
        memory: Tensor,
        processed_memory: Tensor,
        weights: Tensor,
        weights_sum: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Attend once.

        Args:
            query: (B, query_dim), the attention LSTM's state.
            memory: (B, T_text, memory_dim).
            processed_memory: (B, T_text, attention_dim) from ``process_memory``.
            weights: (B, T_text), the previous step's.
            weights_sum: (B, T_text), summed over the steps so far.
            mask: (B, T_text), True where a symbol is real.

        Returns:
            context (B, memory_dim) and the new weights (B, T_text), which sum to one.
        """
        location = self.location_layer(torch.stack((weights, weights_sum), dim=1))
        hidden = torch.tanh(self.query_layer(query)[:, None] + location + processed_memory)
        energies = self.v(hidden).squeeze(-1).masked_fill(~mask, -torch.inf)
        weights = torch.softmax(energies, dim=1)
        context = torch.bmm(weights[:, None], memory).squeeze(1)
        return context, weights
