"""Where we run: Colab, Jupyter or a terminal; widget events in a busy cell; friendly errors."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

OUT_OF_MEMORY = (
    "The GPU's memory is full. In '3. Settings' choose a smaller batch size (16, then 8), then "
    "Runtime > Restart session and Run all: training goes on from the last save."
)


class NotebookError(Exception):
    """A problem the user can mend; a notebook shows its sentence alone, without the traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints for it (IPython asks an exception for this method)."""
        return [f"\N{WARNING SIGN} {self}"]


def friendly(function: Callable[P, T]) -> Callable[P, T]:
    """Turn the errors that users can mend into a NotebookError.

    Ours are subclasses of ValueError whose text says what, where and what next; an OSError is the
    machine's (disk full, no permission) and names its file. Anything else is a mistake in this
    program and keeps its traceback.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except torch.cuda.OutOfMemoryError as error:
            raise NotebookError(OUT_OF_MEMORY) from error
        except (ValueError, OSError) as error:
            if type(error) in (ValueError, UnicodeError):
                raise
            raise NotebookError(str(error)) from error

    return wrapper


def in_colab() -> bool:
    """Whether this is a Google Colab runtime."""
    return _is_installed("google.colab")


def has_widgets() -> bool:
    """Whether widgets can be shown: in a Jupyter kernel, not in a terminal."""
    return _kernel() is not None and _is_installed("ipywidgets")


def can_wait() -> bool:
    """Whether a busy cell can learn of clicks, which do not arrive by themselves."""
    return has_widgets() and _is_installed("jupyter_ui_poll")


@contextlib.contextmanager
def widget_events() -> Iterator[Callable[[], None]]:
    """Let a busy cell handle its widgets' events.

    Yields:
        A function to call often: it handles the clicks and key strokes that have arrived.
        It does nothing where there are none.
    """
    if not can_wait():
        yield lambda: None
        return
    from jupyter_ui_poll import ui_events

    with ui_events() as poll:
        yield lambda: poll(10)


def show(thing: Any) -> None:
    """Display a widget or an IPython object below the cell."""
    from IPython.display import display

    display(thing)


def _kernel() -> Any:
    if not _is_installed("IPython"):
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # its parent is missing, or a bare namespace
        return False
