"""Data files inside installed packages, found without importing anything of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def packaged_file(package: str, name: str) -> Path | None:
    """Return the path of a file or folder in an installed package; None if it is missing.

    Args:
        package: an importable name without dots.
        name: the path inside it, with slashes.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / name
    return path if path.exists() else None
