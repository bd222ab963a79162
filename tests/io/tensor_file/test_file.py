"""Tensor files: their tensors come back to the bit, and what is damaged is noticed."""

import gc

import pytest
import safetensors.torch
import torch

from ponytaco.io.tensor_file.errors import TensorFileError
from ponytaco.io.tensor_file.file import is_tensor_file, open_tensor_file, write_tensor_file
from ponytaco.io.tensor_file.header import DTYPES

WHOLE = torch.arange(24.0).view(4, 6)
TENSORS = {
    "zero": torch.tensor(1.5), "empty": torch.zeros(0, 3), "turned": WHOLE.t(),
    "cut": WHOLE[1:3, ::2], "whole": WHOLE, "again": WHOLE, "expanded": torch.ones(1).expand(3),
    "parameter": torch.nn.Parameter(torch.ones(2)), "nan": torch.tensor([float("nan"), -0.0]),
    "odd": torch.ones(3, dtype=torch.bool),
}  # fmt: skip


def bits(tensor):
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).tolist()


def read(path, verify=True):
    with open_tensor_file(path) as file:
        content = file.content()
        file.read(verify=verify)
    return content


@pytest.fixture
def path(tmp_path):
    write_tensor_file(tmp_path / "f", {**TENSORS, "text": "é", "n": 1}, {"kind": "a test"})
    return tmp_path / "f"


def test_tensors_of_every_form_come_back(path):
    content = read(path)
    assert (content["text"], content["n"]) == ("é", 1)
    for name, tensor in TENSORS.items():
        assert content[name].shape == tensor.shape and content[name].dtype == tensor.dtype, name
        assert bits(content[name]) == bits(tensor), name
    content["whole"] += 1  # has memory of its own
    assert torch.equal(content["again"], WHOLE)


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (5, 1, 2)])
def test_every_type_comes_back_here_and_in_the_library(tmp_path, code, shape):
    tensor = torch.randint(0, 2, shape).to(DTYPES[code])
    write_tensor_file(tmp_path / "f", {"x": tensor, "y": torch.ones(3).bool()}, {})
    for found in (read(tmp_path / "f")["x"], safetensors.torch.load_file(tmp_path / "f")["x"]):
        assert (found.dtype, found.shape, bits(found)) == (DTYPES[code], shape, bits(tensor))


def test_what_the_library_writes_can_be_read(tmp_path):
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in TENSORS.items()}
    safetensors.torch.save_file(tensors, tmp_path / "f", {"format": "pt"})
    with open_tensor_file(tmp_path / "f") as file:
        file.read(verify=True)
    assert file.metadata == {"format": "pt"} and file.tensors.keys() == tensors.keys()
    assert all(bits(file.tensors[name]) == bits(tensor) for name, tensor in tensors.items())
    with (
        open_tensor_file(tmp_path / "f") as file,
        pytest.raises(TensorFileError, match="another program"),
    ):
        file.content()


def test_the_same_content_makes_the_same_bytes(path, tmp_path):
    write_tensor_file(tmp_path / "g", {**TENSORS, "text": "é", "n": 1}, {"kind": "a test"})
    assert (tmp_path / "g").read_bytes() == path.read_bytes()
    assert is_tensor_file(path.read_bytes()[:20])


def test_a_sparse_tensor_or_another_value_is_not_written(tmp_path):
    for value in (torch.ones(2).to_sparse(), torch.ones(1, dtype=torch.complex64), b"x"):
        with pytest.raises(Exception):  # noqa: B017 each has its own
            write_tensor_file(tmp_path / "f", {"x": value}, {})


# Damage


def test_every_bit_counts(tmp_path):
    path = tmp_path / "f"
    content = {"w": torch.arange(3.0), "b": torch.ones(3).bool(), "hello": ["☺", (1, 0.5), None]}
    write_tensor_file(path, content, {"version": "2"})
    whole = path.read_bytes()
    for i in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[i // 8] ^= 1 << i % 8
        path.write_bytes(damaged)
        with pytest.raises(TensorFileError):
            read(path)


def test_every_byte_counts(tmp_path):
    path = tmp_path / "f"
    write_tensor_file(path, {"w": torch.arange(3.0), "x": ["a", 1]}, {})
    whole = path.read_bytes()
    ends = [whole[:i] for i in range(len(whole))]
    for damaged in (*ends, whole + b"x", whole + bytes(8), whole + whole, bytes(8) + whole):
        path.write_bytes(damaged)
        with pytest.raises(TensorFileError):
            read(path)


def test_a_bit_in_a_tensor_is_found_where_it_is_looked_for(path):
    whole = bytearray(path.read_bytes())
    at = whole.index(WHOLE.numpy().tobytes())
    whole[at + 7] ^= 1
    path.write_bytes(whole)
    assert not torch.equal(read(path, verify=False)["whole"], WHOLE)
    with pytest.raises(TensorFileError, match="damaged in whole"):
        read(path)


def test_an_error_of_the_disk_is_raised_as_such(path, monkeypatch):
    class Failing:
        def __init__(self, file):
            self._file = file

        def __getattr__(self, name):
            return getattr(self._file, name)

        def readinto(self, memory):
            raise OSError(5, "Input/output error")

    with open_tensor_file(path) as file:
        file._file = Failing(file._file)
        with pytest.raises(OSError, match="Input/output"):
            file.read(verify=True)


# Mapped


def mapped(path):
    with open_tensor_file(path) as file:
        content = file.content()
        file.map()
    return content


def test_mapped_tensors_stay_when_the_rest_is_gone(path):
    whole = mapped(path)["whole"]
    gc.collect()
    assert torch.equal(whole, WHOLE)
    whole[0] = 7  # a copy of the page
    assert torch.equal(mapped(path)["whole"], WHOLE)
    for name, tensor in mapped(path).items():
        assert not isinstance(tensor, torch.Tensor) or bits(tensor) == bits(TENSORS[name]), name


def test_a_bit_in_a_mapped_tensor_is_found(path):
    whole = bytearray(path.read_bytes())
    whole[whole.index(WHOLE.numpy().tobytes())] ^= 1
    path.write_bytes(whole)
    with pytest.raises(TensorFileError, match="damaged in whole"):
        mapped(path)
