"""Reading torch files, of which most come from strangers: nothing in them runs.

``torch.load(weights_only=True)`` runs no foreign code either, but it allocates whatever a file
claims, and what it reads is not always what another reader has inspected. Here the pickle's opcodes
are interpreted by a machine of our own, which builds plain values, tensors over the file's bytes,
and inert objects for all else, within one budget.
"""

from __future__ import annotations

import errno
from io import BufferedReader
from pathlib import Path
from typing import Any

from ponytaco.io.strangers import weights_size
from ponytaco.io.torchfile import legacy_file, zip_file
from ponytaco.io.torchfile.budget import Budget, check_tree
from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.machine import Machine
from ponytaco.io.torchfile.names import Names
from ponytaco.io.torchfile.tensors import Storages

_MOST_PICKLE_BYTES = 16 * 2**20
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_START_BYTES = 512


def load_torch_file(path: Path) -> Any:
    """Read a file that may come from a stranger: tensors, plain values and inert objects.

    Args:
        path: a file written by ``torch.save`` in its present or older format.

    Returns:
        The file's value; its tensors are on the CPU, and writable. Objects of other classes are
        read as ``ForeignObject``.

    Raises:
        TorchFileError: if it is damaged, holds anything else, or claims more than it has.
        OSError: if it cannot be read at all.
    """
    with path.open("rb") as file:
        size = weights_size(file, TorchFileError)
        start = file.read(_START_BYTES)
        file.seek(0)
        try:
            if start.startswith(zip_file.MAGIC):
                return _load_zip(file, size)
            if legacy_file.is_legacy(start):
                return _load_legacy(file, size)
        except (TorchFileError, OSError) as error:
            # EINVAL is a position before the file's start; other errors are the disk's.
            if not isinstance(error, OSError) or error.errno != errno.EINVAL:
                raise
            raise TorchFileError("it is damaged") from None
        except MemoryError:
            raise TorchFileError("it does not fit into memory") from None
        except Exception as error:  # whatever a damaged pickle provokes
            raise TorchFileError(f"it is damaged ({type(error).__name__})") from None
    raise TorchFileError(describe_other(start))


def is_torch_file(start: bytes) -> bool:
    """Whether a file that begins like this is one of torch, in its present or older format."""
    return start.startswith(zip_file.MAGIC) or legacy_file.is_legacy(start)


def describe_other(start: bytes) -> str:
    """Tell what a file that begins like this is instead of weights."""
    if not start:
        return "it is empty"
    if start[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        return "it is a tar archive, as torch wrote before 0.2; load it there and save it again"
    if start.lstrip()[:1] in (b"<", b"{", b"v"):
        return "it is a text, perhaps a web page that was saved instead; download it again"
    return "it is damaged, or another kind of file"


def _load_zip(file: BufferedReader, size: int) -> Any:
    archive = zip_file.TorchZip(file, size)
    budget = Budget(size)
    storages = Storages(archive.allocate, budget)
    pickle = archive.read_pickle(_MOST_PICKLE_BYTES)
    machine = Machine(pickle, Names(storages, budget), budget)
    value = machine.run()
    if machine.at != len(pickle):
        raise TorchFileError("it is damaged: something follows its table of weights")
    check_tree(value)
    for key, storage in storages.held.items():
        archive.fill(key, storage.content)
    return value


def _load_legacy(file: BufferedReader, size: int) -> Any:
    budget = Budget(size)
    storages = Storages(legacy_file.LegacyMemory(size).allocate, budget)
    names = Names(storages, budget)
    pickles = file.read(_MOST_PICKLE_BYTES)
    parts: list[Any] = []
    at = 0
    for _ in range(legacy_file.N_PICKLES):
        machine = Machine(pickles, names, budget, at)
        parts.append(machine.run())
        at = machine.at
    legacy_file.check_parts(parts, storages)
    *_, value, keys = parts
    check_tree(value)
    file.seek(at)
    legacy_file.fill(file, keys, storages)
    return value
