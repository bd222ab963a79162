"""The gradient-adaptive factor: how much of a second loss the first one can bear.

Liu et al. 2019 (arXiv:1909.01145) scale the recogniser's gradients so that on no parameter they
outgrow the synthesis loss's. The ancestor takes three backward passes for it; since
grad(first + factor * second) = grad(first) + factor * grad(second), two suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


def gradient_adaptive_factor(
    first_grads: Iterable[Tensor | None], second_grads: Iterable[Tensor | None], max_gaf: float
) -> Tensor:
    """The smallest ratio of the two losses' largest gradients, capped.

    Args:
        first_grads: the first loss's gradient of each parameter; None where it has none.
        second_grads: the second loss's, in the same order.
        max_gaf: cap of the factor; also the factor where no parameter has both gradients.

    Returns:
        A scalar on the gradients' device. It is never read back here, so that a GPU need not
        wait. Parameters with a zero gradient from either loss do not count.
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
    """Put the gradient of ``first + factor * second`` into the parameters' ``grad``.

    Args:
        first: the loss that leads, a scalar with its graph.
        second: the loss that is scaled, a scalar that may share the graph.
        parameters: all that either loss is to train.
        max_gaf: cap of the factor.
        total: makes the gradients of all processes from this one's; the factor is theirs, while
            what is put into ``grad`` stays this one's.

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
