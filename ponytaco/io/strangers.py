"""Files in folders of strangers: links may not lead out of these, and nothing is waited for."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

MOST_WEIGHTS_BYTES = 4 * 2**30
"""Limit of a file with weights. The published models with their optimizers are below 0.4 GB."""

LINK_OUTSIDE = "is a link that leads out of the folder"
"""What to say of a path that is not inside; to follow its name."""


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file to read; a folder, a pipe or a device is refused at once.

    Raises:
        OSError: if it cannot be read, or is not a file.
    """
    # Looked at before it is opened, for that alone may act on a device, and once more afterwards,
    # for it may have been replaced. Without O_NONBLOCK a pipe would be waited for.
    _require_regular(os.stat(path), path)
    with open(path, "rb", opener=_open_at_once) as file:
        _require_regular(os.fstat(file.fileno()), path)
        yield file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def weights_size(file: io.BufferedReader, too_large: Callable[[str], Exception]) -> int:
    """Return the size of a file with weights, in bytes.

    Args:
        file: the file, which is left at its start.
        too_large: makes the error about one that is larger than any voice.
    """
    size = file.seek(0, io.SEEK_END)
    if size > MOST_WEIGHTS_BYTES:
        limit = f"{MOST_WEIGHTS_BYTES >> 30} GB"
        raise too_large(f"it has {size / 2**30:.1f} GB, more than any voice ({limit})")
    file.seek(0)
    return size


def inside(folder: Path) -> Callable[[Path], bool]:
    """Return a check whether a path in a folder leads to a place inside it, links followed.

    The folder itself may be a link: its user has named it.
    """
    root = Path(os.path.realpath(folder))
    known: dict[Path, bool] = {}

    def is_inside(path: Path) -> bool:
        parent = path.parent
        if parent not in known:
            known[parent] = _resolves_into(parent, root)
        # A name such as `..` leads elsewhere without a link.
        if known[parent] and path.name != ".." and not path.is_symlink():
            return True
        return _resolves_into(path, root)

    return is_inside


def _resolves_into(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # links in a circle, or not a file name
        return False
