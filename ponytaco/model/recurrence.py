"""The decoder's two loops over time, with hand-written backward passes.

Each loop contains only what is sequential. The batch is in columns, ``(features, B)``, because
``W @ x`` then beats ``F.linear(x, W)`` on a CPU. The inputs' share of the gates is one large
product before the loop, and each weight's gradient one after it instead of a rank-B update per
step: for that the gates' gradients are written as columns, ``(4 * H, T * B)``. No step indexes a
tensor that autograd tracks, which would make the backward pass allocate a full-size gradient per
step.

A recurrent weight in a shorter type (bfloat16, float16) makes all products run in that type; cells,
gates, energies, attention weights and sums over steps stay in float32.

torch's tanh takes six times as long as its sigmoid on a CPU, and tanh(x) = 2 sigmoid(2 x) - 1. So
the hidden layer of the energies is a sigmoid of doubled inputs, multiplied by doubled weights: the
constant that this omits from all energies does not change their softmax.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_tanh_backward = torch.ops.aten.tanh_backward
_sigmoid_backward = torch.ops.aten.sigmoid_backward


def attention_loop(
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
    dropout: Tensor | None,
    state: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    forced_weights: Tensor | None = None,
    forced_share: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the attention LSTM and the location-sensitive attention over given inputs.

    Args:
        inputs: (T, B, P), outputs of the prenet.
        input_weight: (4 * H, P), in PyTorch's order of gates: input, forget, cell, output.
        bias: (4 * H,).
        recurrent_weight: (4 * H, H + E), for hidden state and context.
        query_weight: (A, H).
        location_weight: (A, 2 * K), for the windows of the previous weights and of their sum.
        energy_weight: (A,).
        memory: (B, N, E).
        processed_memory: (B, N, A).
        text_mask: (B, N), True where a symbol is real.
        dropout: (T, H, B) factors of the hidden state, or None.
        state: hidden (B, H), cell (B, H), context (B, E), weights (B, N), weights_sum (B, N).
        forced_weights: (T, B, N), attention weights that replace a share of those that the location
            windows see, or None.
        forced_share: (B, 1), this share, 0 to 1, or None.

    Returns:
        hidden states and contexts (T, H + E, B), attention weights (T, B, N), the last cell (B, H)
        and the last sum of the weights that the windows see (B, N).
    """
    with torch.autocast(memory.device.type, enabled=False):
        dtype = recurrent_weight.dtype
        return _AttentionLoop.apply(
            inputs.to(dtype),
            input_weight.to(dtype),
            bias,
            recurrent_weight,
            (2 * query_weight).to(dtype),
            (2 * location_weight).to(dtype),
            (2 * energy_weight).to(dtype),
            memory.to(dtype),
            (2 * processed_memory).to(dtype),
            text_mask,
            dropout,
            *(part.float() for part in state),
            forced_weights,
            forced_share,
        )


def lstm_loop(
    inputs: Tensor,
    input_weight: Tensor,
    bias: Tensor,
    recurrent_weight: Tensor,
    dropout: Tensor | None,
    hidden: Tensor,
    cell: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run an LSTM whose dropout also applies to its recurrent state.

    Args:
        inputs: (T, B, P).
        input_weight: (4 * H, P), in PyTorch's order of gates: input, forget, cell, output.
        bias: (4 * H,).
        recurrent_weight: (4 * H, H); its type is that of the products.
        dropout: (T, H, B) factors of the hidden state, or None.
        hidden: (B, H), the initial hidden state.
        cell: (B, H), the initial cell.

    Returns:
        hidden states (T, H, B) and the last cell (B, H).
    """
    dtype = recurrent_weight.dtype
    with torch.autocast(inputs.device.type, enabled=False):
        return _LSTMLoop.apply(
            inputs.to(dtype), input_weight.to(dtype), bias, recurrent_weight, dropout,
            hidden.float(), cell.float(),
        )  # fmt: skip


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
        dropout: Tensor | None,
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
        text = slice(margin, margin + n_symbols)

        states = recurrent_weight.new_empty(n_steps + 1, n_hidden + n_context, batch)
        states[0, :n_hidden], states[0, n_hidden:] = hidden.T, context.T
        cells = gates.new_empty(n_steps + 1, n_hidden, batch)
        cells[0] = cell.T
        # Previous attention weights and their sum, padded, over which the location windows slide.
        weights_cat = gates.new_zeros(n_steps + 1, batch, 2, n_symbols + 2 * margin)
        weights_cat[0, :, 0, text], weights_cat[0, :, 1, text] = weights, weights_sum
        hiddens = memory.new_empty(n_steps, batch, n_symbols, n_attention)
        all_weights = gates.new_empty(n_steps, batch, n_symbols)
        flat_processed = processed_memory.reshape(batch * n_symbols, n_attention)
        transposed_location = location_weight.T.contiguous()
        beyond = ~text_mask
        for t in range(n_steps):
            recurrent = torch.mm(recurrent_weight, states[t])
            hidden = _lstm_forward(gates[t].add_(recurrent), cells[t], cells[t + 1])
            if dropout is not None:
                hidden *= dropout[t]
            states[t + 1, :n_hidden] = hidden
            query = torch.mm(query_weight, states[t + 1, :n_hidden]).T.contiguous()
            flat_hidden = hiddens[t].view(batch * n_symbols, n_attention)
            windows = _windows(weights_cat[t], n_window // 2, memory.dtype)
            torch.addmm(flat_processed, windows, transposed_location, out=flat_hidden)
            hiddens[t].add_(query[:, None]).sigmoid_()
            energies = torch.mv(flat_hidden, energy_weight).float().view(batch, n_symbols)
            weights = torch.softmax(energies.masked_fill_(beyond, -torch.inf), dim=1)
            all_weights[t] = weights
            states[t + 1, n_hidden:] = torch.bmm(weights.to(memory.dtype)[:, None], memory)[:, 0].T
            if forced_weights is not None and forced_share is not None:
                weights = torch.lerp(weights, forced_weights[t], forced_share)
            weights_cat[t + 1, :, 0, text] = weights
            torch.add(weights_cat[t, :, 1, text], weights, out=weights_cat[t + 1, :, 1, text])
        ctx.save_for_backward(
            inputs, input_weight, recurrent_weight, query_weight, location_weight, energy_weight,
            memory, dropout, states, gates, cells, weights_cat, hiddens, all_weights, forced_share,
        )  # fmt: skip
        return (
            states[1:],
            all_weights,
            cells[-1].T.contiguous(),
            weights_cat[-1, :, 1, text].contiguous(),
        )

    @staticmethod
    def backward(
        ctx: Any, d_states: Tensor, d_weights: Tensor, d_cell: Tensor, d_weights_sum: Tensor
    ) -> tuple[Tensor | None, ...]:
        (
            inputs, input_weight, recurrent_weight, query_weight, location_weight, energy_weight,
            memory, dropout, states, gates, cells, weights_cat, hiddens, all_weights, forced_share,
        ) = ctx.saved_tensors  # fmt: skip
        n_steps, n_gates, batch = gates.shape
        n_hidden = n_gates // 4
        n_symbols, n_context = memory.shape[1:]
        n_attention, n_window = location_weight.shape
        margin = n_window // 4
        text = slice(margin, margin + n_symbols)
        dtype = recurrent_weight.dtype
        transposed_weight = recurrent_weight.T.contiguous()
        transposed_query = query_weight.T.contiguous()

        # A gradient from outside may have any strides, which sums with it would inherit.
        d_states = d_states.contiguous()
        d_gates = torch.empty_like(gates[0])
        d_columns = recurrent_weight.new_empty(n_gates, n_steps, batch)
        d_contexts = memory.new_empty(n_steps, batch, n_context)
        d_queries = memory.new_empty(n_steps, batch, n_attention)
        d_processed = torch.zeros_like(hiddens[0], dtype=gates.dtype)
        d_location = torch.zeros_like(location_weight, dtype=gates.dtype)
        d_energy = torch.zeros_like(energy_weight, dtype=gates.dtype)
        # Allocated once: allocating it each step costs more than writing to it.
        d_hidden_layer = torch.empty_like(hiddens[0]).view(batch * n_symbols, n_attention)
        d_windows = d_hidden_layer.new_empty(batch * n_symbols, n_window)
        rows, skewed = _skewed(batch, n_symbols, n_window // 2, gates)
        d_cell = d_cell.T.contiguous()
        d_sum = d_weights_sum.clone()
        d_last_weights = torch.zeros_like(d_sum)
        d_recurrent = torch.zeros_like(states[0], dtype=gates.dtype)
        for t in reversed(range(n_steps)):
            d_state = d_states[t] + d_recurrent
            d_context = d_contexts[t]
            d_context.copy_(d_state[n_hidden:].T)
            weights = all_weights[t]
            # The weights feed the context, the next step's windows and the sum. A row times a
            # matrix is ten times as fast on a CPU as the matrix times a column.
            d_w = torch.bmm(d_context[:, None], memory.transpose(1, 2))[:, 0]
            d_w = d_w + d_weights[t]
            if forced_share is None:
                d_w.add_(d_last_weights).add_(d_sum)
            else:
                d_w.addcmul_(d_last_weights + d_sum, 1 - forced_share)
            d_w.mul_(weights)
            d_energies = (d_w - weights * d_w.sum(dim=1, keepdim=True)).view(-1).to(dtype)
            flat_hidden = hiddens[t].view(batch * n_symbols, n_attention)
            d_energy += torch.mm(d_energies[None], flat_hidden)[0]
            torch.outer(d_energies, energy_weight, out=d_hidden_layer)
            torch.ops.aten.sigmoid_backward.grad_input(
                d_hidden_layer, flat_hidden, grad_input=d_hidden_layer
            )
            by_clip = d_hidden_layer.view(batch, n_symbols, n_attention)
            torch.sum(by_clip, dim=1, out=d_queries[t])
            d_processed += by_clip
            windows = _windows(weights_cat[t], n_window // 2, dtype)
            d_location += torch.mm(d_hidden_layer.T, windows)
            torch.mm(d_hidden_layer, location_weight, out=d_windows)
            skewed.copy_(d_windows.view(skewed.shape))
            d_weights_cat = rows.sum(dim=1)[:, :, text]
            d_last_weights = d_weights_cat[:, 0]
            d_sum += d_weights_cat[:, 1]

            d_hidden = d_state[:n_hidden] + torch.mm(transposed_query, d_queries[t].T)
            if dropout is not None:
                d_hidden *= dropout[t]
            d_cell = _lstm_backward(d_hidden, d_cell, gates[t], cells[t], cells[t + 1], d_gates)
            d_short = d_gates.to(dtype)
            d_columns[:, t] = d_short
            d_recurrent = torch.mm(transposed_weight, d_short).float()

        flat_queries = d_queries.view(n_steps * batch, n_attention)
        attention = all_weights.permute(1, 2, 0).to(dtype)
        return (
            *_product_gradients(d_columns, inputs, input_weight, states[:-1]),
            torch.mm(flat_queries.T, _columns(states[1:, :n_hidden]).T),
            d_location.to(dtype),
            d_energy.to(dtype),
            torch.bmm(attention, d_contexts.transpose(0, 1)),
            d_processed.to(dtype),
            None,
            None,
            d_recurrent[:n_hidden].T,
            d_cell.T,
            d_recurrent[n_hidden:].T,
            d_last_weights,
            d_sum,
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
        dropout: Tensor | None,
        hidden: Tensor,
        cell: Tensor,
    ) -> tuple[Tensor, Tensor]:
        gates = _input_gates(inputs, input_weight, bias)
        n_steps, n_gates, batch = gates.shape
        hiddens = recurrent_weight.new_empty(n_steps + 1, n_gates // 4, batch)
        hiddens[0] = hidden.T
        cells = gates.new_empty(n_steps + 1, n_gates // 4, batch)
        cells[0] = cell.T
        for t in range(n_steps):
            recurrent = torch.mm(recurrent_weight, hiddens[t])
            hidden = _lstm_forward(gates[t].add_(recurrent), cells[t], cells[t + 1])
            if dropout is not None:
                hidden *= dropout[t]
            hiddens[t + 1] = hidden
        ctx.save_for_backward(
            inputs, input_weight, recurrent_weight, dropout, hiddens, gates, cells
        )
        return hiddens[1:], cells[-1].T.contiguous()

    @staticmethod
    def backward(ctx: Any, d_hiddens: Tensor, d_cell: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, input_weight, recurrent_weight, dropout, hiddens, gates, cells) = ctx.saved_tensors
        n_steps, n_gates, batch = gates.shape
        dtype = recurrent_weight.dtype
        transposed_weight = recurrent_weight.T.contiguous()
        d_hiddens = d_hiddens.contiguous()
        d_gates = torch.empty_like(gates[0])
        d_columns = recurrent_weight.new_empty(n_gates, n_steps, batch)
        d_cell = d_cell.T.contiguous()
        d_recurrent = torch.zeros_like(hiddens[0], dtype=gates.dtype)
        for t in reversed(range(n_steps)):
            d_hidden = d_hiddens[t] + d_recurrent
            if dropout is not None:
                d_hidden *= dropout[t]
            d_cell = _lstm_backward(d_hidden, d_cell, gates[t], cells[t], cells[t + 1], d_gates)
            d_short = d_gates.to(dtype)
            d_columns[:, t] = d_short
            d_recurrent = torch.mm(transposed_weight, d_short).float()
        return (
            *_product_gradients(d_columns, inputs, input_weight, hiddens[:-1]),
            None,
            d_recurrent.T,
            d_cell.T,
        )


def _input_gates(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute the inputs' share of the gates for all steps at once, (T, 4 * H, B) in float32."""
    product = F.linear(inputs, weight, bias.to(weight.dtype)).transpose(1, 2)
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
        flat.sum(dim=1).float(),
        torch.mm(flat, _columns(states).T),
    )


def _lstm_forward(gates: Tensor, cell: Tensor, next_cell: Tensor) -> Tensor:
    """Compute an LSTM's pointwise part and return the hidden state (H, B).

    Args:
        gates: (4 * H, B) in PyTorch's order: input, forget, cell, output; activated in place.
        cell: (H, B).
        next_cell: (H, B), written.
    """
    n = len(cell)
    gates[: 2 * n].sigmoid_()
    _tanh_(gates[2 * n : 3 * n])
    gates[3 * n :].sigmoid_()
    torch.mul(gates[n : 2 * n], cell, out=next_cell)
    next_cell.addcmul_(gates[:n], gates[2 * n : 3 * n])
    return _tanh_(next_cell.clone()).mul_(gates[3 * n :])


def _lstm_backward(
    d_hidden: Tensor,
    d_cell: Tensor,
    gates: Tensor,
    cell: Tensor,
    next_cell: Tensor,
    d_gates: Tensor,
) -> Tensor:
    """Backward pass of ``_lstm_forward``: write ``d_gates``, return the gradient of ``cell``."""
    n = len(cell)
    i, f, g, o = gates.view(4, n, -1)
    d_i, d_f, d_g, d_o = d_gates.view(4, n, -1)
    tanh_cell = _tanh_(next_cell.clone())
    torch.mul(_sigmoid_backward(d_hidden, o), tanh_cell, out=d_o)
    d_cell = d_cell + _tanh_backward(d_hidden * o, tanh_cell)
    torch.mul(_sigmoid_backward(d_cell, i), g, out=d_i)
    torch.mul(_sigmoid_backward(d_cell, f), cell, out=d_f)
    torch.mul(_tanh_backward(d_cell, g), i, out=d_g)
    return d_cell * f


def _tanh_(x: Tensor) -> Tensor:
    if x.is_cuda:  # one kernel is faster than four
        return x.tanh_()
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


def _windows(weights_cat: Tensor, kernel_size: int, dtype: torch.dtype) -> Tensor:
    """Cut each symbol's location window: (B, 2, N + 2 * margin) -> (B * N, 2 * kernel_size)."""
    windows = weights_cat.to(dtype).unfold(2, kernel_size, 1).transpose(1, 2)
    return windows.reshape(-1, 2 * kernel_size)


def _skewed(batch: int, n_symbols: int, kernel_size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Allocate memory to undo ``_windows``: write to the view, then sum the rows over symbols.

    Returns:
        zeros (B, N, 2, N + K - 1), and a view of them (B, N, 2, K) in which each symbol's window
        begins one place after the previous one.
    """
    width = n_symbols + kernel_size - 1
    rows = like.new_zeros(batch, n_symbols, 2, width)
    windows = rows.as_strided(
        (batch, n_symbols, 2, kernel_size), (n_symbols * 2 * width, 2 * width + 1, width, 1)
    )
    return rows, windows


def _columns(x: Tensor) -> Tensor:
    """(T, features, B) -> (features, T * B)."""
    return x.transpose(0, 1).reshape(x.shape[1], -1)
