"""Errors as a notebook's user needs them: one message that helps, or a bug report."""

from __future__ import annotations

import functools
import platform
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from ponytaco import __version__
from ponytaco.errors import PonytacoError, disk_problem
from ponytaco.formatting import shorten
from ponytaco.printable import say

P = ParamSpec("P")
T = TypeVar("T")

_MOST_SHOWN = 300  # characters of a path

OUT_OF_MEMORY = (
    "The GPU's memory is full. In '3. Settings' choose a smaller batch size (16, then 8), then "
    "Runtime > Restart session and Run all: training continues from the last save."
)


class NotebookError(PonytacoError):
    """A problem of a notebook that its user can fix."""


def explain_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate what a cell calls: errors show one message, and only bugs show a traceback.

    An error that the user can fix becomes a ``PonytacoError``, which IPython prints without a
    traceback. Anything else keeps its traceback, below a sentence that asks to report it.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except PonytacoError:
            raise
        except Exception as error:
            fixable = fixable_error(error)
            if fixable is None:
                say(*bug_report(error).split("\n"))
                raise
            raise fixable from error

    return wrapper


def fixable_error(error: Exception) -> PonytacoError | None:
    """Return an error as one that its user can fix, or None for a bug in ponytaco."""
    match error:
        case PonytacoError():
            return error
        case torch.cuda.OutOfMemoryError():
            return NotebookError(OUT_OF_MEMORY)
        case OSError(strerror=str(), filename=str(name)):
            return NotebookError(f"{shorten(name, _MOST_SHOWN)}: {disk_problem(error)}")
        case OSError():
            return NotebookError(str(error))
    return None


def bug_report(error: Exception) -> str:
    """Ask to report an unexpected error, with what a report needs: version and last lines."""
    last_lines = "".join(traceback.format_exception(error)[-2:]).rstrip()
    return (
        "This is a mistake in ponytaco. Please report it, with these lines:\n"
        f"ponytaco {__version__}, Python {platform.python_version()}, torch {torch.__version__}\n"
        f"{last_lines}"
    )
