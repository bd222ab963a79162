"""Storages and tensors: what a pickle claims about them, held against the bytes of the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ponytaco.io.torchfile.budget import TENSOR_BYTES, Budget
from ponytaco.io.torchfile.errors import TorchFileError, damaged

_MOST_DIMENSIONS = 16
_LONGEST_KEY = 200

DTYPES = {
    f"torch.{name}": getattr(torch, name)
    for name in (
        "bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64",
        "float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StorageKind:
    """A class of storages; ``UntypedStorage`` has bytes, and the dtype is its tensors'."""

    dtype: torch.dtype
    is_typed: bool = True


STORAGE_KINDS = {
    "torch.ByteStorage": StorageKind(torch.uint8),
    "torch.CharStorage": StorageKind(torch.int8),
    "torch.BoolStorage": StorageKind(torch.bool),
    "torch.ShortStorage": StorageKind(torch.int16),
    "torch.IntStorage": StorageKind(torch.int32),
    "torch.LongStorage": StorageKind(torch.int64),
    "torch.HalfStorage": StorageKind(torch.float16),
    "torch.BFloat16Storage": StorageKind(torch.bfloat16),
    "torch.FloatStorage": StorageKind(torch.float32),
    "torch.DoubleStorage": StorageKind(torch.float64),
    "torch.UntypedStorage": StorageKind(torch.uint8, is_typed=False),
    "torch.storage.UntypedStorage": StorageKind(torch.uint8, is_typed=False),
}


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A storage; its bytes are read after the pickle.

    Attributes:
        kind: its class.
        n_items: its length, in items of its class.
        content: (n_bytes,) uint8, over its memory.
    """

    kind: StorageKind
    n_items: int
    content: Tensor


def allocate(n_bytes: int) -> Tensor:
    """Allocate (n_bytes,) uint8, which takes no memory before it is written.

    Raises:
        MemoryError: if there is not as much.
    """
    try:
        return torch.empty(n_bytes, dtype=torch.uint8, device="cpu")
    except RuntimeError:
        raise MemoryError from None


class Storages:
    """The storages of a file by their keys, each built once.

    Args:
        allocate: returns the memory of a storage, by its key and size in bytes; raises a
            TorchFileError if the file does not have these bytes.
        budget: pays for storages and tensors.
    """

    def __init__(self, allocate: Callable[[str, int], Tensor], budget: Budget) -> None:
        self.held: dict[str, Storage] = {}
        self._allocate = allocate
        self._budget = budget

    def claim(self, kind: Any, key: Any, n_items: Any) -> Storage:
        """Return the storage of a key; its first claim allocates it."""
        if not isinstance(kind, StorageKind) or not _is_index(n_items):
            raise damaged()
        if type(key) is not str or len(key) > _LONGEST_KEY:
            raise damaged()
        storage = self.held.get(key)
        if storage is None:
            self._budget.spend(TENSOR_BYTES)
            memory = self._allocate(key, n_items * kind.dtype.itemsize)
            storage = self.held[key] = Storage(kind, n_items, memory)
        if (storage.kind, storage.n_items) != (kind, n_items):
            raise TorchFileError("it gives one storage two sizes")
        return storage

    def tensor(
        self,
        storage: Storage,
        offset: int,
        shape: Sequence[int],
        stride: Sequence[int],
        requires_grad: bool = False,
        hooks: object = None,
        metadata: object = None,
    ) -> Tensor:
        """Return a tensor over a storage, as ``torch._utils._rebuild_tensor_v2``."""
        if not isinstance(storage, Storage) or not storage.kind.is_typed or metadata:
            raise damaged()
        return self._tensor(storage, storage.kind.dtype, offset, shape, stride, requires_grad)

    def tensor_v3(
        self,
        storage: Storage,
        offset: int,
        shape: Sequence[int],
        stride: Sequence[int],
        requires_grad: bool,
        hooks: object,
        dtype: torch.dtype,
        metadata: object = None,
    ) -> Tensor:
        """Return a tensor over bytes, as ``torch._utils._rebuild_tensor_v3``."""
        if not isinstance(storage, Storage) or not isinstance(dtype, torch.dtype) or metadata:
            raise damaged()
        return self._tensor(storage, dtype, offset, shape, stride, requires_grad)

    def _tensor(
        self,
        storage: Storage,
        dtype: torch.dtype,
        offset: Any,
        shape: Any,
        stride: Any,
        requires_grad: Any,
    ) -> Tensor:
        if not _is_shape(shape) or not _is_shape(stride) or not _is_index(offset):
            raise damaged()
        if len(shape) != len(stride) or type(requires_grad) is not bool:
            raise damaged()
        n_items = math.prod(shape)
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        if n_items and (last + 1) * dtype.itemsize > storage.content.nbytes:
            raise TorchFileError("one of its tensors claims to be larger than its storage")
        self._budget.view(n_items * dtype.itemsize)
        tensor = torch.empty(0, dtype=dtype, device="cpu")
        tensor.set_(storage.content.untyped_storage(), offset, tuple(shape), tuple(stride))  # type: ignore[call-overload, unused-ignore]
        return tensor.requires_grad_(requires_grad)


def _is_index(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _is_shape(values: Any) -> bool:
    is_sequence = isinstance(values, (tuple, list)) and len(values) <= _MOST_DIMENSIONS
    return is_sequence and all(map(_is_index, values))
