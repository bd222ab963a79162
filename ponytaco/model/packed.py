"""The decoder packed for speaking freely.

At batch 1 a frame costs what it costs to read the weights, so they are laid out once as one matrix
for each LSTM, in a type with fewer bytes if wanted, and the loop computes nothing that it need not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ponytaco.model.layers import LinearNorm, length_mask

if TYPE_CHECKING:
    from ponytaco.model.decoder import Decoder

WEIGHT_TYPES = ("float32", "bfloat16", "int8")

# Steps between two looks at whether every clip is over: each look waits for a GPU.
_LOOK_EVERY = 8

_INT8_BLOCK = 32

_Product = Callable[[Tensor], Tensor]


class FreeOutput(NamedTuple):
    """What was spoken; beyond each clip's frames the values are not meant."""

    mel: Tensor  # (B, n_mels, T_mel)
    gate: Tensor  # (B, T_mel) logits
    alignment: Tensor  # (B, T_steps, T_text)
    hidden: Tensor  # (B, hidden_dim, T_steps)
    lengths: Tensor  # (B,) frames of each clip


class PackedDecoder:
    """A decoder's weights, packed for free-running synthesis.

    Changes to the decoder after packing are not seen.

    Args:
        decoder: what is packed; its prenet's dropout stays on.
        weight_type: 'float32' (as trained), 'bfloat16' (half the bytes) or 'int8' (a quarter, with
            a scale for each row).

    Raises:
        ValueError: there is no such type, or this torch cannot multiply int8 weights.
    """

    def __init__(self, decoder: Decoder, weight_type: str = "float32") -> None:
        if weight_type not in WEIGHT_TYPES:
            raise ValueError(
                f"There is no weight type '{weight_type}'. There are: {', '.join(WEIGHT_TYPES)}."
            )
        first, second, attention = (
            decoder.attention_rnn,
            decoder.decoder_rnn,
            decoder.attention_layer,
        )
        self._n_mels = decoder.n_mels
        self._r = decoder.n_frames_per_step
        self._n_hidden = first.hidden_size
        self._n_decoder = second.hidden_size
        self._prenet = decoder.prenet
        self._process_memory = attention.process_memory
        # Inputs of the first LSTM are prenet, context, hidden; of the second hidden, context, own.
        self._first = _lstm_product(first, weight_type)
        self._second = _lstm_product(second, weight_type)
        self._query = attention.query_weight.detach().T.contiguous()
        self._location = attention.location_weight().detach().T.contiguous()
        self._energy = attention.energy_weight.detach()
        self._linear_projection = _sequence(decoder.linear_projection, weight_type)
        self._mel_layer = decoder.mel_layer and _sequence(decoder.mel_layer, weight_type)
        self._gate = _sequence(decoder.gate_layer, "float32")

    @torch.no_grad()
    def __call__(
        self, memory: Tensor, text_lengths: Tensor, max_frames: int, gate_threshold: float = 0.5
    ) -> FreeOutput:
        """Decode freely, each step fed with the frame before.

        Args:
            memory: (B, T_text, memory_dim).
            text_lengths: (B,) symbols of each text.
            max_frames: where a clip that never stops is cut.
            gate_threshold: probability of the gate at which a clip is over.
        """
        batch, n_symbols, n_context = memory.shape
        r = self._r
        n_steps = -(-max_frames // r)
        processed = self._process_memory(memory).reshape(batch * n_symbols, -1)
        beyond = ~length_mask(text_lengths, n_symbols, memory.device)
        kernel_size = self._location.shape[0] // 2
        margin = kernel_size // 2
        text = slice(margin, margin + n_symbols)
        located = memory.new_zeros(batch, 2, n_symbols + 2 * margin)

        hidden = memory.new_zeros(batch, self._n_hidden)
        cell = torch.zeros_like(hidden)
        decoder_hidden = memory.new_zeros(batch, self._n_decoder)
        decoder_cell = torch.zeros_like(decoder_hidden)
        context = memory.new_zeros(batch, n_context)
        frame = memory.new_zeros(batch, self._n_mels)
        mels = memory.new_empty(batch, n_steps * r, self._n_mels)
        gates = memory.new_empty(batch, n_steps * r)
        alignment = memory.new_empty(batch, n_steps, n_symbols)
        hiddens: list[Tensor] = []
        lengths = torch.full((batch,), max_frames, device=memory.device)
        step = 0
        for step in range(n_steps):
            inputs = torch.cat((self._prenet(frame), context, hidden), dim=1)
            hidden, cell = _lstm(self._first(inputs), cell)
            windows = located.unfold(2, kernel_size, 1).transpose(1, 2)
            energies = torch.addmm(
                processed, windows.reshape(batch * n_symbols, -1), self._location
            ).view(batch, n_symbols, -1)
            energies += torch.mm(hidden, self._query)[:, None]
            scores = torch.matmul(energies.tanh_(), self._energy)
            weights = torch.softmax(scores.masked_fill_(beyond, -torch.inf), dim=1)
            located[:, 0, text] = weights
            located[:, 1, text] += weights
            alignment[:, step] = weights
            context = torch.bmm(weights[:, None], memory)[:, 0]
            inputs = torch.cat((hidden, context, decoder_hidden), dim=1)
            decoder_hidden, decoder_cell = _lstm(self._second(inputs), decoder_cell)
            mel, gate, features = self._project(torch.cat((decoder_hidden, context), dim=1))
            frames = slice(step * r, (step + 1) * r)
            mels[:, frames] = mel.view(batch, r, self._n_mels)
            gates[:, frames] = gate
            hiddens.append(features)
            frame = mels[:, (step + 1) * r - 1]

            over = torch.sigmoid(gate) > gate_threshold  # (B, r)
            # argmax finds the first frame of the group at which the gate opened.
            ends = step * r + over.float().argmax(dim=1) + 1
            lengths = torch.where(over.any(dim=1) & (lengths == max_frames), ends, lengths)
            if step % _LOOK_EVERY == _LOOK_EVERY - 1 and bool((lengths < max_frames).all()):
                break
        lengths = lengths.clamp(max=max_frames)
        n_frames = int(lengths.max())
        n_used = -(-n_frames // r)
        return FreeOutput(
            mel=mels[:, :n_frames].transpose(1, 2),
            gate=gates[:, :n_frames],
            alignment=alignment[:, :n_used],
            hidden=torch.stack(hiddens[:n_used], dim=2),
            lengths=lengths,
        )

    def _project(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self._mel_layer is None:
            return self._linear_projection(features), self._gate(features), features
        hidden = self._linear_projection(features)
        return self._mel_layer(hidden), self._gate(hidden), hidden


def _lstm_product(rnn: nn.LSTMCell, weight_type: str) -> _Product:
    weight = torch.cat((rnn.weight_ih, rnn.weight_hh), dim=1).detach()
    return _product(weight, (rnn.bias_ih + rnn.bias_hh).detach(), weight_type)


def _lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM's pointwise part, (B, 4 * H) in PyTorch's order: input, forget, cell, output."""
    i, f, g, o = gates.chunk(4, dim=1)
    cell = torch.addcmul(f.sigmoid() * cell, i.sigmoid(), g.tanh())
    return o.sigmoid() * cell.tanh(), cell


def _sequence(module: nn.Module, weight_type: str) -> _Product:
    """A linear layer, or several with ReLUs between; their dropout is for training only."""
    layers: Sequence[nn.Module] = list(module) if isinstance(module, nn.Sequential) else [module]
    steps: list[_Product] = []
    for layer in layers:
        if isinstance(layer, LinearNorm):
            linear = layer.linear_layer
            steps.append(_product(linear.weight.detach(), linear.bias.detach(), weight_type))
        elif isinstance(layer, nn.ReLU):
            steps.append(F.relu)

    def run(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return run


def _product(weight: Tensor, bias: Tensor, weight_type: str) -> _Product:
    """``x -> x @ weight.T + bias`` in float32, with the weight stored in a shorter type."""
    if weight_type == "float32":
        return lambda x: F.linear(x, weight, bias)
    if weight_type == "bfloat16":
        short = weight.bfloat16()
        return lambda x: F.linear(x.bfloat16(), short).float() + bias
    if not hasattr(torch, "_weight_int8pack_mm"):
        raise ValueError("This torch cannot multiply int8 weights. Use bfloat16.")
    scale = weight.abs().amax(dim=1).clamp(min=1e-12) / 127
    # torch's kernel reads rows in blocks and, unchecked, past the end of one that is no multiple.
    missing = -weight.shape[1] % _INT8_BLOCK
    packed = F.pad((weight / scale[:, None]).round().to(torch.int8), (0, missing))
    # The product itself is left unscaled: a scale in bfloat16 would cost a digit more.
    ones = torch.ones_like(scale, dtype=torch.bfloat16)

    def multiply(x: Tensor) -> Tensor:
        short = F.pad(x.bfloat16(), (0, missing)) if missing else x.bfloat16()
        return torch._weight_int8pack_mm(short, packed, ones).float() * scale + bias

    return multiply
