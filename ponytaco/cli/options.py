"""Options, and types of options, that several commands take."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)


def add_device(parser: Any, default: str = "auto") -> None:
    """Add ``--device`` to a parser or to a group of one."""
    parser.add_argument(
        "--device", default=default, metavar="NAME", help="auto, cpu or cuda (%(default)s)"
    )


def text_argument(text: str) -> str:
    """Return a text that was given; for '-' that of standard input."""
    if text != "-":
        return text
    from ponytaco.io.text_files import decode_text
    from ponytaco.text.errors import TextError

    binary = getattr(sys.stdin, "buffer", None)  # what a caller put in its place may lack it
    if binary is None:
        return sys.stdin.read()
    return decode_text(binary.read(), "Standard input", TextError)


def within(low: float, high: float) -> Callable[[str], float]:
    """Return an argparse type: a number from ``low`` to ``high``."""
    return _checked(float, lambda value: low <= value <= high, f"a number from {low:,} to {high:,}")


def whole_within(low: float, high: float) -> Callable[[str], int]:
    """Return an argparse type: a whole number from ``low`` to ``high``."""
    wanted = f"a whole number from {low:,} to {high:,}"
    return _checked(int, lambda value: low <= value <= high, wanted)


def _checked(
    kind: Callable[[str], Number], is_allowed: Callable[[Number], bool], wanted: str
) -> Callable[[str], Number]:
    def number(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not is_allowed(value):
            raise argparse.ArgumentTypeError(f"'{text}' is not possible: give {wanted}")
        return value

    return number


positive = _checked(float, lambda value: 0 < value < math.inf, "a number above 0")
"""An argparse type: a finite number above 0."""
