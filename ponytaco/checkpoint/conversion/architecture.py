"""Telling models of our architecture from others, by the names and shapes of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ponytaco.config import Config, ConfigError, ModelConfig
from ponytaco.device import shapes_only
from ponytaco.formatting import and_more
from ponytaco.model.tacotron2 import Tacotron2

_MOST_NAMED = 3
# Layers, their weights, and the settings whose sum they take as input.
_INPUTS = (
    ("encoder's first convolution", "encoder.convolutions.0.0.conv.weight",
     ("symbols_embedding_dim",)),
    ("encoder's LSTM", "encoder.lstm.weight_ih_l0", ("encoder_embedding_dim",)),
    ("attention LSTM", "decoder.attention_rnn.weight_ih", ("prenet_dim", "encoder_embedding_dim")),
    ("attention", "decoder.attention_layer.memory_layer.linear_layer.weight",
     ("encoder_embedding_dim",)),
    ("decoder LSTM", "decoder.decoder_rnn.weight_ih",
     ("attention_rnn_dim", "encoder_embedding_dim")),
)  # fmt: skip


def misfits(weights: Mapping[str, Tensor], sizes: Mapping[str, Any]) -> dict[str, str]:
    """Find the layers whose input no setting gives, as in models of several speakers.

    Args:
        weights: by name.
        sizes: of ``sizes_of`` for the same weights.

    Returns:
        A clause for each such layer, by its weight's name.
    """
    found = {}
    for layer, name, parts in _INPUTS:
        weight = weights.get(name)
        if weight is None or weight.dim() < 2 or not all(part in sizes for part in parts):
            continue
        expected = sum(sizes[part] for part in parts)
        if weight.shape[1] != expected:
            names = " + ".join(parts)
            found[name] = (
                f"its {layer} takes {weight.shape[1]:,} numbers, not {expected:,} ({names})"
            )
    return found


def why_other_architecture(
    weights: Mapping[str, Tensor], sizes: Mapping[str, Any], n_symbols: int, n_mels: int
) -> str:
    """Explain in a clause why a complete model is not of our architecture; '' if it is.

    The CTC head, which speaking never uses, and the batch norms' counters may be missing or of any
    shape.

    Args:
        weights: by name.
        sizes: of ``sizes_of`` for the same weights.
        n_symbols: rows of the embedding.
        n_mels: mel bands.
    """
    found = misfits(weights, sizes)
    if found:
        return next(iter(found.values()))
    try:
        expected = _shapes(Config().replace(**sizes).model, n_symbols, n_mels)
    except ConfigError as error:
        return str(error).rstrip(".")
    unknown = [name for name in weights if name not in expected and not name.startswith("mi.")]
    missing = [name for name in expected if name not in weights and not _is_counter(name)]
    if unknown:
        return f"it has parts that ponytaco's has not: {and_more(unknown, _MOST_NAMED)}"
    if missing:
        return f"it lacks {and_more(missing, _MOST_NAMED)}"
    for name, shape in expected.items():
        if name in weights and weights[name].shape != shape:
            return f"its {name} has the shape {list(weights[name].shape)}, not {list(shape)}"
    return ""


def _shapes(config: ModelConfig, n_symbols: int, n_mels: int) -> dict[str, torch.Size]:
    with shapes_only():
        model = Tacotron2(config, n_symbols, n_mels, 1)
    state = model.state_dict()
    return {name: value.shape for name, value in state.items() if not name.startswith("mi.")}


def _is_counter(name: str) -> bool:
    """Whether torch before 0.4.1 did not save it."""
    return name.endswith(".num_batches_tracked")
