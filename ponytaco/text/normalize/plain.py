"""Numbers that nothing around them explains: quantities, years, ranks, versions, serial numbers."""

from __future__ import annotations

import re

from ponytaco.text.normalize.arithmetic import POWER, read_power
from ponytaco.text.normalize.words import (
    LONGEST_QUANTITY_DIGITS,
    cardinal,
    decimal,
    digit_by_digit,
    ordinal,
    plain,
    plural,
    quantity,
    set_apart,
)

_LONG = re.compile(rf"(?<![0-9])[0-9]{{{LONGEST_QUANTITY_DIGITS + 1},}}")
_DOTTED = re.compile(r"(?<![0-9.])[0-9]{1,15}(?:\.[0-9]{1,15}){2,40}(?![0-9])")
# A number of five digits that counts nothing is a code: 90210.
_CODE = re.compile(r"(?<![\w.,/:$£€'-])(?P<digits>[0-9]{5})(?![\w'/:%-]|[.,][0-9]| [a-z(])")
_ALONE = re.compile(r"(?:^|(?<=[.!?] ))(?P<digits>[0-9]{5,6})(?=[.!?]?(?:$| [A-Z]))", re.MULTILINE)
# Laws are named by their sections: 401(k).
_SECTION = re.compile(r"(?<![\w.,])(?P<first>[1-9])0(?P<last>[1-9])\((?P<letter>[a-z])\)")
_PER_LETTER = re.compile(r"(?<![\w.,/])(?P<number>[0-9]{1,6})/(?=[a-zA-Z](?:\W|$))(?![a-zA-Z]-)")
# "1.5M views", but "a 5B pencil" and "0.1 M"
_SHORT_SCALE = re.compile(
    r"(?<![\w.,])(?P<number>[0-9]{1,3}\.[0-9]{1,3}(?=[MB])|[0-9]{1,3}(?=M))(?P<scale>[MB])\b"
)
_SERIAL_SLASH = re.compile(r"(?<=[0-9])/(?=[a-zA-Z]-[0-9])")
_NUMBER = re.compile(
    r"""
    (?P<minus>(?<![a-z0-9)'.-])-(?=\.?[0-9]))?
    (?: (?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)
        (?:\.(?P<fraction>[0-9]+))?
      | (?<![a-z0-9.])\.(?P<bare_fraction>[0-9]+)
    )
    (?P<suffix>(?:st|nd|rd|th)\b|(?<!-[0-9])'?s\b|[ ]?%)?
    (?P<scale>[ ](?:thousand|million|billion|trillion)\b)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TIMES = re.compile(
    r"(?<![\w.,])(?P<number>[0-9]{1,4}(?:\.[0-9]{1,3})?)x"
    r"(?= (?:(?:as|more|less|the|better|worse)\b|[a-z]{2,20}er\b))"
)
_IN_PAIRS = re.compile(
    r"(?i:\b(?P<kind>flight|room|gate|route|highway|channel|platform|apartment|suite) )"
    r"(?P<first>[1-9])(?P<last>0[1-9]|[1-9][0-9])(?![\w]|[.,:/-][0-9])"
)
_RANKS = {"1": "st", "2": "nd", "3": "rd"}


def read_plain_numbers(text: str) -> str:
    """Write all numbers that are left in words."""
    text = _SHORT_SCALE.sub(_read_short_scale, text)
    text = _TIMES.sub(lambda match: f"{match['number']} times", text)
    text = _IN_PAIRS.sub(_read_in_pairs, text)
    text = _CODE.sub(_read_code, text)
    text = _ALONE.sub(lambda match: digit_by_digit(match["digits"]), text)
    if "." in text:
        text = _DOTTED.sub(_read_dotted, text)
    if "(" in text:
        text = _SECTION.sub(lambda m: f"{m['first']} oh {m['last']} {m['letter']} ", text)
    if "/" in text:
        text = _SERIAL_SLASH.sub(" ", text)
        text = _PER_LETTER.sub(lambda match: f"{match['number']} per ", text)
    if "^" in text:
        text = POWER.sub(read_power, text)
    text = _LONG.sub(lambda match: set_apart(match, digit_by_digit(match[0])), text)
    return _NUMBER.sub(_read_number, text)


def _read_short_scale(match: re.Match[str]) -> str:
    return f"{match['number']} {'million' if match['scale'] == 'M' else 'billion'}"


def _read_code(match: re.Match[str]) -> str:
    if match["digits"].endswith("00"):
        return match[0]
    return digit_by_digit(match["digits"])


def _read_dotted(match: re.Match[str]) -> str:
    """Read versions: 1.2.3."""
    return set_apart(match, " point ".join(map(quantity, match[0].split("."))))


def _read_number(match: re.Match[str]) -> str:
    minus, whole, fraction, bare, suffix, scale = match.groups()
    if whole and not (minus or fraction or suffix or scale or "," in whole):
        return set_apart(match, plain(whole))
    whole, fraction = whole or "", fraction or bare or ""
    suffix, scale = (suffix or "").lower(), (scale or "").lower()
    is_counted = bool(scale or "," in whole or suffix.endswith("%"))
    digits = whole.replace(",", "")
    if fraction:
        words = decimal(f"{whole}.{fraction}") + _spoken_suffix(suffix)
    elif suffix in ("st", "nd", "rd", "th") and suffix == _rank_ending(digits):
        words = ordinal(int(digits))
    elif suffix in ("s", "'s") and _is_quantity(digits):
        words = plural(_in_pairs(digits))
    else:
        amount = quantity(digits) if is_counted else plain(digits)
        words = amount + _spoken_suffix(suffix)
    return set_apart(match, f"minus {words}{scale}" if minus else words + scale)


def _is_quantity(digits: str) -> bool:
    has_leading_zero = len(digits) > 1 and digits.startswith("0")
    return not has_leading_zero and len(digits) <= LONGEST_QUANTITY_DIGITS


def _read_in_pairs(match: re.Match[str]) -> str:
    """Read the number of a room or a flight: one oh one, seven forty-seven."""
    last = match["last"]
    words = f"oh {cardinal(int(last))}" if last.startswith("0") else cardinal(int(last))
    return f"{match['kind']} {cardinal(int(match['first']))} {words}"


def _in_pairs(digits: str) -> str:
    """Read the number of a model: 747s are seven forty-sevens."""
    if len(digits) == 3 and digits[1] != "0":
        return f"{cardinal(int(digits[0]))} {cardinal(int(digits[1:]))}"
    return plain(digits)


def _rank_ending(digits: str) -> str:
    if not _is_quantity(digits):
        return ""
    return "th" if digits[-2:-1] == "1" else _RANKS.get(digits[-1], "th")


def _spoken_suffix(suffix: str) -> str:
    if suffix.endswith("%"):
        return " percent"
    return suffix if suffix.startswith("'") or not suffix else f" {suffix}"
