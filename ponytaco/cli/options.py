"""Options, and types of options, that several commands take."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)


def add_device(parser: Any, default: str = "auto") -> None:
    """Add ``--device`` to a parser or to a group of one."""
    parser.add_argument(
        "--device", default=default, metavar="NAME", help="auto, cpu or cuda (%(default)s)"
    )


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
