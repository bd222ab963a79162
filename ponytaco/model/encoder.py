"""The encoder: symbol embeddings -> convolutions -> bidirectional LSTM -> memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ponytaco.model.dropout import dropout
from ponytaco.model.layers import conv_batch_norm


class Encoder(nn.Module):
    """Tacotron 2's encoder (Shen et al. 2018, arXiv:1712.05884).

    Args:
        in_dim: size of the symbol embeddings.
        dim: size of the memory; even, half of it for each direction of the LSTM.
        kernel_size: kernel of the convolutions in symbols; odd.
        n_convolutions: number of convolutions.
        p_dropout: dropout after each convolution, in training only.
    """

    def __init__(
        self, in_dim: int, dim: int, kernel_size: int, n_convolutions: int, p_dropout: float
    ) -> None:
        super().__init__()
        self.p_dropout = p_dropout
        self.convolutions = nn.ModuleList(
            conv_batch_norm(in_dim if i == 0 else dim, dim, kernel_size, gain_of="relu")
            for i in range(n_convolutions)
        )
        self.lstm = nn.LSTM(dim, dim // 2, batch_first=True, bidirectional=True)

    def forward(self, embedded: Tensor, lengths: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch of texts.

        Args:
            embedded: (B, in_dim, T_text).
            lengths: (B,) symbols of each text; on the CPU, so as not to wait for a GPU.
            mask: (B, T_text), True where real. With it a text's memory does not depend on the rest
                of the batch. The published models were trained without it: there the padding
                reaches the last symbols through the convolutions.

        Returns:
            memory (B, T_text, dim); zero beyond each text's length.
        """
        x = embedded
        for convolution in self.convolutions:
            if mask is not None:
                x = x.masked_fill(~mask[:, None], 0.0)
            x = dropout(F.relu(convolution(x)), self.p_dropout, self.training)
        # Packing keeps padding out of the backward direction. cuDNN needs the lengths on the CPU,
        # longest first. They are sorted here because torch's own sorting waits for the GPU.
        lengths = lengths.cpu()
        order = lengths.argsort(descending=True)
        packed = pack_padded_sequence(
            x.float().transpose(1, 2)[order.to(x.device, non_blocking=True)],
            lengths[order],
            batch_first=True,
        )
        memory, _ = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=embedded.shape[2]
        )
        return torch.as_tensor(memory)[order.argsort().to(x.device, non_blocking=True)]
