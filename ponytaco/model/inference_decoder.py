"""The decoder for inference: free-running, with packed weights.

At batch size 1 the time of a frame is that of reading the weights, so each LSTM's weights are
packed into one matrix, of a smaller type if wanted. The rest is the number of operations, so the
loop has as few as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ponytaco.model.layers import LinearNorm, length_mask
from ponytaco.model.packed_linear import Product, pack_product

if TYPE_CHECKING:
    from ponytaco.model.decoder import Decoder

# Steps between two checks whether every clip is over: each check waits for a GPU.
_BLOCK = 8


class FreeOutput(NamedTuple):
    """Output of free-running decoding; values beyond each clip's frames have no meaning."""

    mel: Tensor  # (B, n_mels, T_mel)
    gate: Tensor  # (B, T_mel) logits
    alignment: Tensor  # (B, T_steps, T_text)
    hidden: Tensor  # (B, hidden_dim, T_steps)
    lengths: Tensor  # (B,) frames of each clip


class PackedDecoder:
    """A decoder with packed weights for free-running synthesis.

    Later changes to the decoder have no effect on it.

    Args:
        decoder: the decoder to pack; its prenet's dropout stays on.
        weight_type: type of the large matrices: 'float32' (as trained), 'float16' or 'bfloat16'
            (half the bytes), 'int8' (a quarter), or 'auto', the fastest one that sounds the same.

    Raises:
        WeightTypeError: if the type is unknown or not supported by this machine.
    """

    def __init__(self, decoder: Decoder, weight_type: str = "float32") -> None:
        attention_rnn, decoder_rnn = decoder.attention_rnn, decoder.decoder_rnn
        attention = decoder.attention_layer
        self._n_mels = decoder.n_mels
        self._r = decoder.n_frames_per_step
        self._n_hidden = attention_rnn.hidden_size
        self._n_decoder = decoder_rnn.hidden_size
        self._p_dropout = decoder.prenet.p_dropout
        self._prenet = [_weight(layer) for layer in decoder.prenet.layers]
        self._n_prenet = len(self._prenet[-1])
        self._process_memory = attention.process_memory
        # A step's vectors lie side by side as prenet, hidden, context, decoder_hidden, so that
        # every product reads a slice of them and nothing is concatenated in the loop.
        of_prenet, of_context = attention_rnn.weight_ih.tensor_split((self._n_prenet,), dim=1)
        self._attention_rnn = pack_product(
            _gate_rows(torch.cat((of_prenet, attention_rnn.weight_hh, of_context), dim=1)),
            _gate_rows(attention_rnn.bias_ih + attention_rnn.bias_hh),
            weight_type,
        )
        self._decoder_rnn = pack_product(
            _gate_rows(torch.cat((decoder_rnn.weight_ih, decoder_rnn.weight_hh), dim=1)),
            _gate_rows(decoder_rnn.bias_ih + decoder_rnn.bias_hh),
            weight_type,
        )
        self._query = attention.query_weight.detach()
        self._location = attention.location_weight().detach().T.contiguous()
        self._energy = attention.energy_weight.detach()
        # The head was trained on decoder_hidden, context.
        self._linear_projection = _sequence(
            decoder.linear_projection, weight_type, columns_first=self._n_decoder
        )
        self._mel_layer = decoder.mel_layer and _sequence(decoder.mel_layer, weight_type)
        self._gate_layer = decoder.gate_layer

    @torch.no_grad()
    def __call__(
        self,
        memory: Tensor,
        text_lengths: Tensor,
        max_frames: int,
        gate_threshold: float = 0.5,
        may_stop_from: Tensor | None = None,
    ) -> FreeOutput:
        """Decode free-running: each step is fed the model's own previous frame.

        Args:
            memory: (B, T_text, memory_dim).
            text_lengths: (B,) symbols of each text.
            max_frames: limit of a clip that never stops.
            gate_threshold: probability of the gate above which a clip is over.
            may_stop_from: (B,) symbol that attention must have reached before a clip can be over,
                for a pause looks like an end to the gate; by default 0 for all.
        """
        batch, n_symbols, n_context = memory.shape
        memory = memory.contiguous()
        n_steps = -(-max_frames // self._r)
        processed = self._process_memory(memory).reshape(batch * n_symbols, -1)
        beyond = ~length_mask(text_lengths, n_symbols, memory.device)

        # The previous attention weights and their sum, and the window that each symbol's location
        # filter sees of them.
        kernel_size = self._location.shape[0] // 2
        margin = kernel_size // 2
        weights_cat = memory.new_zeros(batch, 2, n_symbols + 2 * margin)
        windows = weights_cat.unfold(2, kernel_size, 1).transpose(1, 2)
        last_weights, weights_sum = weights_cat[:, :, margin : margin + n_symbols].unbind(1)

        widths = (self._n_prenet, self._n_hidden, n_context, self._n_decoder)
        vectors = memory.new_zeros(batch, sum(widths))
        prenet, hidden, context, decoder_hidden = vectors.split(widths, dim=1)
        attention_inputs = vectors[:, : sum(widths[:3])]
        decoder_inputs = vectors[:, widths[0] :]
        features = vectors[:, sum(widths[:2]) :]
        context_rows = context[:, None]
        cell = torch.zeros_like(hidden)
        decoder_cell = torch.zeros_like(decoder_hidden)
        frame = memory.new_zeros(batch, self._n_mels)

        mels: list[Tensor] = []  # (B, r * n_mels)
        hiddens: list[Tensor] = []  # (B, hidden_dim)
        stops: list[Tensor] = []  # (steps of a block, B, r), where a clip may end
        gates: list[Tensor] = []  # (steps of a block, B, r)
        alignment: list[Tensor] = []  # (B, T_text)
        is_over = torch.zeros(batch, dtype=torch.bool, device=memory.device)
        may_stop = torch.zeros_like(is_over)
        for start in range(0, n_steps, _BLOCK):
            block = min(_BLOCK, n_steps - start)
            for masks in self._draw_masks(block, memory):
                x = F.linear(frame, self._prenet[0]).relu_().mul_(masks[0])
                torch.mul(F.linear(x, self._prenet[1]).relu_(), masks[1], out=prenet)
                _lstm(self._attention_rnn(attention_inputs), cell, hidden)
                energies = torch.addmm(
                    processed, windows.reshape(batch * n_symbols, -1), self._location
                )
                energies.view(batch, n_symbols, -1).add_(F.linear(hidden, self._query)[:, None])
                scores = torch.mv(energies.tanh_(), self._energy).view(batch, n_symbols)
                weights = torch.softmax(scores.masked_fill_(beyond, -torch.inf), dim=1)
                last_weights.copy_(weights)
                weights_sum.add_(weights)
                torch.bmm(weights[:, None], memory, out=context_rows)
                _lstm(self._decoder_rnn(decoder_inputs), decoder_cell, decoder_hidden)
                projected = self._linear_projection(features)
                mel = self._mel_layer(projected) if self._mel_layer else projected
                frame = mel[:, -self._n_mels :]
                mels.append(mel)
                alignment.append(weights)
                hiddens.append(projected if self._mel_layer else features.clone())
            gates.append(self._gates(hiddens[-block:]))
            stops.append(torch.sigmoid(gates[-1]) > gate_threshold)
            if may_stop_from is not None:
                reached = torch.stack(alignment[-block:]).argmax(dim=2) >= may_stop_from
                reached[0] |= may_stop
                reached = reached.cummax(dim=0).values
                may_stop = reached[-1]
                stops[-1] &= reached[:, :, None]
            is_over |= stops[-1].any(dim=2).any(dim=0)
            if bool(is_over.all()):
                break

        gate, stop = (
            torch.cat(blocks).transpose(0, 1).reshape(batch, -1)[:, :max_frames]
            for blocks in (gates, stops)
        )
        # argmax finds the first frame at which a clip may end.
        ends = torch.where(stop.any(dim=1), stop.float().argmax(dim=1) + 1, max_frames)
        n_frames = int(ends.max())
        n_used = -(-n_frames // self._r)
        mel = torch.stack(mels[:n_used], dim=1).view(batch, n_used * self._r, self._n_mels)
        return FreeOutput(
            mel=mel[:, :n_frames].transpose(1, 2),
            gate=gate[:, :n_frames],
            alignment=torch.stack(alignment[:n_used], dim=1),
            hidden=self._as_trained(torch.stack(hiddens[:n_used], dim=2)),
            lengths=ends,
        )

    def _draw_masks(self, n_steps: int, like: Tensor) -> Sequence[Tensor]:
        """Draw the prenet's dropout factors for some steps, (2, B, prenet_dim) each."""
        ones = like.new_ones(n_steps, 2, len(like), self._n_prenet)
        return F.dropout(ones, self._p_dropout, training=True).unbind(0)

    def _gates(self, hiddens: Sequence[Tensor]) -> Tensor:
        """Compute the gate logits of some steps, (S, B, r)."""
        hidden = torch.stack(list(hiddens), dim=2)  # (B, hidden_dim, S)
        return self._gate_layer(self._as_trained(hidden).permute(2, 0, 1))

    def _as_trained(self, hidden: Tensor) -> Tensor:
        """Return (B, hidden_dim, S) in the order that the next layers were trained with."""
        if self._mel_layer:
            return hidden
        return hidden.roll(self._n_decoder, dims=1)


def _lstm(gates: Tensor, cell: Tensor, hidden: Tensor) -> None:
    """Update an LSTM's state in place from gates (B, 4 * H) in the order of ``_gate_rows``."""
    n_hidden = cell.shape[1]
    sigmoids, g = gates.split((3 * n_hidden, n_hidden), dim=1)
    i, f, o = sigmoids.sigmoid_().chunk(3, dim=1)
    cell.mul_(f).addcmul_(i, g.tanh_())
    torch.mul(o, cell.tanh(), out=hidden)


def _gate_rows(rows: Tensor) -> Tensor:
    """Reorder an LSTM's rows as input, forget, output, cell: one operation for three sigmoids."""
    i, f, g, o = rows.detach().chunk(4)
    return torch.cat((i, f, o, g))


def _weight(layer: nn.Module) -> Tensor:
    return layer.get_parameter("linear_layer.weight").detach()


def _sequence(module: nn.Module, weight_type: str, columns_first: int = 0) -> Product:
    """Pack a linear layer, or several with ReLUs between; their dropout is for training only.

    Args:
        module: the layers.
        weight_type: type of their weights.
        columns_first: number of the first layer's leading inputs that come last here.
    """
    layers: Sequence[nn.Module] = list(module) if isinstance(module, nn.Sequential) else [module]
    steps: list[Product] = []
    for layer in layers:
        if isinstance(layer, LinearNorm):
            linear = layer.linear_layer
            weight = linear.weight if steps else linear.weight.roll(-columns_first, dims=1)
            steps.append(pack_product(weight, linear.bias, weight_type))
        elif isinstance(layer, nn.ReLU):
            steps.append(torch.relu_)

    def run(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return run
