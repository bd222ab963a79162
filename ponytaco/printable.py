"""Texts on their way to a terminal, a page or a picture: nothing in them can steer what shows them.

Names, tags and the like come from files of strangers. ``printable`` is applied where texts leave,
in ``say``, ``escape`` and ``PonytacoError``, so that no call site needs to think of it. All of
these take a line at a time: a line break inside a text is shown and breaks nothing.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import unicodedata
from typing import IO, Any, NoReturn

_NOT_ASCII = re.compile(r"[^ -~]")
# Letters and marks by their categories, but without a shape.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def printable(text: object) -> str:
    r"""Write a text on one line, with escapes such as ``\x1b`` for what has no shape of its own.

    Those are control characters, line breaks, direction marks, zero-width characters and lone
    surrogates. A text that has passed stays the same when it passes again.
    """
    return _NOT_ASCII.sub(_shown, str(text))


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable() and char not in _INVISIBLE:
        return char
    if unicodedata.category(char) == "Zs":  # no-break spaces and the like
        return " "
    return char.encode("unicode_escape").decode("ascii")


def brief(value: object, most: int = 40) -> str:
    """Write any value from a file in at most so many characters, for a message."""
    try:
        text = str(value)
    # Python writes no integer of thousands of digits, and no lists nested hundreds deep.
    except (ValueError, RecursionError):
        return "0x…" if isinstance(value, int) else f"{type(value).__name__} …"
    return printable(text if len(text) <= most else text[: most - 1] + "…")


def escape(text: object) -> str:
    """Escape a text for HTML, after making it printable."""
    return html.escape(printable(text))


def say(*lines: object, file: IO[str] | None = None) -> None:
    """Print lines, each made printable, and with escapes for what the stream cannot encode.

    Args:
        *lines: one or several, each without a line break.
        file: the stream; standard output by default.
    """
    stream = file or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "\n".join(map(printable, lines))
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's parser, with messages that are printable on any terminal."""

    def error(self, message: str) -> NoReturn:
        """Exit with a message of one line."""
        super().error(brief(message, 1000))

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            say(*message.removesuffix("\n").split("\n"), file=file)
