"""Kinds of values that several commands take; argparse says which option is wrong."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def within(low: float, high: float) -> Callable[[str], float]:
    """A number with these bounds."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"'{text}' cannot be: give a number from {low:,} to {high:,}"
            )
        return value

    return number


def whole_within(low: float, high: float) -> Callable[[str], int]:
    """A whole number with these bounds."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"'{text}' cannot be: give a whole number from {low:,} to {high:,}"
            )
        return value

    return number


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' cannot be: give a number above 0")
    return value
