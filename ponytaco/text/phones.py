"""ARPAbet: pronunciations in braces, and dictionaries that supply them.

In a text, ``{HH AH0 L OW1}`` is spoken phone by phone. Braces that hold anything but phones are
ignored, and their content is read as ordinary text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ponytaco.text.symbols import PHONES

BRACES = re.compile(r"\{([^{}]*)\}")
"""A pair of braces; group 1 is its content, ARPAbet or not."""

WORD = re.compile(r"(?:\{[^{}]*\}|\S)+")
"""A word up to the next space; the spaces within braces belong to it."""

_PHONES = frozenset(PHONES)


class Piece(NamedTuple):
    """A stretch of a text: ordinary text, or else phones."""

    text: str
    phones: tuple[str, ...] = ()

    def __str__(self) -> str:
        return in_braces(self.phones) if self.phones else self.text


def in_braces(phones: tuple[str, ...] | list[str]) -> str:
    """Write phones as they stand in a text: ``{HH AH0 L OW1}``."""
    return "{" + " ".join(phones) + "}"


def parse_phones(text: str) -> tuple[str, ...] | None:
    """Read phones separated by spaces, in any case; None where one does not exist."""
    phones = tuple(text.upper().split())
    return phones if phones and _PHONES.issuperset(phones) else None


def is_pronounced(text: str) -> bool:
    """Whether a text has a pronunciation in braces."""
    return any(parse_phones(braces[1]) for braces in BRACES.finditer(text))


def bare_phones(text: str) -> tuple[str, ...] | None:
    """Read a text that is phones without braces, some with a stress; None for any other text."""
    phones = parse_phones(text) if text.isupper() else None
    return phones if phones and any(phone[-1].isdigit() for phone in phones) else None


def wrong_phone(phones: Sequence[str]) -> str:
    """Explain the first of these that does not exist, in a sentence; empty if all do."""
    for phone in phones:
        if phone.upper() in _PHONES:
            continue
        letters = phone.upper().rstrip("0123456789")
        if letters + "1" in _PHONES:
            hint = f"its stress is 0, 1 or 2: {letters}0, {letters}1, {letters}2."
        elif letters in _PHONES:
            hint = f"only vowels have a stress, so write {letters}."
        else:
            plain = [known for known in PHONES if not known[-1].isdigit()]
            close = difflib.get_close_matches(letters, plain, n=3, cutoff=0.5)
            hint = (
                f"did you mean {' or '.join(close)}?"
                if close
                else f"the phones are {', '.join(plain)}."
            )
        return f"'{phone}' is not an ARPAbet phone; {hint}"
    return ""


def split_braces(text: str) -> Iterator[Piece]:
    """Split a text into ordinary text and pronunciations, in order.

    The content of braces that hold no ARPAbet joins the text around them.
    """
    ordinary = ""
    end = 0
    for braces in BRACES.finditer(text):
        ordinary += text[end : braces.start()]
        end = braces.end()
        phones = parse_phones(braces[1])
        if phones is None:
            ordinary += braces[1]
            continue
        if ordinary:
            yield Piece(ordinary)
        yield Piece("", phones)
        ordinary = ""
    ordinary += text[end:]
    if ordinary:
        yield Piece(ordinary)
