"""The CTC head, which recognises the text from the decoder's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ponytaco.model.dropout import Dropout
from ponytaco.model.layers import LinearNorm


class CTCHead(nn.Module):
    """A recogniser of each frame's symbol (Liu et al. 2019, arXiv:1909.01145; bfs18/tacotron2).

    Args:
        in_dim: size of the decoder's features.
        n_symbols: size of the CTC alphabet without the blank, which comes last.
        n_frames_per_step: reduction factor r; each frame of a step gets its own symbol, so that
            long texts still fit when a step makes many frames.
        p_dropout: dropout between the layers, in training only.
    """

    def __init__(
        self, in_dim: int, n_symbols: int, n_frames_per_step: int, p_dropout: float
    ) -> None:
        super().__init__()
        self.n_frames_per_step = n_frames_per_step
        self.proj = nn.Sequential(
            LinearNorm(in_dim, in_dim, gain_of="relu"), nn.ReLU(), Dropout(p_dropout)
        )
        self.ctc_proj = LinearNorm(in_dim, (n_symbols + 1) * n_frames_per_step)

    def forward(self, hidden: Tensor) -> Tensor:
        """Compute log-probabilities of the symbols.

        Args:
            hidden: (B, in_dim, T_steps), the decoder's features.

        Returns:
            (B, T_steps * n_frames_per_step, n_symbols + 1).
        """
        logits = self.ctc_proj(self.proj(hidden.transpose(1, 2)))
        batch, n_steps, width = logits.shape
        r = self.n_frames_per_step
        return torch.log_softmax(logits.reshape(batch, n_steps * r, width // r).float(), dim=2)
