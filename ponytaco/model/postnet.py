"""The postnet, which refines the decoder's mel by convolutions over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ponytaco.model.dropout import dropout
from ponytaco.model.layers import conv_batch_norm


class Postnet(nn.Module):
    """Tacotron 2's postnet (Shen et al. 2018, arXiv:1712.05884).

    Args:
        n_mels: mel bands.
        dim: channels between the first and the last convolution.
        kernel_size: kernel in frames; odd.
        n_convolutions: number of convolutions, at least 2.
        p_dropout: dropout after each convolution, in training only.
    """

    def __init__(
        self, n_mels: int, dim: int, kernel_size: int, n_convolutions: int, p_dropout: float
    ) -> None:
        super().__init__()
        self.p_dropout = p_dropout
        widths = [n_mels] + [dim] * (n_convolutions - 1) + [n_mels]
        self.convolutions = nn.ModuleList(
            conv_batch_norm(
                widths[i],
                widths[i + 1],
                kernel_size,
                gain_of="linear" if i == n_convolutions - 1 else "tanh",
            )
            for i in range(n_convolutions)
        )

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute the residual to be added to a batch of mels.

        Args:
            mel: (B, n_mels, T_mel) from the decoder.
            mask: (B, T_mel), True where real. With it a clip's residual does not depend on the rest
                of the batch.

        Returns:
            (B, n_mels, T_mel).
        """
        x = mel
        last = len(self.convolutions) - 1
        for i, convolution in enumerate(self.convolutions):
            if mask is not None:
                x = x.masked_fill(~mask[:, None], 0.0)
            x = convolution(x)
            if i < last:
                x = torch.tanh(x)
            x = dropout(x, self.p_dropout, self.training)
        return x
