"""Atomic writes: a file is complete or as it was before, whatever happens in between."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Write a temporary file and rename it to its place when the block ends without an error.

    After an error nothing of it is left. What a killed process leaves is overwritten by the next
    one that writes the same file; two that write at once do not meet, and the last rename wins.

    Args:
        path: the file to create or replace.
        durable: wait until the bytes are on the disk before renaming, for what cannot be made
            again: after a loss of power the new name could have no content.

    Yields:
        The temporary file to write into: hidden, in the same folder.

    Raises:
        OSError: if it cannot be renamed, or there is a device or a link to one, as /dev/stdout.
    """
    _refuse_to_replace_devices(path)
    temporary, lock = _temporary(path)
    try:
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # a read-only disk refuses to delete, even what is not
            temporary.unlink()
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _refuse_to_replace_devices(path: Path) -> None:
    # A privileged user, as on Colab, would lose the device, or the link to it: a file takes its
    # place. A pipe in a folder of files may be lost.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = os.stat(path).st_mode
        is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        if is_device or (path.is_symlink() and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def _temporary(path: Path) -> tuple[Path, int | None]:
    """Choose a temporary file that no living process writes, and lock it.

    Returns:
        Its path, and the descriptor that holds the lock until it is closed; None where there are
        no locks, and the process's number keeps writers apart.
    """
    for number in itertools.count() if sys.platform != "win32" else ():
        temporary = path.with_name(f".{path.name}.{number}.part")
        try:
            lock = os.open(temporary, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o666)
        except OSError:  # another user's, or no such folder, which the caller will notice
            break
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # its writer is alive
            os.close(lock)
            continue
        except OSError:  # a disk without locks
            os.close(lock)
            temporary.unlink(missing_ok=True)
            break
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), temporary.lstat()):
                os.truncate(lock, 0)
                return temporary, lock
        os.close(lock)  # its writer has just renamed it: it is the file itself now
    return path.with_name(f".{path.name}.{os.getpid()}.part"), None
