"""Where we run: Colab, Jupyter or a terminal; and errors that tell a user what to do."""

from __future__ import annotations

import functools
import importlib.util
import platform
import traceback
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch

from ponytaco import __version__
from ponytaco.errors import PonytacoError

P = ParamSpec("P")
T = TypeVar("T")

OUT_OF_MEMORY = (
    "The GPU's memory is full. In '3. Settings' choose a smaller batch size (16, then 8), then "
    "Runtime > Restart session and Run all: training goes on from the last save."
)


class NotebookError(PonytacoError):
    """A cell cannot do what was asked; the message tells what to do."""


def friendly(function: Callable[P, T]) -> Callable[P, T]:
    """Show errors in a notebook as its user needs them.

    A ``PonytacoError`` shows its message alone, as does an ``OSError`` (disk full, no permission),
    which names its file. Anything else is a bug: it keeps its traceback, below a sentence that asks
    to report it.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except torch.cuda.OutOfMemoryError as error:
            raise NotebookError(OUT_OF_MEMORY) from error
        except PonytacoError:
            raise
        except OSError as error:
            raise NotebookError(str(error)) from error
        except Exception as error:
            print(bug_report(error))
            raise

    return wrapper


def bug_report(error: Exception) -> str:
    """Ask to report an unexpected error, with what a report needs: version and last lines."""
    last_lines = "".join(traceback.format_exception(error)[-2:]).rstrip()
    return (
        "This is a mistake in ponytaco. Please report it, with these lines:\n"
        f"ponytaco {__version__}, Python {platform.python_version()}, torch {torch.__version__}\n"
        f"{last_lines}"
    )


@friendly
def greet(exit_code: int | None) -> None:
    """Say that the installation is done.

    Args:
        exit_code: of pip, as IPython keeps it; None where it does not.

    Raises:
        NotebookError: pip failed, whatever is installed from earlier.
    """
    if exit_code:
        raise NotebookError(
            "The installation failed; the lines above say why. Check the address and the "
            "connection to the internet, and run this cell again."
        )
    print(f"ponytaco {__version__} is installed; no restart is needed.")


def in_colab() -> bool:
    """Whether this is a Google Colab runtime."""
    return is_installed("google.colab")


def has_widgets() -> bool:
    """Whether widgets can be shown: in a Jupyter kernel, not in a terminal."""
    return kernel() is not None and is_installed("ipywidgets")


def show(thing: Any) -> None:
    """Display a widget or an IPython object below the cell."""
    from IPython.display import display

    display(thing)


def kernel() -> Any:
    """The Jupyter kernel that runs this, or None in a terminal."""
    if not is_installed("IPython"):
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def is_installed(module: str) -> bool:
    """Whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # its parent is missing, or a bare namespace
        return False
