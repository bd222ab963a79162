"""The names that a pickle may give: those in a table here mean something, others are inert.

Nothing is imported, and nothing called but the functions of this table.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ponytaco.io.torchfile.budget import ITEM_BYTES, OBJECT_BYTES, TENSOR_BYTES, Budget
from ponytaco.io.torchfile.errors import TorchFileError, damaged
from ponytaco.io.torchfile.foreign import ForeignClass, ForeignObject
from ponytaco.io.torchfile.tensors import DTYPES, STORAGE_KINDS, Storages
from ponytaco.printable import brief

_NUMPY_NUMBERS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I",
    "u8": "Q", "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of ours in the place of a name."""

    build: Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class NumpyType:
    """A number type of numpy's, as 'f8'."""

    code: str


class Names:
    """Meanings of the names in one file.

    Args:
        storages: the file's.
        budget: pays for copies.
    """

    def __init__(self, storages: Storages, budget: Budget) -> None:
        self._storages = storages
        self._budget = budget
        functions: dict[str, Callable[..., Any]] = {
            "collections.OrderedDict": self._ordered_dict,
            "torch._utils._rebuild_tensor": storages.tensor,
            "torch._utils._rebuild_tensor_v2": storages.tensor,
            "torch._utils._rebuild_tensor_v3": storages.tensor_v3,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch.nn.parameter.Parameter": self._parameter,
            "torch.Size": self._size,
            "torch.device": _device,
            "_codecs.encode": self._bytes,
            "numpy.dtype": _numpy_type,
        }
        for module in ("builtins", "__builtin__"):
            functions[f"{module}.bytes"] = self._bytes
            functions[f"{module}.set"] = lambda items=(): set(self._members(items))
            functions[f"{module}.frozenset"] = lambda items=(): frozenset(self._members(items))
        for module in ("numpy.core", "numpy._core"):
            functions[f"{module}.multiarray.scalar"] = _numpy_number
        self._meanings: dict[str, Any] = {
            **DTYPES,
            **STORAGE_KINDS,
            **{name: Function(build) for name, build in functions.items()},
        }

    def find(self, module: str, name: str) -> Any:
        """Return the meaning of a class or function."""
        full_name = f"{module}.{name}"
        if full_name in self._meanings:
            return self._meanings[full_name]
        if module == "torch" and name.endswith("Storage"):
            raise TorchFileError(f"its storage type {brief(name)} is unknown")
        self._budget.spend(2 * ITEM_BYTES + len(full_name))
        return ForeignClass(full_name)

    def call(self, function: Any, args: Any) -> Any:
        """Return what a call builds: an inert object if the function is unknown."""
        if type(args) is not tuple:
            raise damaged()
        if isinstance(function, Function):
            return function.build(*args)
        if not isinstance(function, ForeignClass):
            raise damaged()
        self._budget.spend(ITEM_BYTES)
        if function.name.endswith("._reconstructor") and args and isinstance(args[0], ForeignClass):
            function = args[0]  # an object of Python 2, or of protocols 0 and 1
        return ForeignObject(function.name)

    def persistent(self, claim: Any) -> Any:
        """Return the storage that a persistent id claims."""
        # The older format keeps the source code of a module's class beside it.
        if type(claim) is tuple and len(claim) == 4 and claim[0] == "module":
            return claim[1]
        if type(claim) is not tuple or len(claim) not in (5, 6) or claim[0] != "storage":
            raise damaged()
        if len(claim) == 6 and claim[5] is not None:
            raise damaged()
        return self._storages.claim(claim[1], claim[2], claim[4])

    def _ordered_dict(self, pairs: Any = ()) -> OrderedDict[Any, Any]:
        if isinstance(pairs, dict):
            pairs = [*pairs.items()]
        if not isinstance(pairs, (list, tuple)):
            raise damaged()
        table: OrderedDict[Any, Any] = OrderedDict()
        for key, value in pairs:
            self._budget.key(key)
            table[key] = value
        return table

    def _members(self, items: Any) -> Any:
        if not isinstance(items, (list, tuple)):
            raise damaged()
        for item in items:
            self._budget.key(item)
        return items

    def _size(self, lengths: Any) -> torch.Size:
        if not isinstance(lengths, (list, tuple)):
            raise damaged()
        self._budget.spend(OBJECT_BYTES * (1 + len(lengths)))
        return torch.Size(lengths)

    def _bytes(self, text: str = "", encoding: str = "latin1") -> bytes:
        # Other codecs, as hex and zlib, multiply the text.
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise damaged()
        self._budget.spend(OBJECT_BYTES + len(text))
        return text.encode("latin-1")

    def _parameter(self, tensor: Any, requires_grad: Any = True, *_: object) -> nn.Parameter:
        if not isinstance(tensor, Tensor) or type(requires_grad) is not bool:
            raise damaged()
        self._budget.spend(TENSOR_BYTES)
        return nn.Parameter(tensor.detach(), requires_grad)


def _device(kind: Any, index: Any = None) -> torch.device:
    if type(kind) is not str or len(kind) > 32 or type(index) not in (int, type(None)):
        raise damaged()
    return torch.device(kind) if index is None else torch.device(kind, index)


def _numpy_type(code: Any, *_: object) -> NumpyType:
    if type(code) is not str or code not in _NUMPY_NUMBERS:
        raise TorchFileError("one of its number types is unknown")
    return NumpyType(code)


def _numpy_number(kind: Any, raw: Any) -> Any:
    if not isinstance(kind, NumpyType) or not isinstance(raw, (bytes, str)):
        raise damaged()
    content = raw.encode("latin-1") if isinstance(raw, str) else raw
    (number,) = struct.unpack(f"<{_NUMPY_NUMBERS[kind.code]}", content)
    return number
