"""Locks: one process at a time writes a folder or a file, and a second one is told."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ponytaco.errors import PonytacoError

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def sole_writer(path: Path, error: type[PonytacoError]) -> Iterator[None]:
    """Keep other processes from writing the same file or folder within the block.

    The lock is a hidden file beside it, which a killed process leaves without its lock. Where there
    are no locks, as on Windows and some network disks, nothing is kept from anyone.

    Args:
        path: what is written; its folder must exist.
        error: the class of what is raised.

    Raises:
        error: another process is at it.
    """
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _acquire(lock, path, error)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                lock.unlink()
            os.close(descriptor)


def _acquire(lock: Path, path: Path, error: type[PonytacoError]) -> int | None:
    while sys.platform != "win32":
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), lock.lstat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise error(
                f"{path}: is being written by another process. Wait until that has finished, then "
                "run the same command again."
            ) from None
        except FileNotFoundError:
            pass
        except OSError:  # a disk without locks
            os.close(descriptor)
            with contextlib.suppress(OSError):
                lock.unlink()
            return None
        os.close(descriptor)  # its writer has just deleted it: another try
    return None
