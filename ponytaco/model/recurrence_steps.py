"""Steps of the decoder's two loops and of their backward passes: what a CUDA graph may repeat.

Each function runs a block of steps on given tensors, to which it writes its results; n is their
number. It reads no value, draws no random number and keeps nothing, so that a graph can stand for
it. What is not sequential is done around the blocks, in ``recurrence.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ponytaco.model.lstm_cell import GateGradients, Gates

_sigmoid_backward = torch.ops.aten.sigmoid_backward


def attention_steps(
    recurrent_weight: Tensor,
    query_weight: Tensor,
    location: Tensor,
    energy_weight: Tensor,
    memory: Tensor,
    processed_memory: Tensor,
    beyond: Tensor,
    forced_share: Tensor | None,
    forced_weights: Tensor | None,
    gates: Tensor,
    states: Tensor,
    cells: Tensor,
    seen: Tensor,
    hiddens: Tensor,
    all_weights: Tensor,
) -> None:
    """Run the attention LSTM and the attention.

    Args:
        recurrent_weight: (4 * H, H + E).
        query_weight: (A, H).
        location: (2 * K, A).
        energy_weight: (A,).
        memory: (B, N, E).
        processed_memory: (B, N, A).
        beyond: (B * N,), minus infinity beyond each text, else 0.
        forced_share: (B, 1) or None.
        forced_weights: (n, B, N) or None.
        gates: (n, 4 * H, B), the inputs' share, completed and activated here.
        states: (n + 1, H + E, B), hidden states and contexts, the first one given.
        cells: (n + 1, H, B), the first one given.
        seen: (n + 1, B, N + K - 1, 2), padded previous weights and their sum, the first ones given.
        hiddens: (n, B, N, A), written: the energies' hidden layer.
        all_weights: (n, B, N), written: the attention weights.
    """
    n_steps, batch, n_symbols = all_weights.shape
    n_hidden, n_window = cells.shape[1], len(location)
    margin = n_window // 4
    steps = Gates(gates)
    inner = seen[:, :, margin : margin + n_symbols]
    windows = memory.new_empty(batch, n_symbols, n_window)
    query = memory.new_empty(batch, len(energy_weight))
    energies = torch.empty_like(beyond)
    flat_processed, flat_windows = processed_memory.flatten(0, 1), windows.flatten(0, 1)
    transposed_query = query_weight.T
    each_state, each_cell = states.unbind(0), cells.unbind(0)
    each_hidden, each_context = states[:, :n_hidden].unbind(0), states[:, n_hidden:].unbind(0)
    each_seen, each_sum = inner[..., 0].unbind(0), inner[..., 1].unbind(0)
    each_window, each_weights = _windows(seen, n_window).unbind(0), all_weights.unbind(0)
    each_layer, each_flat_layer = hiddens.unbind(0), hiddens.flatten(1, 2).unbind(0)
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


def attention_gradients(
    transposed_weight: Tensor,
    transposed_query: Tensor,
    location: Tensor,
    memory: Tensor,
    shares: Tensor,
    factors: Tensor,
    d_layers: Tensor,
    d_energies: Tensor,
    windows: Tensor,
    skewed_memory: Tensor,
    later: Tensor,
    gates: Tensor,
    cells: Tensor,
    seen: Tensor,
    hiddens: Tensor,
    all_weights: Tensor,
    d_states: Tensor,
    of_weights: Tensor,
    d_seen: Tensor,
    d_location: Tensor,
    d_energy: Tensor,
    d_processed: Tensor,
    gradients: Tensor,
    all_d_states: Tensor,
    d_queries: Tensor,
) -> None:
    """Take the gradients of ``attention_steps``, from the last step to the first.

    The energies' weights are applied where the gradients of the hidden layer are used.

    Args:
        transposed_weight: (H + E, 4 * H).
        transposed_query: (H, A), multiplied by the energies' weights.
        location: (A, 2 * K), multiplied by the energies' weights.
        memory: (B, N, E).
        shares: (B, 1, N), what attention forcing leaves of the weights.
        factors: memory for ``GateGradients``.
        d_layers: (n or more, B, N, A), memory for the gradients of the hidden layer.
        d_energies: (n or more, B, N), memory for those of the energies.
        windows: (n or more, B, N, 2 * K), memory for the location windows.
        skewed_memory: from ``skewed_zeros``.
        later: (5, H, B), the gradients of the step after these, see ``GateGradients``.
        gates: (n, 4 * H, B), activated.
        cells: (n + 1, H, B).
        seen: (n, B, N + K - 1, 2).
        hiddens: (n, B, N, A).
        all_weights: (n, B, N).
        d_states: (n, H + E, B), the gradients of the states from outside.
        of_weights: (n + 1, 2, B, N), of the weights: before a step (t, 0) is the gradient from
            outside, (t + 1, 1) that of the sum; after it (t, 1) is that of the sum before.
        d_seen: (B, 1, 2 * (N + K - 1)), of what the step after these sees, updated.
        d_location: (A, 2 * K), added to.
        d_energy: (A,), added to.
        d_processed: (B, N, A), added to.
        gradients: (n or more, 5, H, B), written, see ``GateGradients``.
        all_d_states: (n, H + E, B), written: the gradients of the states.
        d_queries: (n, B, A), written: those of the queries.
    """
    n, batch, n_symbols = all_weights.shape
    n_hidden, n_window = cells.shape[1], location.shape[1]
    dtype = transposed_weight.dtype
    steps = GateGradients(gates, cells, later, gradients, factors)
    d_layers, d_energies, windows = d_layers[:n], d_energies[:n], windows[:n]
    # The weights feed the context, the next step's windows and, through their sum, all later
    # steps' windows. A step's addend is in one view.
    size = batch * n_symbols
    before = of_weights.as_strided(
        (n, 2, batch, n_symbols), (2 * size, 3 * size, n_symbols, 1)
    ).unbind(0)
    rows, skewed = _skewed(skewed_memory, batch, n_symbols, n_window)
    text = slice(n_window // 4, n_window // 4 + n_symbols)
    d_inner = d_seen.view(batch, -1, 2)[:, text].permute(2, 0, 1)
    transposed_memory = memory.transpose(1, 2)
    each_d_state, each_all = d_states.unbind(0), all_d_states.unbind(0)
    each_d_hidden = all_d_states[:, :n_hidden].unbind(0)
    each_d_context = all_d_states[:, n_hidden:].transpose(1, 2)[:, :, None].unbind(0)
    each_of_weights, each_weights = of_weights.unbind(0), all_weights.unbind(0)
    each_layer = hiddens.unbind(0)
    each_d_layer, each_d_flat = d_layers.unbind(0), d_layers.flatten(1, 2).unbind(0)
    each_d_energy, each_d_query = d_energies.unbind(0), d_queries.unbind(0)
    for t in reversed(range(n)):
        _sum_product(each_d_state[t], transposed_weight, steps.d_gates, each_all[t])
        d_w, d_sum = torch.add(before[t], d_inner, out=each_of_weights[t])
        d_context = each_d_context[t].to(dtype)
        d_w = _plus_bmm(d_w[:, None], d_context, transposed_memory)[:, 0].add_(d_sum)
        _softmax_backward(d_w, each_weights[t], each_d_energy[t])
        # Without the energies' weights, see above.
        _sigmoid_backward.grad_input(
            each_d_energy[t][:, :, None], each_layer[t], grad_input=each_d_layer[t]
        )
        torch.sum(each_d_layer[t], dim=1, out=each_d_query[t])
        torch.mm(each_d_flat[t], location, out=skewed)
        torch.bmm(shares, rows, out=d_seen)
        _add_product(each_d_hidden[t], transposed_query, each_d_query[t].T)
        steps.step(t, each_d_hidden[t])
    windows.copy_(_windows(seen, n_window))
    _add_product(d_location, d_layers.flatten(0, 2).T, windows.flatten(0, 2))
    d_energy += torch.mm(d_energies.view(1, -1), hiddens.flatten(0, 2))[0]
    d_processed += d_layers.sum(dim=0)


def lstm_steps(recurrent_weight: Tensor, gates: Tensor, hiddens: Tensor, cells: Tensor) -> None:
    """Run an LSTM.

    Args:
        recurrent_weight: (4 * H, H).
        gates: (n, 4 * H, B), the inputs' share, completed and activated here.
        hiddens: (n + 1, H, B), the first one given.
        cells: (n + 1, H, B), the first one given.
    """
    steps = Gates(gates)
    each_hidden, each_cell = hiddens.unbind(0), cells.unbind(0)
    for t in range(len(gates)):
        _add_product(steps.steps[t], recurrent_weight, each_hidden[t])
        steps.step(t, each_cell[t], each_cell[t + 1], each_hidden[t + 1])


def lstm_gradients(
    transposed_weight: Tensor,
    factors: Tensor,
    later: Tensor,
    gates: Tensor,
    cells: Tensor,
    d_hiddens: Tensor,
    gradients: Tensor,
) -> None:
    """Take the gradients of ``lstm_steps``, from the last step to the first.

    Args:
        transposed_weight: (H, 4 * H).
        factors: memory for ``GateGradients``.
        later: (5, H, B), the gradients of the step after these, see ``GateGradients``.
        gates: (n, 4 * H, B), activated.
        cells: (n + 1, H, B).
        d_hiddens: (n, H, B), the gradients of the hidden states from outside.
        gradients: (n or more, 5, H, B), written, see ``GateGradients``.
    """
    steps = GateGradients(gates, cells, later, gradients, factors)
    d_hidden = torch.empty_like(cells[0])
    each_d_hidden = d_hiddens.unbind(0)
    for t in reversed(range(len(gates))):
        _sum_product(each_d_hidden[t], transposed_weight, steps.d_gates, d_hidden)
        steps.step(t, d_hidden)


def skewed_zeros(batch: int, n_symbols: int, n_window: int, like: Tensor) -> Tensor:
    """Allocate memory to undo the location windows in: see ``_skewed``."""
    return like.new_zeros(batch * n_symbols * (2 * n_symbols + n_window))


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


def _windows(seen: Tensor, n_window: int) -> Tensor:
    """View each symbol's location window: (T, B, N + K - 1, 2) -> (T, B, N, 2 * K)."""
    n_steps, batch, width, _ = seen.shape
    n_symbols = width - n_window // 2 + 1
    strides = (*seen.stride()[:2], 2, 1)
    return seen.as_strided((n_steps, batch, n_symbols, n_window), strides, seen.storage_offset())


def _skewed(memory: Tensor, batch: int, n_symbols: int, n_window: int) -> tuple[Tensor, Tensor]:
    """View memory to undo ``_windows``: write to the second view, then sum the rows over symbols.

    Returns:
        rows (B, N, 2 * (N + K - 1)), and a matrix in them (B * N, 2 * K), in which each symbol's
        window begins one place after that of the previous one. The rest stays zero.
    """
    width = 2 * (n_symbols - 1) + n_window
    size = n_symbols * (width + 2)  # of a clip's windows
    rows = memory.as_strided((batch, n_symbols, width), (size, width, 1))
    return rows, memory.as_strided((batch * n_symbols, n_window), (width + 2, 1))
