"""A model's sizes, inferred from its weights: checkpoints of other programs do not hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

_LOCATION = "decoder.attention_layer.location_layer.location_conv.conv"
# The layer of each head that makes the mel.
_OUTPUTS = {
    "plain": "decoder.linear_projection.linear_layer.",
    "mmi": "decoder.mel_layer.3.linear_layer.",
}
_MOST_CONVOLUTIONS = 64
_MOST_MELS, _USUAL_MELS = 1024, 80


def sizes_of(state: Mapping[str, Tensor], n_mels: int = 80) -> dict[str, Any]:
    """Infer model settings from the shapes of weights.

    Args:
        state: weights by name.
        n_mels: mel bands of a frame.

    Returns:
        Values of ModelConfig's fields by name, without those that cannot be inferred.
    """
    sizes: dict[str, Any] = {}
    for name, weight, axis in (
        ("symbols_embedding_dim", "embedding.weight", 1),
        ("encoder_embedding_dim", "encoder.convolutions.0.0.conv.weight", 0),
        ("encoder_kernel_size", "encoder.convolutions.0.0.conv.weight", 2),
        ("attention_rnn_dim", "decoder.attention_rnn.weight_hh", 1),
        ("decoder_rnn_dim", "decoder.decoder_rnn.weight_hh", 1),
        ("prenet_dim", "decoder.prenet.layers.0.linear_layer.weight", 0),
        ("attention_dim", "decoder.attention_layer.query_layer.linear_layer.weight", 0),
        ("attention_location_n_filters", f"{_LOCATION}.weight", 0),
        ("attention_location_kernel_size", f"{_LOCATION}.weight", 2),
        ("postnet_embedding_dim", "postnet.convolutions.0.0.conv.weight", 0),
        ("postnet_kernel_size", "postnet.convolutions.0.0.conv.weight", 2),
    ):
        if weight in state and state[weight].dim() > axis:
            sizes[name] = state[weight].shape[axis]
    for part in ("encoder", "postnet"):
        count = sum(
            f"{part}.convolutions.{i}.0.conv.weight" in state for i in range(_MOST_CONVOLUTIONS + 1)
        )
        if count:
            sizes[f"{part}_n_convolutions"] = count
    for head, beginning in _OUTPUTS.items():
        bias = state.get(f"{beginning}bias")
        if bias is not None and bias.numel() and bias.numel() % n_mels == 0:
            sizes.update(head=head, n_frames_per_step=bias.numel() // n_mels)
    return sizes


def n_mels_of(state: Mapping[str, Tensor]) -> int:
    """Infer the number of mel bands from the postnet's input; NVIDIA's 80 where there is none."""
    first = state.get("postnet.convolutions.0.0.conv.weight")
    n_mels = first.shape[1] if first is not None and first.dim() == 3 else 0
    return n_mels if 1 <= n_mels <= _MOST_MELS else _USUAL_MELS
