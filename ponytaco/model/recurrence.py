"""The decoder's two loops over time, with hand-written backward passes.

Each loop contains only what is sequential; its steps are in ``recurrence_steps.py``, and a GPU may
run them as CUDA graphs (``cuda_graphs.py``). The batch is in columns, ``(features, B)``, because
``W @ x`` then beats ``F.linear(x, W)`` on a CPU. The inputs' share of the gates is one large
product before the loop. In the backward pass, what no earlier step waits for is done for a chunk of
steps at once, and each weight's gradient after the loop instead of a rank-B update per step: for
that the gates' gradients are written as columns, ``(4 * H, T * B)``. No step indexes a tensor that
autograd tracks, which would make the backward pass allocate a full-size gradient per step.

A recurrent weight in a shorter type (bfloat16, float16) makes all products run in that type; cells,
gates, attention weights and their sums stay in float32.

The hidden layer of the energies is a sigmoid of doubled inputs, multiplied by doubled weights,
instead of a tanh: the constant that this omits from all energies does not change their softmax. How
the hidden states are stored is described in ``lstm_cell.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ponytaco.model.cuda_graphs import Block, Graphs, padding, run_blocks
from ponytaco.model.lstm_cell import double_cell_gate, drop_hidden, gate_gradients
from ponytaco.model.recurrence_steps import (
    attention_gradients,
    attention_steps,
    lstm_gradients,
    lstm_steps,
    skewed_zeros,
)

# Steps whose gradients are taken together, because more of them leave a CPU's cache; and steps of a
# graph. With more steps, those left over at a loop's end would cost more than longer graphs save.
_CHUNK = 16
# A share of zero would lose what is divided by it again; with this one it weighs nothing.
_LEAST_SHARE = 1e-20


class LSTMWeights(NamedTuple):
    """An LSTM's weights as a loop takes them.

    The columns that read a hidden state are multiplied by its gain.
    """

    input: Tensor  # (4 * H, P), in PyTorch's order of gates: input, forget, cell, output
    bias: Tensor  # (4 * H,)
    recurrent: Tensor  # (4 * H, H + E)
    gain: float  # of its own hidden state

    def prepare(self, dtype: torch.dtype) -> LSTMWeights:
        """Double the rows of the cell gate, and convert to the type of the products."""
        weights = (self.input, self.bias, self.recurrent)
        doubled = [double_cell_gate(weight).to(dtype) for weight in weights]
        return LSTMWeights(doubled[0], doubled[1], doubled[2], self.gain)


class AttentionWeights(NamedTuple):
    """The attention's weights as the loop takes them."""

    query: Tensor  # (A, H), multiplied by the gain of the hidden state
    location: Tensor  # (A, 2 * K), for the windows of the previous weights and of their sum
    energy: Tensor  # (A,)

    def prepare(self, dtype: torch.dtype) -> AttentionWeights:
        """Double all for the sigmoid, interleave the windows, and convert to a type."""
        interleaved = self.location.unflatten(1, (2, -1)).transpose(1, 2).flatten(1)
        weights = (self.query, interleaved, self.energy)
        return AttentionWeights(*((2 * weight).to(dtype) for weight in weights))


def attention_loop(
    inputs: Tensor,
    rnn: LSTMWeights,
    attention: AttentionWeights,
    memory: Tensor,
    processed_memory: Tensor,
    text_mask: Tensor,
    kept: Tensor | None,
    state: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    forced_weights: Tensor | None = None,
    forced_share: Tensor | None = None,
    graphs: Graphs | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the attention LSTM and the location-sensitive attention over given inputs.

    Args:
        inputs: (T, B, P), outputs of the prenet.
        rnn: the attention LSTM's weights, prepared; their type is that of the products.
        attention: the attention's weights, prepared in the same type.
        memory: (B, N, E).
        processed_memory: (B, N, A).
        text_mask: (B, N), True where a symbol is real.
        kept: (T, H, B), False where dropout drops the hidden state, or None.
        state: hidden (B, H) divided by its gain, cell (B, H), context (B, E), weights (B, N),
            weights_sum (B, N).
        forced_weights: (T, B, N), attention weights that replace a share of those that the location
            windows see, or None.
        forced_share: (B, 1), this share, 0 to 1, or None.
        graphs: run the loop on a GPU; by default it runs plainly.

    Returns:
        hidden states, divided by their gain, and contexts (T, H + E, B), attention weights
        (T, B, N), the last cell (B, H) and the last sum of the weights that the windows see (B, N).
    """
    n_symbols = memory.shape[1]
    graphs = graphs if len(inputs) >= _CHUNK else None
    if extra := padding(n_symbols, graphs):
        memory, processed_memory = (F.pad(x, (0, 0, 0, extra)) for x in (memory, processed_memory))
        text_mask = F.pad(text_mask, (0, extra))
        state = (*state[:3], F.pad(state[3], (0, extra)), F.pad(state[4], (0, extra)))
        forced_weights = None if forced_weights is None else F.pad(forced_weights, (0, extra))
    with torch.autocast(memory.device.type, enabled=False):
        dtype = rnn.recurrent.dtype
        hidden, cell, *others = (part.float() for part in state)
        states, weights, cell, weights_sum = _AttentionLoop.apply(
            inputs.to(dtype), *rnn[:3], *attention, memory.to(dtype),
            (2 * processed_memory).to(dtype), text_mask, kept, hidden, 2 * cell, *others,
            forced_weights, forced_share, graphs,
        )  # fmt: skip
        if extra:
            weights, weights_sum = weights[..., :n_symbols], weights_sum[:, :n_symbols]
        return states, weights, cell / 2, weights_sum


def lstm_loop(
    inputs: Tensor,
    rnn: LSTMWeights,
    kept: Tensor | None,
    hidden: Tensor,
    cell: Tensor,
    graphs: Graphs | None = None,
) -> tuple[Tensor, Tensor]:
    """Run an LSTM whose dropout also applies to its recurrent state.

    Args:
        inputs: (T, B, P).
        rnn: its weights, prepared; their type is that of the products.
        kept: (T, H, B), False where dropout drops the hidden state, or None.
        hidden: (B, H), the initial hidden state, divided by its gain.
        cell: (B, H), the initial cell.
        graphs: run the loop on a GPU; by default it runs plainly.

    Returns:
        hidden states, divided by their gain, (T, H, B) and the last cell (B, H).
    """
    with torch.autocast(inputs.device.type, enabled=False):
        hiddens, cell = _LSTMLoop.apply(
            inputs.to(rnn.recurrent.dtype), *rnn[:3], kept, hidden.float(), 2 * cell.float(),
            graphs if len(inputs) >= _CHUNK else None,
        )  # fmt: skip
        return hiddens, cell / 2


class _AttentionLoop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weight: Tensor,
        bias: Tensor,
        recurrent_weight: Tensor,
        query_weight: Tensor,
        location_weight: Tensor,
        energy_weight: Tensor,
        memory: Tensor,
        processed_memory: Tensor,
        text_mask: Tensor,
        kept: Tensor | None,
        hidden: Tensor,
        cell: Tensor,
        context: Tensor,
        weights: Tensor,
        weights_sum: Tensor,
        forced_weights: Tensor | None,
        forced_share: Tensor | None,
        graphs: Graphs | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gates = _input_gates(inputs, input_weight, bias)
        n_steps, n_gates, batch = gates.shape
        n_hidden = n_gates // 4
        n_symbols, n_context = memory.shape[1:]
        n_attention, n_window = location_weight.shape
        margin = n_window // 4
        if kept is not None:
            drop_hidden(gates, kept)
        states = recurrent_weight.new_empty(n_steps + 1, n_hidden + n_context, batch)
        states[0, :n_hidden], states[0, n_hidden:] = hidden.T, context.T
        cells = gates.new_empty(n_steps + 1, n_hidden, batch)
        cells[0] = cell.T
        # Previous attention weights and their sum, side by side and padded, over which the location
        # windows slide.
        seen = gates.new_zeros(n_steps + 1, batch, n_symbols + 2 * margin, 2)
        inner = seen[:, :, margin : margin + n_symbols]
        inner[0, :, :, 0], inner[0, :, :, 1] = weights, weights_sum
        hiddens = memory.new_empty(n_steps, batch, n_symbols, n_attention)
        all_weights = gates.new_empty(n_steps, batch, n_symbols)
        beyond = memory.new_zeros(text_mask.numel())
        beyond.masked_fill_(~text_mask.flatten(), -torch.inf)
        fixed = (
            recurrent_weight, query_weight, location_weight.T.contiguous(), energy_weight, memory,
            processed_memory, beyond, forced_share,
        )  # fmt: skip

        def blocks() -> Iterator[Block]:
            for start, stop in _spans(n_steps, graphs):
                yield Block(
                    (None if forced_weights is None else forced_weights[start:stop],),
                    (gates[start:stop],
                     *(each[start : stop + 1] for each in (states, cells, seen))),
                    (hiddens[start:stop], all_weights[start:stop]),
                )  # fmt: skip

        run_blocks(attention_steps, fixed, blocks(), graphs)
        ctx.graphs = graphs
        ctx.save_for_backward(
            inputs, input_weight, recurrent_weight, query_weight, location_weight, energy_weight,
            memory, states, gates, cells, seen, hiddens, all_weights, forced_share,
        )  # fmt: skip
        return states[1:], all_weights, cells[-1].T.contiguous(), inner[-1, :, :, 1].contiguous()

    @staticmethod
    def backward(
        ctx: Any, d_states: Tensor, d_weights: Tensor, d_cell: Tensor, d_weights_sum: Tensor
    ) -> tuple[Tensor | None, ...]:
        (
            inputs, input_weight, recurrent_weight, query_weight, location_weight, energy_weight,
            memory, states, gates, cells, seen, hiddens, all_weights, forced_share,
        ) = ctx.saved_tensors  # fmt: skip
        n_steps, n_gates, batch = gates.shape
        n_hidden = n_gates // 4
        n_symbols, n_context = memory.shape[1:]
        n_attention, n_window = location_weight.shape
        text = slice(n_window // 4, n_window // 4 + n_symbols)
        dtype = recurrent_weight.dtype
        transposed_weight = recurrent_weight.T.contiguous()
        # The energies' weights are applied where the gradients of the hidden layer are used.
        transposed_query = (query_weight * energy_weight[:, None]).T.contiguous()
        location = location_weight * energy_weight[:, None]

        chunk = min(_CHUNK, n_steps)
        factors, gradients = _gradient_memory(cells, d_cell, chunk)
        d_columns = recurrent_weight.new_empty(n_gates, n_steps, batch)
        # A gradient from outside may have any strides, which sums with it would inherit.
        d_states = d_states.contiguous()
        all_d_states = torch.empty_like(d_states, dtype=gates.dtype)
        d_queries = memory.new_empty(n_steps, batch, n_attention)
        d_processed = torch.zeros_like(hiddens[0], dtype=gates.dtype)
        d_location = torch.zeros_like(location_weight, dtype=gates.dtype)
        d_energy = torch.zeros_like(energy_weight, dtype=gates.dtype)
        # See ``attention_gradients``.
        of_weights = gates.new_zeros(n_steps + 1, 2, batch, n_symbols)
        own_share = gates.new_ones(batch, 1)
        if forced_share is not None:
            own_share = (1 - forced_share).clamp(min=_LEAST_SHARE)
        of_weights[:-1, 0] = d_weights
        of_weights[-1, 1] = own_share * d_weights_sum
        d_seen = memory.new_zeros(batch, 1, 2 * seen.shape[2])
        fixed = (
            transposed_weight, transposed_query, location, memory,
            own_share.to(dtype)[:, None].expand(batch, 1, n_symbols).contiguous(), factors,
            memory.new_empty(chunk, batch, n_symbols, n_attention),
            memory.new_empty(chunk, batch, n_symbols),
            memory.new_empty(chunk, batch, n_symbols, n_window),
            skewed_zeros(batch, n_symbols, n_window, memory),
        )  # fmt: skip

        def blocks() -> Iterator[Block]:
            for stop in range(n_steps, 0, -chunk):
                start = max(0, stop - chunk)
                now = slice(start, stop)
                yield Block(
                    (gradients[0], gates[now], cells[start : stop + 1], seen[now], hiddens[now],
                     all_weights[now], d_states[now]),
                    (of_weights[start : stop + 1], d_seen, d_location, d_energy, d_processed),
                    (gradients[: stop - start], all_d_states[now], d_queries[now]),
                )  # fmt: skip
                d_columns[:, now] = gate_gradients(gradients[: stop - start]).transpose(0, 1)

        run_blocks(attention_gradients, fixed, blocks(), ctx.graphs)
        d_last = torch.mm(transposed_weight, gate_gradients(gradients[0]).to(dtype)).float()
        d_inner = d_seen.view(batch, -1, 2)[:, text].permute(2, 0, 1)
        d_first_seen = d_inner.float() / own_share  # (2, B, N)

        flat_queries = d_queries.view(n_steps * batch, n_attention)
        d_contexts = all_d_states[:, n_hidden:].permute(2, 0, 1).to(dtype)
        return (
            *_product_gradients(d_columns, inputs, input_weight, states[:-1]),
            torch.mm(flat_queries.T, _columns(states[1:, :n_hidden]).T) * energy_weight[:, None],
            (d_location * energy_weight[:, None]).to(dtype),
            d_energy.to(dtype),
            torch.bmm(all_weights.permute(1, 2, 0).to(dtype), d_contexts),
            (d_processed * energy_weight).to(dtype),
            None,
            None,
            d_last[:n_hidden].T,
            gradients[0, 0].T,
            d_last[n_hidden:].T,
            d_first_seen[0],
            of_weights[0, 1] / own_share + d_first_seen[1],
            None,
            None,
            None,
        )


class _LSTMLoop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weight: Tensor,
        bias: Tensor,
        recurrent_weight: Tensor,
        kept: Tensor | None,
        hidden: Tensor,
        cell: Tensor,
        graphs: Graphs | None,
    ) -> tuple[Tensor, Tensor]:
        gates = _input_gates(inputs, input_weight, bias)
        n_steps, n_gates, batch = gates.shape
        if kept is not None:
            drop_hidden(gates, kept)
        hiddens = recurrent_weight.new_empty(n_steps + 1, n_gates // 4, batch)
        hiddens[0] = hidden.T
        cells = gates.new_empty(n_steps + 1, n_gates // 4, batch)
        cells[0] = cell.T

        def blocks() -> Iterator[Block]:
            for start, stop in _spans(n_steps, graphs):
                after = slice(start, stop + 1)
                yield Block((), (gates[start:stop], hiddens[after], cells[after]), ())

        run_blocks(lstm_steps, (recurrent_weight,), blocks(), graphs)
        ctx.graphs = graphs
        ctx.save_for_backward(inputs, input_weight, recurrent_weight, hiddens, gates, cells)
        return hiddens[1:], cells[-1].T.contiguous()

    @staticmethod
    def backward(ctx: Any, d_hiddens: Tensor, d_cell: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, input_weight, recurrent_weight, hiddens, gates, cells) = ctx.saved_tensors
        n_steps, n_gates, batch = gates.shape
        dtype = recurrent_weight.dtype
        transposed_weight = recurrent_weight.T.contiguous()
        chunk = min(_CHUNK, n_steps)
        factors, gradients = _gradient_memory(cells, d_cell, chunk)
        d_columns = recurrent_weight.new_empty(n_gates, n_steps, batch)
        d_hiddens = d_hiddens.contiguous()

        def blocks() -> Iterator[Block]:
            for stop in range(n_steps, 0, -chunk):
                start = max(0, stop - chunk)
                now = slice(start, stop)
                read = (gradients[0], gates[now], cells[start : stop + 1], d_hiddens[now])
                yield Block(read, (), (gradients[: stop - start],))
                d_columns[:, now] = gate_gradients(gradients[: stop - start]).transpose(0, 1)

        run_blocks(lstm_gradients, (transposed_weight, factors), blocks(), ctx.graphs)
        return (
            *_product_gradients(d_columns, inputs, input_weight, hiddens[:-1]),
            None,
            torch.mm(transposed_weight, gate_gradients(gradients[0]).to(dtype)).float().T,
            gradients[0, 0].T,
            None,
        )


def _spans(n_steps: int, graphs: Graphs | None) -> Iterator[tuple[int, int]]:
    """Cut a loop into chunks for graphs; without these it is one."""
    size = n_steps if graphs is None else _CHUNK
    for start in range(0, n_steps, size):
        yield start, min(start + size, n_steps)


def _gradient_memory(cells: Tensor, d_cell: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Allocate factors and gradients for ``GateGradients``.

    Args:
        cells: (T + 1, H, B).
        d_cell: (B, H), the gradient of the last of these, which the gradients begin with.
        chunk: steps of a chunk.
    """
    gradients = cells.new_empty(chunk, 5, *cells.shape[1:])
    gradients[0, 0] = d_cell.T
    gradients[0, 1:] = 0
    return cells.new_empty(chunk, 6, *cells.shape[1:]), gradients


def _input_gates(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute the inputs' share of the gates for all steps at once, (T, 4 * H, B) in float32."""
    product = F.linear(inputs, weight, bias).transpose(1, 2)
    # One copy changes type and order; separately each would cost another one.
    return torch.empty(product.shape, dtype=torch.float32, device=product.device).copy_(product)


def _product_gradients(
    d_columns: Tensor, inputs: Tensor, input_weight: Tensor, states: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the gradients of inputs, input weight, bias and recurrent weight from the gates'.

    Args:
        d_columns: (4 * H, T, B), the gates' gradients.
        inputs: (T, B, P).
        input_weight: (4 * H, P).
        states: (T, features, B), which the recurrent weight was multiplied by.
    """
    flat = d_columns.flatten(1)
    return (
        torch.mm(flat.T, input_weight).view(inputs.shape),
        torch.mm(flat, inputs.flatten(0, 1)),
        flat.sum(dim=1),
        torch.mm(flat, _columns(states).T),
    )


def _columns(x: Tensor) -> Tensor:
    """(T, features, B) -> (features, T * B)."""
    return x.transpose(0, 1).reshape(x.shape[1], -1)
