"""A torch pickle's claims about its storages and tensors, read without building them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ponytaco.errors import PonytacoError

MOST_DIMENSIONS = 16

# All that weights and plain values consist of. torch's own list of safe names also contains
# constructors that take a size and allocate it.
_PLAIN = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "torch.device",
    "_codecs.encode",
}
_STORAGE_BYTES = {
    "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1, "UntypedStorage": 1,
    "HalfStorage": 2, "BFloat16Storage": 2, "ShortStorage": 2,
    "FloatStorage": 4, "IntStorage": 4, "LongStorage": 8, "DoubleStorage": 8,
}  # fmt: skip


class TorchFileError(PonytacoError):
    """A file is not a torch file, is damaged, or makes impossible claims.

    The message is half a sentence, as 'it is empty': the caller knows what the file should be, and
    writes that before it.
    """


class MoreThanWeightsError(TorchFileError):
    """A file holds objects of other classes; ``load_modules`` may find its weights."""


class Claimed:
    """A placeholder for a storage, tensor, dtype or table while claims are read."""

    def __init__(
        self, n_items: int = 0, item_bytes: int = 0, key: str = "", kind: str = ""
    ) -> None:
        self.n_items = n_items
        self.item_bytes = item_bytes
        self.key = key
        self.kind = kind

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def update(self, *values: object) -> None:
        """Ignore a table's items."""

    def __call__(self, *args: object) -> Claimed:
        """Return a placeholder for the object that a constructor would build."""
        return Claimed()


class StorageKind(Claimed):
    """A placeholder for a class of storages, with the bytes of an item."""


# The unpickler in Python, not that in C, which allocates memory for any memo index that a pickle
# names.
class Claims(pickle._Unpickler):  # type: ignore[name-defined, misc, unused-ignore]
    """An unpickler that reads the claims about storages and tensors, and builds neither."""

    most_bytes = 64 * 2**20
    """Limit of the pickle's size."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin-1")
        self.storages: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return a placeholder for a class or function that the pickle names."""
        full_name = f"{module}.{name}"
        if full_name == "torch._utils._rebuild_tensor_v2":
            return check_tensor
        if full_name == "torch._utils._rebuild_parameter":
            return lambda tensor, *_: tensor
        if module == "torch" and name.endswith("Storage"):
            return StorageKind(item_bytes=_item_bytes(name), kind=name)
        if full_name in _PLAIN or (module == "torch" and _is_dtype(name)):
            return Claimed()
        raise MoreThanWeightsError(_more_than_weights(module, name))

    def persistent_load(self, claim: Any) -> Claimed:
        """Note the size of a storage and return a placeholder."""
        kind_name, kind, key, _, n_items = claim[:5]
        if kind_name != "storage" or not isinstance(kind, StorageKind):
            raise TorchFileError("it is damaged in its table of weights")
        if not isinstance(n_items, int) or n_items < 0 or (len(claim) > 5 and claim[5]):
            raise TorchFileError("it is damaged in its table of weights")
        n_bytes = n_items * kind.item_bytes
        if self.storages.setdefault(str(key), n_bytes) != n_bytes:
            raise TorchFileError("it gives one storage two sizes")
        return Claimed(n_items, kind.item_bytes, str(key), kind.kind)


def _is_dtype(name: str) -> bool:
    return isinstance(getattr(torch, name, None), torch.dtype)


def _item_bytes(storage: str) -> int:
    if storage not in _STORAGE_BYTES:
        raise TorchFileError(f"its storage type {storage[:40]} is unknown")
    return _STORAGE_BYTES[storage]


def check_tensor(
    storage: Any, offset: int, shape: Sequence[int], stride: Sequence[int], *_: object
) -> Claimed:
    """Check that a tensor lies within its storage and has no more items: none is used twice."""
    whole = [offset, *shape, *stride]
    if (
        not isinstance(storage, Claimed)
        or len(shape) != len(stride)
        or len(shape) > MOST_DIMENSIONS
        or not all(isinstance(n, int) and 0 <= n < 2**62 for n in whole)
    ):
        raise TorchFileError("it is damaged in its table of weights")
    n_items = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if n_items and (n_items > storage.n_items or last >= storage.n_items):
        raise TorchFileError("one of its tensors claims to be larger than its storage")
    return Claimed()


def _more_than_weights(module: str, name: str) -> str:
    problem = f"it holds more than weights ({module[:60]}.{name[:60]})"
    top = module.partition(".")[0]
    if name == "WaveGlow" or top in ("glow", "glow_old", "waveglow"):
        return f"{problem}: it is WaveGlow as a whole program, a vocoder and not a voice"
    if module.startswith("torch.nn"):
        return f"{problem}: a whole program, which may run anything. Save its state_dict() instead"
    return problem
