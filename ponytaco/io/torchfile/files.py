"""Reading torch files from strangers: nothing in them runs, and no claim of a size is trusted.

``torch.load(weights_only=True)`` alone runs no foreign code, but it allocates whatever a file
claims: a tensor of a terabyte over one number, a compressed gigabyte, ``torch.Tensor(2**40)``. So
the table of contents and the pickle are read first, by an unpickler that builds nothing, and every
claim is compared with the bytes that are there.
"""

from __future__ import annotations

import errno
import io
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch

from ponytaco.io.torchfile.claims import Claims, TorchFileError

MOST_BYTES = 4 * 2**30
"""Limit of a file's size. The published models with their optimizers are below 0.4 GB."""

_MOST_DIRECTORY_BYTES = 64 * 2**20
_MOST_MEMBERS = 100_000
_MOST_LINE_BYTES = 16 * 1024

_ZIP_MAGIC, _LEGACY_MAGIC = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
_N_LEGACY_PICKLES = 5  # magic number, protocol, machine, the content, the storages' keys


@dataclass(frozen=True)
class Content:
    """A file's claims, and where its storages are.

    Attributes:
        root: the object that the reader made of the pickle.
        storages: size of each storage in bytes, by its key.
        prefix: prefix of a zip's records; '' in the older format.
        order: the storages' keys in their order in the older format.
        start: offset of the first storage in the older format.
    """

    root: Any
    storages: dict[str, int]
    prefix: str = ""
    order: list[str] = field(default_factory=list)
    start: int = 0


def load_torch_file(path: Path, mmap: bool = False) -> Any:
    """Read tensors and plain values from a file that may come from a stranger.

    Args:
        path: a file written by ``torch.save`` in its present or older format.
        mmap: leave the tensors on disk until they are used.

    Raises:
        TorchFileError: if it is damaged, holds anything else, or claims more than it has.
        OSError: if it cannot be read at all.
    """
    inspect(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap or None)
    except OSError:
        raise
    except Exception as error:  # whatever a broken file provokes in torch's reader
        raise TorchFileError(
            f"it is damaged, or holds more than weights ({type(error).__name__})"
        ) from None


def inspect(path: Path, reader: type[Claims] | None = None) -> Content:
    """Compare a file's claims with its bytes, without building what it claims.

    Args:
        path: the file.
        reader: the unpickler to use; ``Claims`` by default.

    Raises:
        TorchFileError: as ``load_torch_file``.
        OSError: if it cannot be read at all.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        if size > MOST_BYTES:
            raise TorchFileError(
                f"it has {size / 2**30:.1f} GB, more than any voice ({MOST_BYTES >> 30} GB)"
            )
        file.seek(0)
        magic = file.read(len(_LEGACY_MAGIC))
        file.seek(0)
        try:
            if magic.startswith(_ZIP_MAGIC):
                return _inspect_zip(file, size, reader or Claims)
            if magic == _LEGACY_MAGIC:
                return _inspect_legacy(file, size, reader or Claims)
            raise TorchFileError(_not_torch(magic))
        except TorchFileError:
            raise
        except Exception as error:  # whatever a broken file provokes in Python's readers
            # EINVAL is a position before the file's start; other errors are the disk's.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise TorchFileError(f"it is damaged ({type(error).__name__})") from None


def check_members(path: Path) -> None:
    """Compare each member of a torch file with its checksum, which torch's reader does not.

    Raises:
        TorchFileError: if one differs, or the file is not a zip.
        OSError: if it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # a bit in a header makes zipfile raise several kinds
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise TorchFileError(f"it is damaged ({type(error).__name__})") from None
    if damaged is not None:
        raise TorchFileError(f"it is damaged in {damaged}")


def _not_torch(magic: bytes) -> str:
    if not magic:
        return "it is empty"
    if magic.lstrip()[:1] in (b"<", b"{", b"v"):
        return "it is a text, perhaps a web page that was saved instead; download it again"
    return "it is damaged, or not a torch file"


def _inspect_zip(file: BinaryIO, size: int, reader: type[Claims]) -> Content:
    _check_directory(file, size)
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise TorchFileError("it has two members with the same name")
        for member in members.values():
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise TorchFileError("it is compressed, which torch never does")
            if member.file_size != member.compress_size:
                raise TorchFileError("it is damaged in its table of contents")
        if sum(member.file_size for member in members.values()) > size:
            raise TorchFileError("it claims more than it holds")
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1 or pickles[0].count("/") != 1:
            raise TorchFileError("it is a zip, but holds no weights")
        (name,) = pickles
        if members[name].file_size > reader.most_bytes:
            raise TorchFileError("its table of weights is too large")
        claims = reader(io.BytesIO(archive.read(name)))
        root = claims.load()
    prefix = f"{name.removesuffix('data.pkl')}data/"
    for key, n_bytes in claims.storages.items():
        record = members.get(prefix + key)
        if record is None or record.file_size != n_bytes:
            raise TorchFileError(f"its storage {key[:20]} is not as large as it claims")
    return Content(root, claims.storages, prefix)


def _check_directory(file: BinaryIO, size: int) -> None:
    """Accept only a table of contents at the very end, so that every reader finds the same one."""
    file.seek(max(0, size - 22))
    end = file.read(22)
    if end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0":
        raise TorchFileError("it is damaged: its end is missing")
    count, n_bytes = struct.unpack("<HL", end[10:16])
    file.seek(max(0, size - 42))
    locator = file.read(20)
    if locator[:4] == b"PK\x06\x07":  # sizes of 64 bits
        (place,) = struct.unpack("<Q", locator[8:16])
        file.seek(min(place, size))
        record = file.read(56)
        if len(record) < 56 or record[:4] != b"PK\x06\x06":
            raise TorchFileError("it is damaged: its end is missing")
        count, n_bytes = struct.unpack("<32xQQ8x", record)
    if count > _MOST_MEMBERS or n_bytes > _MOST_DIRECTORY_BYTES:
        raise TorchFileError("its table of contents is too large")
    file.seek(0)


def _inspect_legacy(file: BinaryIO, size: int, reader: type[Claims]) -> Content:
    """Inspect the format before torch 1.6, NVIDIA's: pickles, then the storages' bytes."""
    bounded = _Bounded(file, min(size, reader.most_bytes))
    storages: dict[str, int] = {}
    parts = []
    for _ in range(_N_LEGACY_PICKLES):
        claims = reader(bounded)
        parts.append(claims.load())
        storages.update(claims.storages)
    if sum(storages.values()) + 8 * len(storages) > size - file.tell():
        raise TorchFileError("it claims more than it holds")
    machine, root, order = parts[2:]
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise TorchFileError("it was written on a big-endian machine")
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(storages):
        raise TorchFileError("it is damaged in its table of weights")
    return Content(root, storages, order=[str(key) for key in order], start=file.tell())


class _Bounded:
    """A file that refuses to read more than it has: Python would allocate the memory first."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def read(self, n: int = -1) -> bytes:
        self._check(n)
        return self._file.read(n)

    def readline(self) -> bytes:
        self._check(0)
        return self._file.readline(_MOST_LINE_BYTES)

    def _check(self, n: int) -> None:
        if n < 0 or n > self._size - self._file.tell():
            raise TorchFileError("it claims more than it holds")
