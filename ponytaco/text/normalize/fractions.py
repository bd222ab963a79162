"""Fractions: 1/2, 2 3/4, 22/3, 1/4th; and what only looks like one: 24/7, 9/11, 10/10."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import cardinal, ordinal, plural, set_apart, year

_FRACTION = re.compile(
    r"(?<![\w/.,$£€-])(?:(?P<whole>[0-9]{1,3}) )?(?P<top>[0-9]{1,9}) ?/ ?(?P<bottom>[0-9]{1,9})"
    r"(?P<rank>st|nd|rd|th)?s?(?: ?(?P<unit>lbs?|oz|mi|km|kg|tsp|tbsp|hrs?|ft|yd|gal|mm|cm)\b)?"
    r"(?![\w/-]|[.,][0-9])",
    re.I,
)
# "9/10 stars", "I got 7/10": a mark, and no part of anything.
_MARKS = (5, 10, 20, 100)
_GOT = re.compile(r"\b(?:got|scored|rated?|gave|gives?|given)(?: (?:it|me|her|him|a|an))? $", re.I)
_OF_MARKS = re.compile(r" (?:stars?|points?|marks?|would)\b", re.I)
_UNITS = {"lb": "pound", "oz": "ounce", "mi": "mile", "km": "kilometer", "kg": "kilogram",
          "tsp": "teaspoon", "tbsp": "tablespoon", "hr": "hour", "ft": "foot", "yd": "yard",
          "gal": "gallon", "mm": "millimeter", "cm": "centimeter"}  # fmt: skip
_PAIRS = frozenset(("24/7", "9/11", "7/11", "50/50", "60/40", "80/20", "20/20"))

VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5",
          "⅗": "3/5", "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8",
          "⅞": "7/8"}  # fmt: skip
"""Fractions that are one character."""


def read_fractions(text: str) -> str:
    """Write the fractions of a text in words."""
    return _FRACTION.sub(_read, text) if "/" in text else text


def _read(match: re.Match[str]) -> str:
    top, bottom = int(match["top"]), int(match["bottom"])
    if f"{match['top']}/{match['bottom']}" in _PAIRS and not match["rank"]:
        return _whole(match) + f"{cardinal(top)} {cardinal(bottom)}"
    if match["top"] == f"{top:04}" and len(match["bottom"]) == 2 and bottom == (top + 1) % 100:
        season = cardinal(bottom) if bottom >= 10 else year(top + 1)
        return f"{year(top)} to {season}"
    if (top == bottom and bottom >= 5) or (top <= bottom and _is_mark(match, bottom)):
        return _whole(match) + f"{cardinal(top)} out of {cardinal(bottom)}"
    if bottom < 2 or match["bottom"].startswith("0") or match["top"].startswith("0"):
        return match[0]
    part = {2: "half", 4: "quarter"}.get(bottom) or ordinal(bottom)
    words = f"{cardinal(top)} {part if top == 1 else plural(part)}"
    if match["whole"]:
        words = f"{cardinal(int(match['whole']))} and {words}"
    if match["unit"]:
        words += f" {_UNITS[match['unit'].lower().removesuffix('s')]}"
        words += "s" if match["whole"] and not words.endswith("foot") else ""
    return set_apart(match, words)


def _is_mark(match: re.Match[str], most: int) -> bool:
    text, (start, end) = match.string, match.span()
    is_told = _GOT.search(text[max(0, start - 20) : start]) or _OF_MARKS.match(text[end : end + 8])
    return most in _MARKS and not match["rank"] and not match["unit"] and bool(is_told)


def _whole(match: re.Match[str]) -> str:
    return f"{match['whole']} " if match["whole"] else ""
