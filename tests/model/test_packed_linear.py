"""Every type of weights multiplies as float32 does, as nearly as its digits allow."""

import pytest
import torch
import torch.nn.functional as F

from ponytaco.model import packed_linear
from ponytaco.model.packed_linear import WeightTypeError, fastest_type, pack_product

CPU = torch.device("cpu")
# Largest error against the exact product's largest value.
CLOSE = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2, "int8": 5e-2}


def example(n_rows=1, in_dim=96, out_dim=40):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(out_dim, in_dim, generator=generator)
    weight *= torch.linspace(0.1, 10, out_dim)[:, None]  # rows of unlike size
    bias = torch.randn(out_dim, generator=generator)
    return torch.randn(n_rows, in_dim, generator=generator), weight, bias


@pytest.mark.parametrize("weight_type", CLOSE)
@pytest.mark.parametrize("n_rows", [1, 8])
@pytest.mark.parametrize("in_dim", [96, 37])
def test_it_is_the_product(weight_type, n_rows, in_dim):
    x, weight, bias = example(8, in_dim)
    exact = F.linear(x, weight, bias)
    ours = pack_product(weight, bias, weight_type)(x[:n_rows])
    assert ours.dtype == torch.float32 and ours.shape == (n_rows, 40)
    worst = (ours - exact[:n_rows]).abs() / exact.abs().amax(dim=0)
    assert float(worst.max()) < CLOSE[weight_type]


@pytest.mark.parametrize("weight_type", CLOSE)
def test_rows_of_a_wider_tensor(weight_type):
    x, weight, bias = example(3)
    wide = torch.zeros(3, 200)
    wide[:, 60:156] = x
    multiply = pack_product(weight, bias, weight_type)
    assert torch.equal(multiply(wide[:, 60:156]), multiply(x))


@pytest.mark.parametrize("weight_type", CLOSE)
def test_the_result_is_ones_own_and_changes_nothing(weight_type):
    x, weight, bias = example()
    before = x.clone()
    multiply = pack_product(weight, bias, weight_type)
    first = multiply(x)
    kept = first.clone()
    multiply(x * 2)
    first.zero_()
    assert torch.equal(multiply(x), kept) and torch.equal(x, before)


@pytest.mark.parametrize("weight_type", ["float32", "float16", "bfloat16"])
def test_machines_without_the_fast_kernels_multiply_plainly(weight_type, monkeypatch):
    monkeypatch.setattr(packed_linear, "_has_fbgemm", lambda: False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    x, weight, bias = example()
    exact = F.linear(x, weight, bias)
    plain = pack_product(weight, bias, weight_type)(x)
    torch.testing.assert_close(plain, exact, rtol=0.02, atol=0.3)
    with pytest.raises(WeightTypeError, match="cannot multiply int8 weights. Use float16"):
        pack_product(weight, bias, "int8")


def test_the_fastest_type_is_float16_where_its_product_is_in_float32(monkeypatch):
    monkeypatch.setattr(packed_linear, "_has_fbgemm", lambda: True)
    assert fastest_type(CPU) == "float16"
    assert fastest_type(torch.device("cuda")) == "float32"
    monkeypatch.setattr(packed_linear, "_has_fbgemm", lambda: False)
    assert fastest_type(CPU) == "float32"
    x, weight, bias = example()
    assert torch.equal(pack_product(weight, bias, "auto")(x), F.linear(x, weight, bias))


@pytest.mark.parametrize("n_rows", [1, 8])
def test_a_large_float32_weight_is_packed_and_exact(n_rows):
    x, weight, bias = example(n_rows, in_dim=1024, out_dim=257)
    multiply = pack_product(weight, bias, "float32")
    exact = F.linear(x.double(), weight.double(), bias.double())
    torch.testing.assert_close(multiply(x).double(), exact, rtol=1e-5, atol=1e-3)
    wide = torch.cat((x, x, x), dim=1)
    assert torch.equal(multiply(wide[:, 1024:2048]), multiply(x))


def test_silence_in_int8():
    _, weight, bias = example()
    torch.testing.assert_close(pack_product(weight, bias, "int8")(torch.zeros(1, 96))[0], bias)


def test_weights_that_float16_cannot_hold():
    _, weight, bias = example()
    weight[3, 4] = 7e4
    with pytest.raises(WeightTypeError, match="too large for float16. Use float32"):
        pack_product(weight, bias, "float16")
    x = torch.ones(1, 96)
    assert torch.equal(pack_product(weight, bias, "auto")(x), F.linear(x, weight, bias))
