"""The decoder's two loops over time, with hand-written backward passes.

Each loop contains only what is sequential. The batch is in columns, ``(features, B)``, because
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

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ponytaco.model.lstm_cell import GateGradients, Gates, double_cell_gate

_sigmoid_backward = torch.ops.aten.sigmoid_backward
# Steps whose gradients are taken together: more of them leave the cache.
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

    Returns:
        hidden states, divided by their gain, and contexts (T, H + E, B), attention weights
        (T, B, N), the last cell (B, H) and the last sum of the weights that the windows see (B, N).
    """
    with torch.autocast(memory.device.type, enabled=False):
        dtype = rnn.recurrent.dtype
        hidden, cell, *others = (part.float() for part in state)
        states, weights, cell, weights_sum = _AttentionLoop.apply(
            inputs.to(dtype), *rnn[:3], *attention, memory.to(dtype),
            (2 * processed_memory).to(dtype), text_mask, kept, hidden, 2 * cell, *others,
            forced_weights, forced_share,
        )  # fmt: skip
        return states, weights, cell / 2, weights_sum


def lstm_loop(
    inputs: Tensor,
    rnn: LSTMWeights,
    kept: Tensor | None,
    hidden: Tensor,
    cell: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run an LSTM whose dropout also applies to its recurrent state.

    Args:
        inputs: (T, B, P).
        rnn: its weights, prepared; their type is that of the products.
        kept: (T, H, B), False where dropout drops the hidden state, or None.
        hidden: (B, H), the initial hidden state, divided by its gain.
        cell: (B, H), the initial cell.

    Returns:
        hidden states, divided by their gain, (T, H, B) and the last cell (B, H).
    """
    with torch.autocast(inputs.device.type, enabled=False):
        hiddens, cell = _LSTMLoop.apply(
            inputs.to(rnn.recurrent.dtype), *rnn[:3], kept, hidden.float(), 2 * cell.float()
        )
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
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        gates = _input_gates(inputs, input_weight, bias)
        n_steps, n_gates, batch = gates.shape
        n_hidden = n_gates // 4
        n_symbols, n_context = memory.shape[1:]
        n_attention, n_window = location_weight.shape
        margin = n_window // 4
        steps = Gates(gates, kept)

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
        windows = memory.new_empty(batch, n_symbols, n_window)
        query = memory.new_empty(batch, n_attention)
        energies = memory.new_empty(batch * n_symbols)
        flat_processed = processed_memory.reshape(batch * n_symbols, n_attention)
        beyond = torch.zeros_like(energies).masked_fill_(~text_mask.flatten(), -torch.inf)
        location, transposed_query = location_weight.T.contiguous(), query_weight.T
        each_state, each_cell = states.unbind(0), cells.unbind(0)
        each_hidden, each_context = states[:, :n_hidden].unbind(0), states[:, n_hidden:].unbind(0)
        each_seen, each_sum = inner[..., 0].unbind(0), inner[..., 1].unbind(0)
        each_window, each_weights = _windows(seen, n_window).unbind(0), all_weights.unbind(0)
        each_layer, flat_windows = hiddens.unbind(0), windows.flatten(0, 1)
        each_flat_layer = hiddens.flatten(1, 2).unbind(0)
        each_forced = () if forced_weights is None else forced_weights.unbind(0)
        for t in range(n_steps):
            _add_product(steps.steps[t], recurrent_weight, each_state[t])
            steps.step(t, each_cell[t], each_cell[t + 1], each_hidden[t + 1])
            torch.mm(each_hidden[t + 1].T, transposed_query, out=query)
            windows.copy_(each_window[t])
            layer, flat_layer = each_layer[t], each_flat_layer[t]
            torch.addmm(flat_processed, flat_windows, location, out=flat_layer)
            layer.add_(query[:, None]).sigmoid_()
            torch.addmv(beyond, flat_layer, energy_weight, out=energies)
            weights = each_weights[t]
            torch.softmax(energies.float().view(batch, n_symbols), dim=1, out=weights)
            each_context[t + 1].copy_(torch.bmm(weights.to(memory.dtype)[:, None], memory)[:, 0].T)
            if forced_share is None:
                each_seen[t + 1].copy_(weights)
            else:
                torch.lerp(weights, each_forced[t], forced_share, out=each_seen[t + 1])
                weights = each_seen[t + 1]
            torch.add(each_sum[t], weights, out=each_sum[t + 1])
        ctx.save_for_backward(
            inputs, input_weight, recurrent_weight, query_weight, location_weight, energy_weight,
            memory, states, gates, cells, seen, hiddens, all_weights, forced_share,
        )  # fmt: skip
        return states[1:], all_weights, cells[-1].T.contiguous(), each_sum[-1].contiguous()

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
        steps = GateGradients(gates, cells, d_cell.T.contiguous(), chunk)
        d_columns = recurrent_weight.new_empty(n_gates, n_steps, batch)
        # A gradient from outside may have any strides, which sums with it would inherit.
        d_states = d_states.contiguous()
        all_d_states = torch.empty_like(d_states, dtype=gates.dtype)
        d_queries = memory.new_empty(n_steps, batch, n_attention)
        d_processed = torch.zeros_like(hiddens[0], dtype=gates.dtype)
        d_location = torch.zeros_like(location_weight, dtype=gates.dtype)
        d_energy = torch.zeros_like(energy_weight, dtype=gates.dtype)
        d_layers = memory.new_empty(chunk, batch, n_symbols, n_attention)
        d_energies = memory.new_empty(chunk, batch, n_symbols)
        windows = memory.new_empty(chunk, batch, n_symbols, n_window)
        # The weights feed the context, the next step's windows and, through their sum, all later
        # steps' windows. Before a step (t, 0) is the gradient from outside, (t, 1) that of the sum;
        # its addend, ``before``, is in one view with (t + 1, 1).
        of_weights = gates.new_zeros(n_steps + 1, 2, batch, n_symbols)
        own_share = gates.new_ones(batch, 1)
        if forced_share is not None:
            own_share = (1 - forced_share).clamp(min=_LEAST_SHARE)
        of_weights[:-1, 0] = d_weights
        of_weights[-1, 1] = own_share * d_weights_sum
        size = batch * n_symbols
        before = of_weights.as_strided(
            (n_steps, 2, batch, n_symbols), (2 * size, 3 * size, n_symbols, 1)
        ).unbind(0)
        rows, skewed = _skewed(batch, n_symbols, n_window, memory)
        shares = own_share.to(dtype)[:, None].expand(batch, 1, n_symbols).contiguous()
        d_seen = memory.new_zeros(batch, 1, rows.shape[2])
        d_inner = d_seen.view(batch, -1, 2)[:, text].permute(2, 0, 1)
        transposed_memory = memory.transpose(1, 2)
        each_d_state, each_all = d_states.unbind(0), all_d_states.unbind(0)
        each_d_hidden = all_d_states[:, :n_hidden].unbind(0)
        each_d_context = all_d_states[:, n_hidden:].transpose(1, 2)[:, :, None].unbind(0)
        each_of_weights, each_weights = of_weights.unbind(0), all_weights.unbind(0)
        each_layer = hiddens.unbind(0)
        each_d_layer, each_d_flat = d_layers.unbind(0), d_layers.flatten(1, 2).unbind(0)
        each_d_energy, each_d_query = d_energies.unbind(0), d_queries.unbind(0)
        for stop in range(n_steps, 0, -chunk):
            start = max(0, stop - chunk)
            steps.begin(start, stop)
            for t in reversed(range(start, stop)):
                _sum_product(each_d_state[t], transposed_weight, steps.d_gates, each_all[t])
                d_w, d_sum = torch.add(before[t], d_inner, out=each_of_weights[t])
                d_context = each_d_context[t].to(dtype)
                d_w = _plus_bmm(d_w[:, None], d_context, transposed_memory)[:, 0].add_(d_sum)
                layer, d_layer = each_layer[t], each_d_layer[t - start]
                d_energy_t = each_d_energy[t - start]
                _softmax_backward(d_w, each_weights[t], d_energy_t)
                # Without the energies' weights, see above.
                _sigmoid_backward.grad_input(d_energy_t[:, :, None], layer, grad_input=d_layer)
                torch.sum(d_layer, dim=1, out=each_d_query[t])
                torch.mm(each_d_flat[t - start], location, out=skewed)
                torch.bmm(shares, rows, out=d_seen)
                _add_product(each_d_hidden[t], transposed_query, each_d_query[t].T)
                steps.step(t, each_d_hidden[t])
            n = stop - start
            steps.end(d_columns, stop)
            windows[:n] = _windows(seen[start:stop], n_window)
            flat = d_layers[:n].flatten(0, 2)
            _add_product(d_location, flat.T, windows[:n].flatten(0, 2))
            d_energy += torch.mm(d_energies[:n].view(1, -1), hiddens[start:stop].flatten(0, 2))[0]
            d_processed += d_layers[:n].sum(dim=0)
        d_last = torch.mm(transposed_weight, steps.d_gates.to(dtype)).float()
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
            steps.d_cell.T,
            d_last[n_hidden:].T,
            d_first_seen[0],
            of_weights[0, 1] / own_share + d_first_seen[1],
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
    ) -> tuple[Tensor, Tensor]:
        gates = _input_gates(inputs, input_weight, bias)
        n_steps, n_gates, batch = gates.shape
        steps = Gates(gates, kept)
        hiddens = recurrent_weight.new_empty(n_steps + 1, n_gates // 4, batch)
        hiddens[0] = hidden.T
        cells = gates.new_empty(n_steps + 1, n_gates // 4, batch)
        cells[0] = cell.T
        each_hidden, each_cell = hiddens.unbind(0), cells.unbind(0)
        for t in range(n_steps):
            _add_product(steps.steps[t], recurrent_weight, each_hidden[t])
            steps.step(t, each_cell[t], each_cell[t + 1], each_hidden[t + 1])
        ctx.save_for_backward(inputs, input_weight, recurrent_weight, hiddens, gates, cells)
        return hiddens[1:], cells[-1].T.contiguous()

    @staticmethod
    def backward(ctx: Any, d_hiddens: Tensor, d_cell: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, input_weight, recurrent_weight, hiddens, gates, cells) = ctx.saved_tensors
        n_steps, n_gates, batch = gates.shape
        dtype = recurrent_weight.dtype
        transposed_weight = recurrent_weight.T.contiguous()
        chunk = min(_CHUNK, n_steps)
        steps = GateGradients(gates, cells, d_cell.T.contiguous(), chunk)
        d_columns = recurrent_weight.new_empty(n_gates, n_steps, batch)
        d_hidden = torch.empty_like(cells[0])
        each_d_hidden = d_hiddens.contiguous().unbind(0)
        for stop in range(n_steps, 0, -chunk):
            start = max(0, stop - chunk)
            steps.begin(start, stop)
            for t in reversed(range(start, stop)):
                _sum_product(each_d_hidden[t], transposed_weight, steps.d_gates, d_hidden)
                steps.step(t, d_hidden)
            steps.end(d_columns, stop)
        return (
            *_product_gradients(d_columns, inputs, input_weight, hiddens[:-1]),
            None,
            torch.mm(transposed_weight, steps.d_gates.to(dtype)).float().T,
            steps.d_cell.T,
        )


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a @ b to a total in float32, in place."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total.add_(torch.mm(a, b))


def _sum_product(addend: Tensor, a: Tensor, b: Tensor, out: Tensor) -> None:
    """Compute addend + a @ b in float32, with the product in the type of a."""
    if a.dtype == out.dtype:
        torch.addmm(addend, a, b, out=out)
    else:
        torch.add(addend, torch.mm(a, b.to(a.dtype)), out=out)


def _plus_bmm(addend: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Compute addend + a @ b for each clip, in float32."""
    return torch.baddbmm(addend, a, b) if a.dtype == addend.dtype else addend + torch.bmm(a, b)


def _softmax_backward(d_weights: Tensor, weights: Tensor, out: Tensor) -> None:
    of_type = {"grad_input": out} if out.dtype == weights.dtype else {}
    d_energies = torch._softmax_backward_data(d_weights, weights, 1, weights.dtype, **of_type)
    if not of_type:
        out.copy_(d_energies)


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


def _windows(seen: Tensor, n_window: int) -> Tensor:
    """View each symbol's location window: (T, B, N + K - 1, 2) -> (T, B, N, 2 * K)."""
    n_steps, batch, width, _ = seen.shape
    n_symbols = width - n_window // 2 + 1
    strides = (*seen.stride()[:2], 2, 1)
    return seen.as_strided((n_steps, batch, n_symbols, n_window), strides, seen.storage_offset())


def _skewed(batch: int, n_symbols: int, n_window: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Allocate memory to undo ``_windows``: write to the view, then sum the rows over symbols.

    Returns:
        zeros (B, N, 2 * (N + K - 1)), and a matrix in them (B * N, 2 * K), in which each symbol's
        window begins one place after that of the previous one.
    """
    width = 2 * (n_symbols - 1) + n_window
    size = n_symbols * (width + 2)  # of a clip's windows
    memory = like.new_zeros(batch * size)
    rows = memory.as_strided((batch, n_symbols, width), (size, width, 1))
    return rows, memory.as_strided((batch * n_symbols, n_window), (width + 2, 1))


def _columns(x: Tensor) -> Tensor:
    """(T, features, B) -> (features, T * B)."""
    return x.transpose(0, 1).reshape(x.shape[1], -1)
