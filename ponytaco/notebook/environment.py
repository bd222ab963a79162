"""The environment of a notebook: Colab, Jupyter or a terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from typing import Any

from ponytaco import __version__
from ponytaco.notebook.errors import explain_errors
from ponytaco.printable import say

_MOST_SECONDS = 180


@explain_errors
def finish_installation() -> None:
    """Install what pip's extras cannot, and print the version."""
    _install_weights()
    say(f"ponytaco {__version__} is installed; no restart is needed.")


def _install_weights() -> None:
    """Install what two of the judges need of packages that ask for much more; see evaluation.md.

    Voices are learnt all the same where that fails.
    """
    missing = [name for name in ("distillmos", "resemblyzer") if not is_installed(name)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *missing]
    if missing:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, capture_output=True, timeout=_MOST_SECONDS)
        importlib.invalidate_caches()


def in_colab() -> bool:
    """Tell whether this is a Google Colab runtime."""
    return is_installed("google.colab")


def has_widgets() -> bool:
    """Tell whether widgets can be shown: in a Jupyter kernel, not in a terminal."""
    return kernel() is not None and is_installed("ipywidgets")


def show(thing: Any) -> None:
    """Display a widget or an IPython object below the cell."""
    from IPython.display import display

    display(thing)


def kernel() -> Any:
    """Return the running Jupyter kernel, or None in a terminal."""
    if not is_installed("IPython"):
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def is_installed(module: str) -> bool:
    """Tell whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # its parent is missing, or a bare namespace
        return False
