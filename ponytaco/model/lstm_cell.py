"""The pointwise part of an LSTM step, in few operations, with a hand-written backward pass.

In a loop over frames each operation costs a call, or on a GPU a launch, whatever its size. So:

- tanh(x) = 2 sigmoid(2 x) - 1, with which one sigmoid serves all gates: the weights of the cell
  gate are doubled (``double_cell_gate``), and a cell is stored doubled. On a CPU torch's tanh also
  takes six times as long as its sigmoid.
- A hidden state is stored divided by its gain, 2 / (1 - p) with dropout and 2 without; the weights
  that read it are multiplied by the gain instead.
- Dropout is an output gate that is closed: minus infinity before the sigmoid.
- What the backward pass multiplies gradients by depends on the forward pass alone. It is computed
  for many steps at once, which leaves three operations a step.
"""

from __future__ import annotations

import torch
from torch import Tensor

_sigmoid_backward = torch.ops.aten.sigmoid_backward


def double_cell_gate(weight: Tensor) -> Tensor:
    """Double the rows of the cell gate, in PyTorch's order: input, forget, cell, output.

    Args:
        weight: (4 * H, …).
    """
    gates = weight.unflatten(0, (4, -1))
    factors = weight.new_tensor([1.0, 1.0, 2.0, 1.0]).view(4, *(1 for _ in weight.shape))
    return (gates * factors).flatten(0, 1)


def drop_hidden(gates: Tensor, kept: Tensor) -> None:
    """Close output gates, before their activation.

    Args:
        gates: (T, 4 * H, B), changed in place.
        kept: (T, H, B), False where dropout drops the hidden state.
    """
    gates.unflatten(1, (4, -1))[:, 3].masked_fill_(~kept, -torch.inf)


class Gates:
    """The gates of all steps, cut into views beforehand, which costs less than in the loop.

    Args:
        gates: (T, 4 * H, B), the inputs' share, doubled for the cell gate; each step completes and
            activates its own.
    """

    def __init__(self, gates: Tensor) -> None:
        parts = gates.unflatten(1, (4, -1))
        self.steps = gates.unbind(0)
        self._parts = [part.unbind(0) for part in parts.unbind(1)]
        self._hidden = torch.empty_like(parts[0, 0])

    def step(self, t: int, cell: Tensor, next_cell: Tensor, hidden: Tensor) -> None:
        """Take a step whose gates are complete.

        Args:
            t: the step.
            cell: (H, B), doubled.
            next_cell: (H, B), written, doubled.
            hidden: (H, B), written, divided by its gain.
        """
        i, f, g, o = (part[t] for part in self._parts)
        self.steps[t].sigmoid_()
        torch.mul(f, cell, out=next_cell)
        next_cell.addcmul_(i, g, value=4).sub_(i, alpha=2)
        torch.sigmoid(next_cell, out=self._hidden)
        torch.mul(self._hidden.sub_(0.5), o, out=hidden)


class GateGradients:
    """Gradients of the gates, for a chunk of steps at a time.

    Args:
        gates: (n, 4 * H, B), activated by ``Gates.step``.
        cells: (n + 1, H, B), doubled.
        later: (5, H, B), the gradients of the step after these; see ``gradients``.
        gradients: (n or more, 5, H, B), written: of the cell before each step, and of its gates
            before their activation. It may begin with ``later``.
        factors: (n or more, 6, H, B), memory for what these are computed from.
    """

    def __init__(
        self, gates: Tensor, cells: Tensor, later: Tensor, gradients: Tensor, factors: Tensor
    ) -> None:
        n = len(gates)
        i, f, g, o = gates.unflatten(1, (4, -1)).unbind(1)
        of_forget, of_input, of_f, of_g, of_o, of_cell = factors[:n].unbind(1)
        of_forget.copy_(f)
        _times_slope(torch.sub(g, 0.5, out=of_input), i).mul_(4)
        _times_slope(of_f.copy_(cells[:-1]), f)
        _times_slope(torch.mul(i, 4, out=of_g), g)
        activated = torch.sigmoid(cells[1:])
        _times_slope(torch.sub(activated, 0.5, out=of_o), o)
        _sigmoid_backward.grad_input(o, activated, grad_input=of_cell)
        self._steps = list(
            zip(
                of_cell.unbind(0),
                factors[:n, :4].unbind(0),
                of_o.unbind(0),
                gradients[:n, :4].unbind(0),
                gradients[:n, 4].unbind(0),
                gradients[:n, 0].unbind(0),
                gate_gradients(gradients[:n]).unbind(0),
                strict=True,
            )
        )
        self._d_next_cell = torch.empty_like(later[0])
        self.d_cell = later[0]
        self.d_gates = gate_gradients(later)
        """(4 * H, B), of the latest step, before the activation."""

    def step(self, t: int, d_hidden: Tensor) -> None:
        """Compute ``d_gates`` and ``d_cell`` from the stored hidden state's gradient, (H, B)."""
        of_cell, of_gates, of_o, d_parts, d_o, d_cell, d_gates = self._steps[t]
        torch.addcmul(self.d_cell, d_hidden, of_cell, out=self._d_next_cell)
        torch.mul(self._d_next_cell, of_gates, out=d_parts)
        torch.mul(d_hidden, of_o, out=d_o)
        self.d_cell, self.d_gates = d_cell, d_gates


def gate_gradients(gradients: Tensor) -> Tensor:
    """View the gates' gradients, (…, 4 * H, B), among those of cell and gates, (…, 5, H, B)."""
    return gradients.narrow(-3, 1, 4).flatten(-3, -2)


def _times_slope(x: Tensor, activated: Tensor) -> Tensor:
    """Multiply x, in place, by the slope of the sigmoid that gave ``activated``."""
    return _sigmoid_backward.grad_input(x, activated, grad_input=x)
