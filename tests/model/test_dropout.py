import pytest
import torch

from ponytaco.model.dropout import Dropout, dropout, dropout_factors

CPU = torch.device("cpu")
N = 1_000_003  # no multiple of four


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_the_share_and_the_mean_are_right(p):
    torch.manual_seed(0)
    factors = dropout_factors((N,), p, CPU)
    dropped = (factors == 0).float().mean().item()
    assert dropped == pytest.approx(p, abs=5 * (p * (1 - p) / N) ** 0.5 + 2**-16)
    assert factors.max().item() == pytest.approx(1 / (1 - p), rel=1e-3)
    assert factors.unique().numel() == 2
    assert factors.mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 7])
def test_values_do_not_follow_each_other(lag):
    torch.manual_seed(1)
    kept = (dropout_factors((N,), 0.5, CPU) > 0).float() - 0.5
    correlation = (kept[lag:] * kept[:-lag]).mean() * 4
    assert abs(correlation.item()) < 5 / N**0.5


def test_each_of_the_four_places_is_fair():
    torch.manual_seed(2)
    kept = (dropout_factors((N // 4 * 4,), 0.5, CPU) > 0).float().view(-1, 4).mean(dim=0)
    torch.testing.assert_close(kept, torch.full((4,), 0.5), rtol=0, atol=0.005)


def test_the_seed_decides():
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(dropout(torch.ones(200, 300), 0.5, training=True))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(3,), (300, 200)])
def test_the_ends_of_the_range(p, shape):
    x = torch.randn(shape)
    torch.testing.assert_close(dropout(x, p, training=True), x * (1 - p))
    torch.testing.assert_close(dropout_factors(shape, p, CPU), torch.full(shape, 1 - p))


def test_the_gradient_is_dropped_where_the_value_is():
    x = torch.ones(200, 300, requires_grad=True)
    y = dropout(x, 0.25, training=True)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_the_module_is_for_training_only_and_keeps_the_type():
    layer, x = Dropout(0.5), torch.randn(200, 300).bfloat16()
    assert torch.equal(layer.eval()(x), x)
    y = layer.train()(x)
    assert y.dtype is torch.bfloat16 and 0.4 < (y == 0).float().mean() < 0.6
    assert not layer.state_dict()
