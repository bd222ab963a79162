"""Numbers in words, as the published Tacotron models read them: American, no "and".

Hyphens and commas are those that the models were trained with: ``one thousand, nine hundred
eighty-nine``.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import inflect

# A longer number is a serial number or a slip, and not read as a quantity.
LONGEST_QUANTITY_DIGITS = 15

_SCALES = ("", " thousand", " million", " billion", " trillion")
_LAST_WORD = re.compile(r"[a-z]+$")

# A text repeats its numbers, and a megabyte of them shall take seconds.
_remembered = functools.lru_cache(maxsize=4096)


@_remembered
def cardinal(number: int) -> str:
    """Read a number below 10 ** 15: one thousand, nine hundred eighty-nine."""
    if number < 1000:
        return _below_thousand(number)
    words = ""
    for power in range(len(_SCALES) - 1, -1, -1):
        group = number // 1000**power % 1000
        if group:
            comma = " " if power == 0 and group < 100 else ", "
            words += (comma if words else "") + _below_thousand(group) + _SCALES[power]
    return words


@functools.cache
def _inflect() -> inflect.engine:
    import inflect  # it takes a while, and most texts have no numbers

    return inflect.engine()


# inflect takes a millisecond: it is asked for the thousand groups, and for single words.
@functools.cache
def _below_thousand(number: int) -> str:
    return str(_inflect().number_to_words(str(number), andword=""))


@_remembered
def ordinal(number: int) -> str:
    """Read a number as a rank: twenty-first, one thousandth."""
    return _LAST_WORD.sub(lambda last: _rank(last[0]), cardinal(number))


@functools.cache
def _rank(word: str) -> str:
    return str(_inflect().ordinal(word))


def plural(words: str) -> str:
    """Put the last word of a number's reading in the plural: nineties, sixes, thirds."""
    return _LAST_WORD.sub(lambda last: _plural(last[0]), words)


@functools.cache
def _plural(word: str) -> str:
    return str(_inflect().plural(word))


def digit_by_digit(digits: str) -> str:
    """Read digits one by one: zero zero seven."""
    return " ".join(_below_thousand(int(digit)) for digit in digits)


@_remembered
def quantity(digits: str) -> str:
    """Read digits, with commas or without, as a quantity; serial numbers digit by digit."""
    digits = digits.replace(",", "")
    has_leading_zero = len(digits) > 1 and digits.startswith("0")
    if has_leading_zero or len(digits) > LONGEST_QUANTITY_DIGITS:
        return digit_by_digit(digits)
    return cardinal(int(digits))


def year(number: int) -> str:
    """Read a year in pairs: 1989, 1905, 1900; but 2004 as a number."""
    century, rest = divmod(number, 100)
    if number % 1000 < 10 or not century:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


@_remembered
def plain(digits: str) -> str:
    """Read digits without context: four as a year, others as a quantity."""
    if len(digits) == 4 and 1000 < int(digits) < 3000:
        return year(int(digits))
    return quantity(digits)


@_remembered
def decimal(number: str) -> str:
    """Read a number that may have commas and a fraction: twelve point seventy-five.

    A fraction of exactly two digits that do not start with 0 is read as a number, as the published
    models do; all others digit by digit.
    """
    whole, point, fraction = number.partition(".")
    if not point:
        return quantity(whole)
    is_number = len(fraction) == 2 and not fraction.startswith("0")
    words = f"point {cardinal(int(fraction)) if is_number else digit_by_digit(fraction)}"
    return f"{quantity(whole)} {words}" if whole else words


def letters(word: str) -> str:
    """Read a word's letters by their names: ``PM`` -> ``p m``."""
    return " ".join(word.lower())


def set_apart(match: re.Match[str], words: str) -> str:
    """Add spaces to the reading of a match where it touches a letter or a number."""
    text, (start, end) = match.string, match.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    left = " " if before.isalnum() else ""
    right = " " if after.isalnum() else ""
    return left + words + right


# A sentence that follows begins with a capital or a number, perhaps after quotes or brackets.
_BEGINNING = re.compile(r"[\"'”’)\]]*(?:\s*$|\s+[\"'“‘(\[]*(?P<number>[0-9$£€])?(?(number)|[A-Z]))")


def end_mark(match: re.Match[str], before_numbers: bool = True) -> str:
    """Return the full stop of an abbreviation that a match ends with, if a sentence ends there.

    Args:
        match: of the abbreviation, its full stop included.
        before_numbers: whether a number that follows may begin a sentence: not in "5 ft. 3 in."
    """
    if not match[0].endswith("."):
        return ""
    beginning = _BEGINNING.match(match.string[match.end() : match.end() + 40])
    return "." if beginning and (before_numbers or not beginning["number"]) else ""
