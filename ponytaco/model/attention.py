"""Location-sensitive attention: its parameters, and the computations shared by all steps.

The loop over steps is in ``recurrence.py``, together with the attention LSTM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ponytaco.model.layers import ConvNorm, LinearNorm

# Xavier weights give energies of around one and so nearly uniform attention. With three times as
# much it can be sharp from the start, and on real speech it aligns sooner.
_ENERGY_GAIN = 3.0


class LocationSensitiveAttention(nn.Module):
    """Additive attention over the memory with location features (Chorowski et al. 2015).

    energy = v . tanh(W query + V memory + U f), where f is a convolution over the previous
    attention weights and their cumulative sum (arXiv:1506.07503).

    Args:
        query_dim: size of the attention LSTM's hidden state.
        memory_dim: size of the encoder's output.
        attention_dim: size of the energies' hidden layer.
        location_n_filters: filters of the location convolution.
        location_kernel_size: its kernel in symbols; odd.
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
        with torch.no_grad():
            self.v.linear_layer.weight *= _ENERGY_GAIN
        self.location_layer = nn.ModuleDict(
            {
                "location_conv": ConvNorm(2, location_n_filters, location_kernel_size, bias=False),
                "location_dense": LinearNorm(
                    location_n_filters, attention_dim, bias=False, gain_of="tanh"
                ),
            }
        )

    @property
    def query_weight(self) -> Tensor:
        """(attention_dim, query_dim)."""
        return self.query_layer.linear_layer.weight

    @property
    def energy_weight(self) -> Tensor:
        """(attention_dim,)."""
        return self.v.linear_layer.weight[0]

    def location_weight(self) -> Tensor:
        """Fold the location convolution and dense layer into one weight.

        Neither has a bias, nor is there a nonlinearity between them.

        Returns:
            (attention_dim, 2 * kernel_size).
        """
        dense = self.location_layer["location_dense"].get_parameter("linear_layer.weight")
        convolution = self.location_layer["location_conv"].get_parameter("conv.weight")
        return torch.einsum("af,fck->ack", dense, convolution).flatten(1)

    def process_memory(self, memory: Tensor) -> Tensor:
        """Project the memory, (B, T_text, memory_dim) -> (B, T_text, attention_dim)."""
        return self.memory_layer(memory)
