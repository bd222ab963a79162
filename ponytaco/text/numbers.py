"""Numbers to words: ``$3.50`` -> ``three dollars, fifty cents``.

The reading follows the published Tacotron models (American, no "and", years in pairs), whose
voices were trained on it; where those misread, the classes of ``normalize`` read as a person would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ponytaco.text.normalize.addresses import read_postal_addresses
from ponytaco.text.normalize.arithmetic import read_arithmetic
from ponytaco.text.normalize.dates import read_dates
from ponytaco.text.normalize.fractions import read_fractions
from ponytaco.text.normalize.measures import read_measures
from ponytaco.text.normalize.money import read_money
from ponytaco.text.normalize.plain import read_plain_numbers
from ponytaco.text.normalize.telephone import read_telephone
from ponytaco.text.normalize.times import read_times

# In this order: each reads what the ones before it leave.
_CLASSES: tuple[Callable[[str], str], ...] = (
    read_postal_addresses,
    read_telephone,
    read_dates,
    read_arithmetic,
    read_times,
    read_money,
    read_measures,
    read_fractions,
    read_plain_numbers,
)
# No class looks further than this around a number.
_REACH = 80
_LONG_PIECE = 800
_SENTENCE_END = re.compile(r"[.!?] (?=[A-Z])")
_DIGITS = re.compile(r"[0-9]+")


def numbers_to_words(text: str) -> str:
    """Write every number of a text in words.

    Spaces separate the words from letters that touch the digits (r2d2 -> r two d two).

    Returns:
        The text without ASCII digits.
    """
    return "".join(
        _read(piece) if is_near_digits else stretch
        for stretch, is_near_digits in _stretches(text)
        for piece in (_pieces(stretch) if is_near_digits else (stretch,))
    )


def _read(text: str) -> str:
    for read in _CLASSES:
        if not _DIGITS.search(text):
            break
        text = read(text)
    return text


def _pieces(text: str) -> Iterator[str]:
    """Cut a text of many numbers, so that no class goes through what others have read already.

    The cuts are at ends of sentences, or else between words.
    """
    start = 0
    while len(text) - start > _LONG_PIECE:
        least, most = start + _LONG_PIECE // 2, start + _LONG_PIECE
        end = _SENTENCE_END.search(text, least, most)
        cut = end.end() if end else text.rfind(" ", least, most) + 1 or text.find(" ", most) + 1
        if not cut:
            break
        yield text[start:cut]
        start = cut
    yield text[start:]


def _stretches(text: str) -> Iterator[tuple[str, bool]]:
    """Cut a text into stretches near digits, which are read, and others, which need no time."""
    done, start, end = 0, -1, -1
    for digits in _DIGITS.finditer(text):
        if start >= 0 and digits.start() - _REACH > end:
            yield text[done:start], False
            yield text[start:end], True
            done, start = end, -1
        if start < 0:
            start = max(done, _space_before(text, digits.start() - _REACH))
        end = _space_after(text, digits.end() + _REACH)
    if start >= 0:
        yield text[done:start], False
        yield text[start:end], True
        done = end
    yield text[done:], False


def _space_before(text: str, place: int) -> int:
    return max(0, text.rfind(" ", max(0, place - _REACH), max(0, place)) + 1 or place)


def _space_after(text: str, place: int) -> int:
    found = text.find(" ", place, place + _REACH)
    return found if found >= 0 else place
