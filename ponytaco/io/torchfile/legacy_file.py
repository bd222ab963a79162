"""The format before torch 1.6, NVIDIA's: five pickles, then the storages' bytes."""

from __future__ import annotations

from io import BufferedReader
from typing import Any

from torch import Tensor

from ponytaco.io.torchfile.errors import TorchFileError, damaged
from ponytaco.io.torchfile.tensors import Storages, allocate
from ponytaco.printable import brief

N_PICKLES = 5

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_COUNT_BYTES = 8


def is_legacy(start: bytes) -> bool:
    """Whether a file begins with the magic number, pickled in any protocol but the first."""
    return start[:1] == b"\x80" and _MAGIC_NUMBER.to_bytes(10, "little") in start[:24]


class LegacyMemory:
    """Memory for the storages of a file of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self._left = size

    def allocate(self, key: str, n_bytes: int) -> Tensor:
        """Allocate the memory of a storage without reading it: (n_bytes,) uint8.

        Raises:
            TorchFileError: if all storages together are larger than the file.
        """
        self._left -= _COUNT_BYTES + n_bytes
        if self._left < 0:
            raise TorchFileError("it claims more than it holds")
        return allocate(n_bytes)


def check_parts(parts: list[Any], storages: Storages) -> None:
    """Check what the pickles hold beside the content: numbers, machine, content, storages' keys.

    Raises:
        TorchFileError: if torch cannot have written it.
    """
    number, protocol, machine, _, keys = parts
    if (number, protocol) != (_MAGIC_NUMBER, _PROTOCOL):
        raise TorchFileError("it is damaged, or not a torch file")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise TorchFileError("it was written on a big-endian machine")
    if not isinstance(keys, list) or any(type(key) is not str for key in keys):
        raise damaged()
    if len(keys) != len(storages.held) or set(keys) != storages.held.keys():
        raise damaged()


def fill(file: BufferedReader, keys: list[str], storages: Storages) -> None:
    """Read the storages, which are all that is left of the file.

    Raises:
        TorchFileError: if they have another size or number.
    """
    for key in keys:
        storage = storages.held[key]
        count = int.from_bytes(file.read(_COUNT_BYTES), "little")
        if count != storage.n_items:
            raise TorchFileError(f"its storage {brief(key)} is not as large as it claims")
        if file.readinto(storage.content.numpy().data) != storage.content.nbytes:
            raise TorchFileError("it claims more than it holds")
    if file.read(1):
        raise TorchFileError("it is damaged: something follows its end")
