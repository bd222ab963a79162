"""Linear layers with packed weights, in the type that this machine multiplies fastest.

The time of a product with one row, or a few, is that of reading the weight: half the bytes take
half the time. The kernels that torch has for it depend on the processor; where a fast one is
missing, a plain one computes the same in more time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ponytaco.errors import PonytacoError

WEIGHT_TYPES = ("auto", "float32", "float16", "bfloat16", "int8")

Product = Callable[[Tensor], Tensor]
"""(B, in_dim) -> (B, out_dim), a new tensor in float32."""

_HALF_LARGEST = torch.finfo(torch.float16).max
# Smallest size of a weight for which packing is faster.
_WORTH_PACKING = 2**18
# Seven bits for the inputs, -63 to 63: with eight, processors that add pairs of products in 16 bits
# (AVX2, AVX-512 without VNNI) would overflow.
_INT8_STEPS, _INT8_ZERO = 63, 64


class WeightTypeError(PonytacoError):
    """A weight type is unknown or not supported by this machine."""


def fastest_type(device: torch.device) -> str:
    """Return the type that 'auto' means: float16 if torch multiplies it by float32, else float32.

    Such a product only rounds each weight to 11 bits, which is inaudible.
    """
    return "float16" if device.type == "cpu" and _has_fbgemm() else "float32"


def pack_product(weight: Tensor, bias: Tensor, weight_type: str) -> Product:
    """Pack a weight and return the function ``x -> x @ weight.T + bias``.

    Later changes to the weight have no effect on it.

    Args:
        weight: (out_dim, in_dim), float32.
        bias: (out_dim,), float32.
        weight_type: one of ``WEIGHT_TYPES``.

    Raises:
        WeightTypeError: if the type is unknown or not supported by this machine.
    """
    weight, bias = weight.detach(), bias.detach()
    if weight_type == "auto":
        holds = bool(weight.abs().max() <= _HALF_LARGEST)
        weight_type = fastest_type(weight.device) if holds else "float32"
    if weight_type == "float32":
        return _float32_product(weight, bias)
    if weight_type == "float16":
        return _half_product(weight, bias)
    if weight_type == "bfloat16":
        return _bfloat16_product(weight, bias)
    if weight_type == "int8":
        return _int8_product(weight, bias)
    raise WeightTypeError(
        f"There is no weight type '{weight_type}'. There are: {', '.join(WEIGHT_TYPES)}."
    )


def _has_fbgemm() -> bool:
    """Whether torch multiplies float16 weights by float32 inputs on this processor."""
    has_operation = hasattr(torch.ops.quantized, "linear_dynamic_fp16")
    return _is_x86() and torch.backends.quantized.engine in ("x86", "fbgemm") and has_operation


def _has_onednn(weight: Tensor) -> bool:
    available = _is_x86() and torch.backends.mkldnn.is_available()
    return weight.device.type == "cpu" and available


def _is_x86() -> bool:
    """Whether the processor has AVX2, on which the fast products were tested."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX")


def _float32_product(weight: Tensor, bias: Tensor) -> Product:
    # For eight rows twice as fast as F.linear; for a small weight the call costs more.
    if _has_onednn(weight) and weight.numel() >= _WORTH_PACKING:
        return _onednn_product(weight, bias)
    return lambda x: F.linear(x, weight, bias)


def _half_product(weight: Tensor, bias: Tensor) -> Product:
    if weight.abs().max() > _HALF_LARGEST:
        raise WeightTypeError("A weight is too large for float16. Use float32.")
    if weight.device.type == "cpu" and _has_fbgemm():
        packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        return lambda x: torch.ops.quantized.linear_dynamic_fp16(x, packed)
    half = weight.half()
    return lambda x: F.linear(x.half(), half).float() + bias


def _bfloat16_product(weight: Tensor, bias: Tensor) -> Product:
    short = weight.bfloat16()
    if _has_onednn(weight) and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        multiply = _onednn_product(short, None)
        return lambda x: multiply(x.bfloat16()).float() + bias
    return lambda x: F.linear(x.bfloat16(), short).float() + bias


def _onednn_product(weight: Tensor, bias: Tensor | None) -> Product:
    """Reorder the weight once; F.linear does it in every call."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
    multiply = torch.ops.mkldnn._linear_pointwise
    return lambda x: multiply(x, packed, bias, "none", [], "")


def _int8_product(weight: Tensor, bias: Tensor) -> Product:
    """Quantise both sides: a scale for each row of the weight, and one for each call's inputs."""
    if not _has_onednn(weight):
        raise WeightTypeError("This machine cannot multiply int8 weights. Use float16.")
    scale = weight.abs().amax(dim=1).clamp(min=1e-12) / 127
    whole = (weight / scale[:, None]).round().to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(whole, [1, weight.shape[1]])
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    multiply = torch.ops.onednn.qlinear_pointwise

    def product(x: Tensor) -> Tensor:
        step = max(float(x.abs().max()), 1e-12) / _INT8_STEPS
        short = torch.add(_INT8_ZERO + 0.5, x, alpha=1 / step).to(torch.uint8)  # rounds
        return multiply(
            short, step, _INT8_ZERO, packed, scale, zeros, bias,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip

    return product
