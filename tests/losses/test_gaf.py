import pytest
import torch
from torch import nn

from ponytaco.losses.gaf import balanced_backward, gradient_adaptive_factor


def grads(*values):
    return [None if value is None else torch.tensor(value) for value in values]


@pytest.mark.parametrize(
    ("first", "second", "max_gaf", "expected"),
    [
        # The largest absolute gradients are compared: 4 / 8.
        (grads([1.0, -4.0]), grads([-8.0, 2.0]), 10.0, 0.5),
        # The smallest ratio counts, wherever it is: 4 / 8, 0.75 / 3, 9 / 9.
        (grads([4.0], [0.75], [9.0]), grads([8.0], [3.0], [9.0]), 10.0, 0.25),
        # A ratio above the cap is cut to it, one below is left.
        (grads([6.0]), grads([2.0]), 0.5, 0.5),
        (grads([6.0]), grads([2.0]), 4.0, 3.0),
        # None on either side does not count.
        (grads(None, [4.0], [1.0]), grads([1e9], None, [2.0]), 10.0, 0.5),
        # Nor does an all-zero gradient: neither 0 / x nor x / 0.
        (grads([0.0, 0.0], [3.0], [1.0]), grads([5.0, 5.0], [0.0], [4.0]), 10.0, 0.25),
        # A zero beside a non-zero number is no zero gradient.
        (grads([0.0, 2.0]), grads([8.0, 0.0]), 10.0, 0.25),
        # Nothing in common: the cap.
        (grads(None, [1.0]), grads([1.0], None), 0.7, 0.7),
        (grads([0.0]), grads([1.0]), 0.7, 0.7),
        (grads([1.0]), grads([0.0]), 0.7, 0.7),
        ([], [], 0.7, 0.7),
        # An empty parameter has no gradient to speak of.
        (grads([], [1.0]), grads([], [2.0]), 10.0, 0.5),
        # A cap of zero switches the second loss off.
        (grads([1.0]), grads([2.0]), 0.0, 0.0),
    ],
)
def test_exact_numbers(first, second, max_gaf, expected):
    factor = gradient_adaptive_factor(first, second, max_gaf)
    assert factor.shape == ()
    assert float(factor) == pytest.approx(expected, abs=0, rel=1e-7)


def test_matrices_are_taken_whole():
    first, second = torch.zeros(3, 4), torch.zeros(3, 4)
    first[2, 1], second[0, 3] = -0.5, 2.0
    assert float(gradient_adaptive_factor([first], [second], 1.0)) == 0.25


def test_lists_of_two_lengths_are_a_mistake():
    with pytest.raises(ValueError):
        gradient_adaptive_factor(grads([1.0]), [], 1.0)


def test_the_factor_is_on_the_gradients_device():
    factor = gradient_adaptive_factor([torch.ones(2, device="meta")], [None], 0.5)
    assert factor.device.type == "meta"


class TwoHeads(nn.Module):
    """A shared layer and one head for each loss; both heads read ``hidden``."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(3, 4)
        self.of_first = nn.Linear(4, 2)
        self.of_second = nn.Linear(4, 2)
        self.of_none = nn.Linear(4, 2)
        self.passes = []

    def losses(self, x):
        hidden = torch.tanh(self.shared(x))
        hidden.register_hook(lambda gradient: self.passes.append(gradient.clone()))
        first = self.of_first(hidden).square().mean()
        second = 3.0 * self.of_second(hidden).sin().square().sum()
        return first, second


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TwoHeads().double()


@pytest.fixture
def x():
    return torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("max_gaf", [1e-3, 1e3])
def test_the_gradient_is_the_firsts_plus_the_scaled_seconds(model, x, max_gaf):
    parameters = list(model.parameters())
    of_first = torch.autograd.grad(model.losses(x)[0], parameters, allow_unused=True)
    of_second = torch.autograd.grad(model.losses(x)[1], parameters, allow_unused=True)
    ratios = [
        float(a.abs().max() / b.abs().max())
        for a, b in zip(of_first, of_second, strict=True)
        if a is not None and b is not None
    ]
    assert len(ratios) == 2  # the shared weight and bias

    factor = balanced_backward(*model.losses(x), parameters, max_gaf)

    assert float(factor) == pytest.approx(min(*ratios, max_gaf), rel=1e-6)
    assert not factor.requires_grad
    for parameter, a, b in zip(parameters, of_first, of_second, strict=True):
        if a is None and b is None:
            assert parameter.grad is None
            continue
        expected = (0.0 if a is None else a) + (0.0 if b is None else float(factor) * b)
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-12, atol=0)


def test_it_equals_the_gradient_of_the_sum(model, x):
    parameters = list(model.parameters())
    factor = float(balanced_backward(*model.losses(x), parameters, 0.5))
    ours = [parameter.grad for parameter in parameters]
    model.zero_grad(set_to_none=True)
    first, second = model.losses(x)
    (first + factor * second).backward()
    for mine, parameter in zip(ours, parameters, strict=True):
        if parameter.grad is None:
            assert mine is None
        else:
            torch.testing.assert_close(mine, parameter.grad, rtol=1e-12, atol=1e-15)


def test_parameters_of_one_loss_only_get_that_losss_gradient(model, x):
    parameters = list(model.parameters())
    factor = balanced_backward(*model.losses(x), parameters, 0.5)
    assert model.of_none.weight.grad is None
    first, second = model.losses(x)
    (of_first,) = torch.autograd.grad(first, [model.of_first.weight], retain_graph=True)
    (of_second,) = torch.autograd.grad(second, [model.of_second.weight])
    torch.testing.assert_close(model.of_first.weight.grad, of_first)
    torch.testing.assert_close(model.of_second.weight.grad, of_second * factor.double())


def test_old_gradients_are_replaced(model, x):
    parameters = list(model.parameters())
    balanced_backward(*model.losses(x), parameters, 0.5)
    expected = model.shared.weight.grad.clone()
    balanced_backward(*model.losses(x), parameters, 0.5)
    torch.testing.assert_close(model.shared.weight.grad, expected)


def test_two_backward_passes_do(model, x):
    losses = model.losses(x)
    assert not model.passes
    balanced_backward(*losses, list(model.parameters()), 0.5)
    assert len(model.passes) == 2


def test_losses_with_nothing_in_common(model, x):
    first = model.of_first(torch.ones(4).double()).sum()
    second = model.of_second(torch.ones(4).double()).sum()
    factor = balanced_backward(first, second, list(model.parameters()), 0.25)
    assert float(factor) == 0.25
    assert torch.equal(model.of_first.weight.grad, torch.ones(2, 4).double())
    assert torch.equal(model.of_second.weight.grad, torch.full((2, 4), 0.25).double())
    assert model.shared.weight.grad is None
