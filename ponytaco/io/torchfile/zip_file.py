"""The zip format of torch 1.6 and later: one record per storage, stored as it is.

Zips can be ambiguous: two tables of contents, records within records. Only files as torch writes
them are accepted, in which record follows record, and one table of contents the last of them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BufferedReader

from torch import Tensor

from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.tensors import allocate
from ponytaco.printable import brief

MAGIC = b"PK\x03\x04"

_MOST_DIRECTORY_BYTES = 8 * 2**20
# A full-size checkpoint has 400.
_MOST_MEMBERS = 20_000
_LONGEST_DESCRIPTOR = 24

_LOCAL, _LOCAL_BYTES = "<4s22xHH", 30
_CENTRAL, _CENTRAL_BYTES = "<4s4xHH8xLLHHH8xL", 46
_END, _END_BYTES = "<4s6xHLLH", 22
_END_64, _END_64_BYTES = "<4s28xQQQ", 56  # for sizes of 64 bits,
_LOCATOR, _LOCATOR_BYTES = "<4s4xQ4x", 20  # with its own place behind it


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the zip.

    Attributes:
        name: its name.
        n_bytes: its size.
        start: offset of its header.
        end: offset of what follows it.
    """

    name: bytes
    n_bytes: int
    start: int
    end: int


class TorchZip:
    """A torch file in the zip format.

    Args:
        file: the open file.
        size: its size in bytes.

    Raises:
        TorchFileError: if it is not one that torch wrote.
    """

    def __init__(self, file: BufferedReader, size: int) -> None:
        self._file = file
        self._records = _read_directory(file, size)
        pickles = [name for name in self._records if name.endswith(b"/data.pkl")]
        if len(pickles) != 1 or pickles[0].count(b"/") != 1:
            raise TorchFileError("it is a zip, but holds no weights")
        self._prefix = pickles[0].removesuffix(b"data.pkl")
        order = self._records.get(self._prefix + b"byteorder")
        if order and (order.n_bytes > 16 or self._read(order, 16) != b"little"):
            raise TorchFileError("it was written on a big-endian machine")

    def read_pickle(self, most_bytes: int) -> bytes:
        """Read the pickle.

        Raises:
            TorchFileError: if it has more than ``most_bytes``.
        """
        return self._read(self._records[self._prefix + b"data.pkl"], most_bytes)

    def allocate(self, key: str, n_bytes: int) -> Tensor:
        """Allocate the memory of a storage without reading it: (n_bytes,) uint8.

        Raises:
            TorchFileError: if its record has another size.
        """
        self._storage(key, n_bytes)
        return allocate(n_bytes)

    def fill(self, key: str, memory: Tensor) -> None:
        """Read a storage into its memory.

        Raises:
            TorchFileError: if it ends too early.
        """
        record = self._storage(key, len(memory))
        self._file.seek(self._find(record))
        if self._file.readinto(memory.numpy().data) != record.n_bytes:
            raise TorchFileError("it is damaged: it ends too early")

    def _storage(self, key: str, n_bytes: int) -> Record:
        record = self._records.get(self._prefix + b"data/" + key.encode())
        if record is None or record.n_bytes != n_bytes:
            raise TorchFileError(f"its storage {brief(key)} is not as large as it claims")
        return record

    def _read(self, record: Record, most_bytes: int) -> bytes:
        if record.n_bytes > most_bytes:
            raise TorchFileError("its table of weights is too large")
        self._file.seek(self._find(record))
        return self._file.read(record.n_bytes)

    def _find(self, record: Record) -> int:
        """Return the offset of a record's content."""
        self._file.seek(record.start)
        magic, n_name, n_extra = struct.unpack(_LOCAL, self._file.read(_LOCAL_BYTES))
        name = self._file.read(n_name)
        start = record.start + _LOCAL_BYTES + n_name + n_extra
        gap = record.end - start - record.n_bytes
        if magic != MAGIC or name != record.name or not 0 <= gap <= _LONGEST_DESCRIPTOR:
            raise TorchFileError(f"it is damaged in {brief(record.name.decode('latin-1'))}")
        return start


def _read_directory(file: BufferedReader, size: int) -> dict[bytes, Record]:
    """Read the one table of contents, which the end of the file must follow immediately."""
    ends_bytes = _END_64_BYTES + _LOCATOR_BYTES + _END_BYTES
    file.seek(max(0, size - ends_bytes))
    ends = file.read(ends_bytes).rjust(ends_bytes, b"\0")
    magic, count, n_bytes, place, n_comment = struct.unpack(_END, ends[-_END_BYTES:])
    if magic != b"PK\x05\x06" or n_comment:
        raise TorchFileError("it is damaged: its end is missing")
    stop = size - _END_BYTES
    magic, place_64 = struct.unpack(_LOCATOR, ends[_END_64_BYTES:-_END_BYTES])
    if magic == b"PK\x06\x07":
        stop = size - ends_bytes
        magic, count, n_bytes, place = struct.unpack(_END_64, ends[:_END_64_BYTES])
        if magic != b"PK\x06\x06" or place_64 != stop:
            raise TorchFileError("it is damaged: its end is missing")
    if count > _MOST_MEMBERS or n_bytes > _MOST_DIRECTORY_BYTES:
        raise TorchFileError("its table of contents is too large")
    if place + n_bytes != stop:
        raise TorchFileError("it is damaged, or two files in one")
    file.seek(place)
    return _records(file.read(n_bytes), count, place)


def _records(directory: bytes, count: int, place: int) -> dict[bytes, Record]:
    at = 0
    found = []
    for _ in range(count):
        magic, flags, method, packed, n_bytes, n_name, n_extra, n_comment, start = (
            struct.unpack_from(_CENTRAL, directory, at)
        )
        if magic != b"PK\x01\x02" or flags & 1:
            raise TorchFileError("it is damaged in its table of contents")
        if method:
            raise TorchFileError("it is compressed, which torch never does")
        if packed != n_bytes:
            raise TorchFileError("it is damaged in its table of contents")
        at += _CENTRAL_BYTES
        found.append((start, directory[at : at + n_name], n_bytes))
        at += n_name + n_extra + n_comment
    if at != len(directory) or not found:
        raise TorchFileError("it is damaged in its table of contents")
    found.sort()
    if found[0][0] != 0:
        raise TorchFileError("it is damaged, or two files in one")
    ends = [start for start, *_ in found[1:]] + [place]
    records = {}
    names = set()
    for (start, name, n_bytes), end in zip(found, ends, strict=True):
        if start + _LOCAL_BYTES + len(name) + n_bytes > end:
            raise TorchFileError("it claims more than it holds")
        records[name] = Record(name, n_bytes, start, end)
        names.add(name.decode("utf-8", "replace").casefold())
    if len(names) != len(found):
        raise TorchFileError("it has two members with the same name")
    return records
