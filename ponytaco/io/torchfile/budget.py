"""The budget of a file: the memory, the objects and the depth that its values may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.foreign import ForeignClass, ForeignObject

OBJECT_BYTES = 64
"""Price of an opcode, and of a value that is counted again in a tree."""
ITEM_BYTES = 128
"""Price of an item in a table or a set, and of a memo."""
TENSOR_BYTES = 1024
"""Price of a storage or a tensor, its numbers aside."""

# A full-size checkpoint spends 4 MB, and 70 MB with a lexicon of 135,000 words.
_MOST_BYTES = 96 * 2**20
# Tied weights are two tensors over one storage; half precision is widened after loading.
_VIEWS_PER_BYTE = 4
_DEEPEST = 64
# Keys whose hashes can be chosen, so that a table searches through all others for each: the price
# allows 1,000 tuples and 10,000 numbers. Old optimizers have a number for each weight, its address.
_TUPLE_KEY_BYTES = _MOST_BYTES // 1000
_NUMBER_KEY_BYTES = _MOST_BYTES // 10_000
_LARGEST_CHEAP_KEY = 2**16
# Below Python's modulus for hashes: a table of equal hashes is slow, and so is one of long texts
# that are equal and not the same.
_LARGEST_KEY = 2**61 - 2
_LONGEST_KEY = 4096
_HASHED_BY_IDENTITY = (Tensor, ForeignClass, ForeignObject)


class Budget:
    """What is left to a file of a given size.

    Everything that is built is paid for before it is built, copies included.
    """

    def __init__(self, file_bytes: int) -> None:
        self._left = _MOST_BYTES
        self._views_left = _VIEWS_PER_BYTE * file_bytes

    def spend(self, n_bytes: int) -> None:
        """Pay for a value.

        Raises:
            TorchFileError: if the file has spent all.
        """
        self._left -= n_bytes
        if self._left < 0:
            raise _too_many()

    def view(self, n_bytes: int) -> None:
        """Pay for a tensor: its numbers may be copied by the caller, one by one.

        Raises:
            TorchFileError: if the tensors show far more numbers than the file holds.
        """
        self.spend(TENSOR_BYTES)
        self._views_left -= n_bytes
        if self._views_left < 0:
            raise TorchFileError("its tensors claim to be larger than their storages")

    def key(self, key: Any) -> None:
        """Pay for a key of a table, or a member of a set.

        Raises:
            TorchFileError: if it cannot be hashed at once: lists, NaN, huge numbers, nested tuples.
        """
        self.spend(ITEM_BYTES)
        if type(key) is tuple and len(key) <= 16:
            self.spend(_TUPLE_KEY_BYTES)  # its hash can be chosen
            if all(map(_is_plain_key, key)):
                return
        elif _is_plain_key(key) or isinstance(key, _HASHED_BY_IDENTITY):
            if type(key) is float or (type(key) is int and abs(key) > _LARGEST_CHEAP_KEY):
                self.spend(_NUMBER_KEY_BYTES)
            return
        raise TorchFileError(f"it uses a {type(key).__name__} as a key, which torch never does")


def check_tree(root: Any) -> None:
    """Check what a caller meets who walks through all values, shared ones each time.

    Objects of other classes are not entered.

    Raises:
        TorchFileError: if the values are nested too deep or in themselves, or are too many.
    """
    found: dict[int, tuple[int, int]] = {}  # depth and bytes of containers, by identity
    entered: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        value, is_complete = waiting.pop()
        inner = _inner(value)
        if inner is None or id(value) in found:
            continue
        if not is_complete:
            if id(value) in entered:
                raise TorchFileError("one of its values contains itself")
            entered.add(id(value))
            waiting.append((value, True))
            waiting += [(item, False) for item in inner if _inner(item) is not None]
            continue
        parts = [found.get(id(item)) or (0, _leaf_bytes(item)) for item in inner]
        depth = 1 + max((part[0] for part in parts), default=0)
        n_bytes = OBJECT_BYTES + sum(part[1] for part in parts)
        if depth > _DEEPEST:
            raise TorchFileError("its values are nested too deep")
        if n_bytes > _MOST_BYTES:
            raise _too_many()
        found[id(value)] = depth, n_bytes


def _inner(value: Any) -> Iterable[Any] | None:
    """Return the values in a container, None for other values."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, (list, tuple, set, frozenset)) else None


def _leaf_bytes(value: Any) -> int:
    return OBJECT_BYTES + (len(value) if isinstance(value, (str, bytes, bytearray)) else 0)


def _is_plain_key(key: Any) -> bool:
    kind = type(key)
    if kind in (str, bytes):
        return len(key) <= _LONGEST_KEY
    if kind is int:
        return abs(key) <= _LARGEST_KEY
    return key is None or kind is bool or (kind is float and key == key)


def _too_many() -> TorchFileError:
    return TorchFileError("it holds more values than any voice")
