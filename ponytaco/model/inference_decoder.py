"""The decoder for inference: free-running, with packed weights.

At batch size 1 the time of a frame is that of reading the weights, so each LSTM's weights are
packed into one matrix, of a smaller type if wanted. The rest is the number of operations, so the
loop has as few as possible, and a GPU runs its blocks as CUDA graphs (``cuda_graphs.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ponytaco.model.cuda_graphs import Block, padding, run_blocks
from ponytaco.model.layers import LinearNorm, length_mask
from ponytaco.model.packed_linear import Product, pack_product

if TYPE_CHECKING:
    from ponytaco.model.decoder import Decoder

# Steps of a graph, and between two checks whether every clip is over: each waits for a GPU.
_BLOCK = 8
# Blocks in which a new graph runs beside the plain loop.
_PROOFS = 4


class FreeOutput(NamedTuple):
    """Output of free-running decoding; values beyond each clip's frames have no meaning."""

    mel: Tensor  # (B, n_mels, T_mel)
    gate: Tensor  # (B, T_mel) logits
    alignment: Tensor  # (B, T_steps, T_text)
    hidden: Tensor  # (B, hidden_dim, T_steps)
    lengths: Tensor  # (B,) frames of each clip


class _State(NamedTuple):
    """What a step changes."""

    vectors: Tensor  # (B, …): prenet, hidden, context and decoder_hidden side by side
    cell: Tensor  # (B, attention_rnn_dim)
    decoder_cell: Tensor  # (B, decoder_rnn_dim)
    weights: Tensor  # (B, 2, …): the previous attention weights and their sum, padded


class _Text(NamedTuple):
    """What all steps read of the texts."""

    memory: Tensor  # (B, T_text, memory_dim)
    processed: Tensor  # (B * T_text, attention_dim)
    beyond: Tensor  # (B, T_text), True where there is no symbol


class _Views(NamedTuple):
    """Parts of ``_Text`` and ``_State``, each as an operation of a step takes it."""

    memory: Tensor
    processed: Tensor
    beyond: Tensor
    windows: Tensor  # (B, T_text, 2, kernel_size), what the location filter sees of each symbol
    last_weights: Tensor
    weights_sum: Tensor
    prenet: Tensor
    hidden: Tensor
    context_rows: Tensor  # (B, 1, memory_dim)
    decoder_hidden: Tensor
    cell: Tensor
    decoder_cell: Tensor
    attention_inputs: Tensor
    decoder_inputs: Tensor
    features: Tensor


class _Steps(NamedTuple):
    """The results of some steps, one tensor a step."""

    mels: list[Tensor]  # (B, r * n_mels)
    hiddens: list[Tensor]  # (B, hidden_dim)
    alignment: list[Tensor]  # (B, T_text)


class PackedDecoder:
    """A decoder with packed weights for free-running synthesis.

    Later changes to the decoder have no effect on it.

    Args:
        decoder: the decoder to pack, with the graphs to run it; its prenet's dropout stays on.
        weight_type: type of the large matrices: 'float32' (as trained), 'float16' or 'bfloat16'
            (half the bytes), 'int8' (a quarter), or 'auto', the fastest one that sounds the same.
        with_graphs: whether to use the decoder's graphs, which each packing has to capture anew.

    Raises:
        WeightTypeError: if the type is unknown or not supported by this machine.
    """

    def __init__(
        self, decoder: Decoder, weight_type: str = "float32", with_graphs: bool = True
    ) -> None:
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
        self._n_features = decoder.gate_layer.linear_layer.in_features
        self._graphs = decoder.graphs if with_graphs else None
        # A graph has the addresses of the packed weights, so that it is for this object alone.
        self._owner = object()

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
        batch = len(memory)
        n_steps = -(-max_frames // self._r)
        spoken = _Steps([], [], [])
        stops: list[Tensor] = []  # (steps of a block, B, r), where a clip may end
        gates: list[Tensor] = []  # (steps of a block, B, r)
        is_over = torch.zeros(batch, dtype=torch.bool, device=memory.device)
        may_stop = torch.zeros_like(is_over)

        def take(steps: _Steps) -> bool:
            """Collect the results of a block, and return whether all clips are over."""
            nonlocal may_stop
            for whole, part in zip(spoken, steps, strict=True):
                whole.extend(part)
            gates.append(self._gates(steps.hiddens))
            stops.append(torch.sigmoid(gates[-1]) > gate_threshold)
            if may_stop_from is not None:
                reached = torch.stack(steps.alignment).argmax(dim=2) >= may_stop_from
                reached[0] |= may_stop
                reached = reached.cummax(dim=0).values
                may_stop = reached[-1]
                stops[-1] &= reached[:, :, None]
            is_over.logical_or_(stops[-1].any(dim=2).any(dim=0))
            return bool(is_over.all())

        self._speak(memory, text_lengths, n_steps, take)
        gate, stop = (
            torch.cat(blocks).transpose(0, 1).reshape(batch, -1)[:, :max_frames]
            for blocks in (gates, stops)
        )
        # argmax finds the first frame at which a clip may end.
        ends = torch.where(stop.any(dim=1), stop.float().argmax(dim=1) + 1, max_frames)
        n_frames = int(ends.max())
        n_used = -(-n_frames // self._r)
        mel = torch.stack(spoken.mels[:n_used], dim=1).view(batch, n_used * self._r, self._n_mels)
        return FreeOutput(
            mel=mel[:, :n_frames].transpose(1, 2),
            gate=gate[:, :n_frames],
            alignment=torch.stack(spoken.alignment[:n_used], dim=1),
            hidden=self._as_trained(torch.stack(spoken.hiddens[:n_used], dim=2)),
            lengths=ends,
        )

    def _speak(
        self, memory: Tensor, text_lengths: Tensor, n_steps: int, take: Callable[[_Steps], bool]
    ) -> None:
        """Run steps until there are so many, or ``take``, which is given each block, returns True.

        Args:
            memory: (B, T_text, memory_dim).
            text_lengths: (B,).
            n_steps: the most steps.
            take: takes the results of a block.
        """
        n_symbols = memory.shape[1]
        graphs = self._graphs if n_steps >= _BLOCK else None
        if extra := padding(n_symbols, graphs):
            memory = F.pad(memory, (0, 0, 0, extra))
        memory = memory.contiguous()
        text = _Text(
            memory,
            self._process_memory(memory).flatten(0, 1),
            ~length_mask(text_lengths, memory.shape[1], memory.device),
        )
        state = self._first_state(memory)
        frame = memory.new_zeros(len(memory), self._n_mels)
        lengths = [min(_BLOCK, n_steps - start) for start in range(0, n_steps, _BLOCK)]
        if graphs is None:
            views = self._views(text, state)
            for n in lengths:
                steps = self._run_steps(views, self._draw_masks(n, memory), frame)
                frame = self._last_frame(steps.mels)
                if take(steps):
                    break
            return

        def blocks() -> Iterator[Block]:
            last_frame = frame
            for n in lengths:
                results = [
                    memory.new_empty(n, len(memory), width)
                    for width in (self._r * self._n_mels, self._n_features, memory.shape[1])
                ]
                yield Block((self._draw_masks(n, memory), last_frame), state, results)
                last_frame = self._last_frame(results[0])
                results[2] = results[2][..., :n_symbols]
                if take(_Steps(*(list(result.unbind(0)) for result in results))):
                    break

        run_blocks(self._write_steps, text, blocks(), graphs, self._owner, _PROOFS)

    def _write_steps(self, *tensors: Tensor) -> None:
        """Run steps and write their results, as a graph can.

        Args:
            tensors: those of ``_Text``, the dropout (S, 2, B, prenet_dim), the frame before
                (B, n_mels), those of ``_State``, which are changed, and those of ``_Steps``,
                stacked, which are written.
        """
        text, state = _Text(*tensors[:3]), _State(*tensors[5:9])
        steps = self._run_steps(self._views(text, state), tensors[3], tensors[4])
        for each, result in zip(steps, tensors[9:], strict=True):
            torch.stack(each, out=result)

    def _run_steps(self, views: _Views, masks: Tensor, frame: Tensor) -> _Steps:
        """Run steps.

        Args:
            views: of texts and state; the state is changed.
            masks: (S, 2, B, prenet_dim), the prenet's dropout factors.
            frame: (B, n_mels), the frame before.
        """
        v, steps = views, _Steps([], [], [])
        batch, n_symbols = v.beyond.shape
        for mask in masks.unbind(0):
            x = F.linear(frame, self._prenet[0]).relu_().mul_(mask[0])
            torch.mul(F.linear(x, self._prenet[1]).relu_(), mask[1], out=v.prenet)
            _lstm(self._attention_rnn(v.attention_inputs), v.cell, v.hidden)
            energies = torch.addmm(
                v.processed, v.windows.reshape(batch * n_symbols, -1), self._location
            )
            energies.view(batch, n_symbols, -1).add_(F.linear(v.hidden, self._query)[:, None])
            scores = torch.mv(energies.tanh_(), self._energy).view(batch, n_symbols)
            weights = torch.softmax(scores.masked_fill_(v.beyond, -torch.inf), dim=1)
            v.last_weights.copy_(weights)
            v.weights_sum.add_(weights)
            torch.bmm(weights[:, None], v.memory, out=v.context_rows)
            _lstm(self._decoder_rnn(v.decoder_inputs), v.decoder_cell, v.decoder_hidden)
            projected = self._linear_projection(v.features)
            mel = self._mel_layer(projected) if self._mel_layer else projected
            frame = mel[:, -self._n_mels :]
            steps.mels.append(mel)
            steps.alignment.append(weights)
            steps.hiddens.append(projected if self._mel_layer else v.features.clone())
        return steps

    def _first_state(self, memory: Tensor) -> _State:
        batch, n_symbols, n_context = memory.shape
        width = self._n_prenet + self._n_hidden + n_context + self._n_decoder
        margin = self._location.shape[0] // 4
        return _State(
            memory.new_zeros(batch, width),
            memory.new_zeros(batch, self._n_hidden),
            memory.new_zeros(batch, self._n_decoder),
            memory.new_zeros(batch, 2, n_symbols + 2 * margin),
        )

    def _views(self, text: _Text, state: _State) -> _Views:
        """Cut texts and state into what the operations of a step read and write."""
        n_symbols, n_context = text.memory.shape[1:]
        # A kernel of the location filter slides over the padded weights.
        kernel_size = self._location.shape[0] // 2
        margin = kernel_size // 2
        last_weights, weights_sum = state.weights[:, :, margin : margin + n_symbols].unbind(1)
        widths = (self._n_prenet, self._n_hidden, n_context, self._n_decoder)
        prenet, hidden, context, decoder_hidden = state.vectors.split(widths, dim=1)
        return _Views(
            *text,
            windows=state.weights.unfold(2, kernel_size, 1).transpose(1, 2),
            last_weights=last_weights,
            weights_sum=weights_sum,
            prenet=prenet,
            hidden=hidden,
            context_rows=context[:, None],
            decoder_hidden=decoder_hidden,
            cell=state.cell,
            decoder_cell=state.decoder_cell,
            attention_inputs=state.vectors[:, : sum(widths[:3])],
            decoder_inputs=state.vectors[:, widths[0] :],
            features=state.vectors[:, sum(widths[:2]) :],
        )

    def _last_frame(self, mels: Sequence[Tensor] | Tensor) -> Tensor:
        return mels[-1][:, -self._n_mels :]

    def _draw_masks(self, n_steps: int, like: Tensor) -> Tensor:
        """Draw the prenet's dropout factors for some steps, (S, 2, B, prenet_dim)."""
        ones = like.new_ones(n_steps, 2, len(like), self._n_prenet)
        return F.dropout(ones, self._p_dropout, training=True)

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
