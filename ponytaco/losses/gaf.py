"""The gradient-adaptive factor (GAF), which scales a second loss to the gradients of the first.

Liu et al. 2019 (arXiv:1909.01145) scale the gradients of the MMI loss so that on no parameter they
outgrow those of the synthesis loss. bfs18/tacotron2 needs three backward passes for it; since
grad(first + factor * second) = grad(first) + factor * grad(second), two suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


def gradient_adaptive_factor(
    first_grads: Iterable[Tensor | None], second_grads: Iterable[Tensor | None], max_gaf: float
) -> Tensor:
    """Return the smallest ratio over the parameters of max|first grad| to max|second grad|, capped.

    Parameters with a zero gradient from either loss do not count.

    Args:
        first_grads: the first loss's gradient of each parameter; None where it has none.
        second_grads: the second loss's, in the same order.
        max_gaf: cap of the factor; also the factor if no parameter has both gradients.

    Returns:
        A scalar on the gradients' device; it is not read here, which would make a GPU wait.
    """
    first_grads = list(first_grads)
    pairs = [
        (_largest(first), _largest(second))
        for first, second in zip(first_grads, second_grads, strict=True)
        if first is not None and second is not None and first.numel()
    ]
    if not pairs:
        devices = [gradient.device for gradient in first_grads if gradient is not None]
        return torch.tensor(float(max_gaf), device=devices[0] if devices else None)
    first_max, second_max = (torch.stack(side) for side in zip(*pairs, strict=True))
    both = (first_max > 0) & (second_max > 0)
    ratios = torch.where(both, first_max / second_max, torch.inf)
    return ratios.min().clamp(max=max_gaf)


def balanced_backward(
    first: Tensor,
    second: Tensor,
    parameters: Sequence[nn.Parameter],
    max_gaf: float,
    total: Callable[[Sequence[Tensor | None]], Sequence[Tensor | None]] = lambda grads: grads,
) -> Tensor:
    """Write the gradient of ``first + factor * second`` to the parameters' ``grad``.

    Args:
        first: the main loss, a scalar with its graph.
        second: the loss to scale, a scalar that may share the graph.
        parameters: all parameters that either loss trains.
        max_gaf: cap of the factor.
        total: sums this process's gradients over all processes; only the factor is computed from
            the result, ``grad`` stays this process's own.

    Returns:
        The factor, a scalar without a graph.
    """
    first_grads = torch.autograd.grad(first, parameters, retain_graph=True, allow_unused=True)
    second_grads = torch.autograd.grad(second, parameters, allow_unused=True)
    factor = gradient_adaptive_factor(total(first_grads), total(second_grads), max_gaf)
    for parameter, of_first, of_second in zip(parameters, first_grads, second_grads, strict=True):
        if of_first is None or of_second is None:
            parameter.grad = of_first if of_second is None else of_second * factor
        else:
            parameter.grad = torch.addcmul(of_first, of_second, factor)
    return factor


def _largest(gradient: Tensor) -> Tensor:
    return torch.linalg.vector_norm(gradient, torch.inf).float()
