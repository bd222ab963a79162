"""Numbers to words: ``$3.50`` -> ``three dollars, fifty cents``.

The reading follows the published Tacotron models (American, no "and", years in pairs), whose
voices were trained on it; where those misread, this module reads as a person would.

Decimals: exactly two digits that do not start with 0 are read as a number, as the published
models do (12.75 -> twelve point seventy-five); all others digit by digit
(3.14159 -> three point one four one five nine, 0.05 -> zero point zero five).
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import inflect

# A longer number is a serial number or a slip, and not read as a quantity. The limit also stays
# below the sizes at which inflect (36 digits) and int (4,300 digits) raise.
_LONGEST_QUANTITY_DIGITS = 15

# symbol -> (unit, units, part, parts); 100 parts make a unit
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}

_SMALL_FRACTION = re.compile(
    r"(?<![0-9/.,])(?:(?P<whole>[0-9]{1,3}) )?"
    r"(?P<top>[1-9])/(?P<bottom>[2-9]|10)(?![0-9/]|[.,][0-9])"
)
_CLOCK = re.compile(r"(?<![0-9:])(?P<hours>[0-9]{1,2}):0(?P<minute>[0-9])(?![0-9:])")
_DOTTED = re.compile(r"(?<![0-9.])[0-9]+(?:\.[0-9]+){2,}(?![0-9])")
_NUMBER = re.compile(
    r"""
    (?P<minus>(?<![a-z0-9)'.-])-(?=[$£€.]?[0-9]))?
    (?P<currency>[$£€])?
    (?: (?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)
        (?:\.(?P<fraction>[0-9]+))?
      | (?<![a-z0-9.])\.(?P<bare_fraction>[0-9]+)
    )
    (?P<suffix>(?:st|nd|rd|th)\b|'?s\b|[ ]?%)?
    (?P<scale>[ ](?:thousand|million|billion|trillion)\b)?
    """,
    re.VERBOSE,
)


def numbers_to_words(text: str) -> str:
    """Write every number of a text in words.

    Money, ordinals (1st), years (1989), decades (1980s), times, percent, simple fractions (1/2)
    and negative numbers are understood. Numbers of more than 15 digits or with leading zeros
    are read digit by digit. Spaces separate the words from letters that touch the digits
    (r2d2 -> r two d two).

    Args:
        text: lower case.

    Returns:
        The text without ASCII digits.
    """
    text = _SMALL_FRACTION.sub(_read_small_fraction, text)
    text = _CLOCK.sub(_read_clock, text)
    text = _DOTTED.sub(_read_dotted, text)
    return _NUMBER.sub(_read_number, text)


@functools.cache
def _engine() -> inflect.engine:
    import inflect  # takes half a second, which only texts with numbers should cost

    return inflect.engine()


def _cardinal(number: int) -> str:
    return str(_engine().number_to_words(str(number), andword=""))


def _digit_by_digit(digits: str) -> str:
    return " ".join(_cardinal(int(digit)) for digit in digits)


def _is_quantity(digits: str) -> bool:
    has_leading_zero = len(digits) > 1 and digits.startswith("0")
    return not has_leading_zero and len(digits) <= _LONGEST_QUANTITY_DIGITS


def _quantity(digits: str) -> str:
    return _cardinal(int(digits)) if _is_quantity(digits) else _digit_by_digit(digits)


def _fraction(digits: str) -> str:
    if len(digits) == 2 and not digits.startswith("0"):
        return _cardinal(int(digits))
    return _digit_by_digit(digits)


def _decimal(whole: str, fraction: str) -> str:
    words = f"point {_fraction(fraction)}"
    return f"{_quantity(whole)} {words}" if whole else words


def _year(number: int) -> str:
    """Read a year in pairs: 1989, 1905, 1900; but 2004 as a number."""
    century, rest = divmod(number, 100)
    if number % 1000 < 10:
        return _cardinal(number)
    if rest == 0:
        return f"{_cardinal(century)} hundred"
    return f"{_cardinal(century)} {'oh ' if rest < 10 else ''}{_cardinal(rest)}"


def _plain(digits: str) -> str:
    if len(digits) == 4 and 1000 < int(digits) < 3000:
        return _year(int(digits))
    return _quantity(digits)


def _plural(words: str) -> str:
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _ordinal(digits: str) -> str:
    return str(_engine().number_to_words(_engine().ordinal(digits), andword=""))


def _money(symbol: str, whole: str, fraction: str, scale: str) -> str:
    unit, units, part, parts = _CURRENCIES[symbol]
    if scale or len(fraction) not in (0, 2):
        amount = _decimal(whole, fraction) if fraction else _quantity(whole)
        return f"{amount}{scale} {units}"
    is_nothing = not whole.strip("0")
    cents = int(fraction or "0")
    amounts = []
    if not is_nothing or not cents:
        amounts.append(f"{_quantity(whole or '0')} {unit if whole == '1' else units}")
    if cents:
        amounts.append(f"{_cardinal(cents)} {part if cents == 1 else parts}")
    return ", ".join(amounts)


def _read_number(match: re.Match[str]) -> str:
    digits = (match["whole"] or "").replace(",", "")
    fraction = match["fraction"] or match["bare_fraction"] or ""
    suffix, scale = match["suffix"] or "", match["scale"] or ""
    is_counted = bool(scale or "," in (match["whole"] or "") or suffix.endswith("%"))
    if match["currency"]:
        words = _money(match["currency"], digits, fraction, scale) + _spoken_suffix(suffix)
    elif fraction:
        words = _decimal(digits, fraction) + _spoken_suffix(suffix) + scale
    elif suffix in ("st", "nd", "rd", "th") and _is_quantity(digits):
        words = _ordinal(digits) + scale
    elif suffix in ("s", "'s") and digits.endswith("0") and _is_quantity(digits):
        words = _plural(_plain(digits)) + scale
    else:
        amount = _quantity(digits) if is_counted else _plain(digits)
        words = amount + _spoken_suffix(suffix) + scale
    return _set_apart(match, f"minus {words}" if match["minus"] else words)


def _spoken_suffix(suffix: str) -> str:
    if suffix.endswith("%"):
        return " percent"
    return suffix if suffix.startswith("'") or not suffix else f" {suffix}"


def _read_small_fraction(match: re.Match[str]) -> str:
    top, bottom = int(match["top"]), int(match["bottom"])
    if top >= bottom:
        return match[0]
    part = {2: "half", 4: "quarter"}.get(bottom) or _ordinal(str(bottom))
    words = f"{_cardinal(top)} {part if top == 1 else _plural(part)}"
    return _set_apart(match, f"{match['whole']} and {words}" if match["whole"] else words)


def _read_clock(match: re.Match[str]) -> str:
    minute = int(match["minute"])
    hours = _cardinal(int(match["hours"]))
    return _set_apart(match, f"{hours}:oh {_cardinal(minute)}" if minute else f"{hours} o'clock")


def _read_dotted(match: re.Match[str]) -> str:
    """Read versions and addresses: 1.2.3."""
    return _set_apart(match, " point ".join(map(_quantity, match[0].split("."))))


def _set_apart(match: re.Match[str], words: str) -> str:
    """Add spaces where the number touches a letter or another number."""
    before = match.string[: match.start()][-1:]
    after = match.string[match.end() :][:1]
    left = " " if before.isalnum() else ""
    right = " " if after.isalnum() else ""
    return left + words + right
