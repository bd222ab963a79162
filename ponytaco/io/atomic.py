"""Files that are there whole, or as they were before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside its place; it takes the place when the block ends well.

    Whatever is raised within, or by the renaming, nothing is left of it.

    Args:
        path: the place.

    Yields:
        Where to write: hidden, in the same folder, and no other process's.

    Raises:
        OSError: it cannot take the place.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # a read-only disk refuses to delete, even what is not
            temporary.unlink()
        raise
