"""The few operations on files that a store needs; each of them can fail on Drive."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 4 * 2**20

PASSING_ERRORS = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EOPNOTSUPP, errno.ENOTCONN, errno.EDQUOT}
)
"""Errors of Drive that may be gone a moment later: 5, 28, 95, 107, 122."""


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@dataclass(frozen=True)
class Files:
    """What changes files. Tests put failing operations in the place of these."""

    write: Callable[[BinaryIO, bytes], object] = lambda file, data: file.write(data)
    fsync: Callable[[BinaryIO], None] = _sync
    rename: Callable[[Path, Path], None] = os.replace
    truncate: Callable[[Path], None] = lambda path: os.truncate(path, 0)
    remove: Callable[[Path], None] = os.unlink


def copy(files: Files, source: Path, target: Path) -> None:
    """Copy a file's bytes and wait until they are on the disk."""
    with source.open("rb") as reader, target.open("wb") as writer:
        for chunk in _chunks(reader):
            files.write(writer, chunk)
        files.fsync(writer)


def write_small(files: Files, path: Path, data: bytes) -> None:
    """Replace a small file, and read it again.

    Raises:
        OSError: also when other bytes are read than were written.
    """
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        files.write(file, data)
        files.fsync(file)
    files.rename(new, path)
    if path.read_bytes() != data:
        raise OSError(errno.EIO, "other bytes are read than were written", str(path))


def digest(path: Path) -> str:
    """The sha256 of a file, as 64 hexadecimal digits."""
    result = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            result.update(chunk)
    return result.hexdigest()


def discard(files: Files, path: Path) -> None:
    """Remove a file, emptied first: what Drive's trash keeps still counts against the quota."""
    with contextlib.suppress(FileNotFoundError):
        files.truncate(path)
        files.remove(path)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
