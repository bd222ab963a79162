"""The file operations of a store; each of them can fail on Drive."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 4 * 2**20

PASSING_ERRORS = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EOPNOTSUPP, errno.ENOTCONN, errno.EDQUOT}
)
"""Errors of Drive that are worth another attempt: 5, 28, 95, 107, 122."""


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@dataclass(frozen=True)
class Files:
    """All operations that change files; tests replace them by failing ones."""

    write: Callable[[BinaryIO, bytes], object] = lambda file, data: file.write(data)
    fsync: Callable[[BinaryIO], None] = _sync
    rename: Callable[[Path, Path], None] = os.replace
    truncate: Callable[[Path], None] = lambda path: os.truncate(path, 0)
    remove: Callable[[Path], None] = os.unlink


def copy(files: Files, source: Path, target: Path) -> None:
    """Copy a file's bytes and wait until they are on the disk."""
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            files.write(writer, chunk)
        files.fsync(writer)


def write_small(files: Files, path: Path, data: bytes) -> None:
    """Replace a small file and verify its content.

    This is not ``atomic_write``: on Drive a file must be read back before it counts, each operation
    must be one of ``files``, and a run has one writer, so that the temporary name can be fixed.

    Raises:
        OSError: if an operation fails, or the bytes read differ from those written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            files.write(file, data)
            files.fsync(file)
        files.rename(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            discard(files, new)
        raise
    if path.read_bytes() != data:
        raise OSError(errno.EIO, "the bytes read differ from those written", str(path))


def digest(path: Path) -> str:
    """Return the sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def discard(files: Files, path: Path) -> None:
    """Empty a file and remove it: what lies in Drive's trash still counts against the quota."""
    with contextlib.suppress(FileNotFoundError):
        files.truncate(path)
        files.remove(path)
