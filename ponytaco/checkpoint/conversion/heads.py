"""Folding a plain head into an 'mmi' head that computes the same."""

from __future__ import annotations

import torch
from torch import Tensor

from ponytaco.model.decoder import Decoder


@torch.no_grad()
def fold_plain_head(
    decoder: Decoder, mel_weight: Tensor, mel_bias: Tensor, gate_weight: Tensor, gate_bias: Tensor
) -> int:
    """Initialise an 'mmi' head so that it computes the function of a plain head.

    x = relu(x) - relu(-x), so two hidden units carry each of the plain head's outputs through the
    ReLU layers. The other units keep their initial weights without influence on the output. Dropout
    disturbs this in training only.

    Args:
        decoder: a decoder with head 'mmi', changed in place.
        mel_weight: (r * n_mels, decoder_rnn_dim + memory_dim) of the plain head.
        mel_bias: (r * n_mels,).
        gate_weight: (r, decoder_rnn_dim + memory_dim).
        gate_bias: (r,).

    Returns:
        The number of hidden units used; 0 if there are too few, and nothing has been changed.
    """
    n_mel, n_outputs = len(mel_bias), len(mel_bias) + len(gate_bias)
    into, middle, out, gate = (
        decoder.get_submodule(f"{layer}.linear_layer")
        for layer in ("linear_projection.0", "mel_layer.0", "mel_layer.3", "gate_layer")
    )
    n_hidden, n_used = into.get_parameter("bias").numel(), 2 * n_outputs
    if n_used > n_hidden:
        return 0
    signs = torch.cat((torch.eye(n_outputs), -torch.eye(n_outputs)), dim=1)
    into.get_parameter("weight")[:n_used] = signs.T @ torch.cat((mel_weight, gate_weight))
    middle.get_parameter("weight")[:n_used] = torch.eye(n_used, n_hidden)
    for layer in (into, middle):
        layer.get_parameter("bias")[:n_used] = 0.0
    for layer, rows, bias in ((out, signs[:n_mel], mel_bias), (gate, signs[n_mel:], gate_bias)):
        layer.get_parameter("weight").zero_()
        layer.get_parameter("weight")[:, :n_used] = rows
        layer.get_parameter("bias").copy_(bias)
    return n_used
