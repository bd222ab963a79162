"""The file operations of a store; each of them can fail on Drive."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

_R = TypeVar("_R")

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


def attempts(work: Callable[[], _R], delays: tuple[float, ...]) -> _R:
    """Return what ``work`` returns, called again after errors of the disk that pass.

    Args:
        work: the call.
        delays: seconds to wait before each new attempt.
    """
    for delay in delays:
        try:
            return work()
        except OSError as error:
            if error.errno not in PASSING_ERRORS:
                raise
        time.sleep(delay)
    return work()


def is_there(path: Path) -> bool:
    """Whether there is a file; ``Path.is_file`` denies it where the disk does not answer.

    Raises:
        OSError: if the disk does not tell.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def files_named(folder: Path, pattern: str) -> list[Path]:
    """List the files of a name in a folder; ``Path.glob`` passes over a folder that does not open.

    Raises:
        OSError: if the disk does not tell.
    """
    try:
        names = fnmatch.filter(os.listdir(folder), pattern)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for name in names if is_there(path := folder / name)]


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
