"""Sums and ranges: 60-2=58, 3 * 4, 2x8, 5-10, $5-$10, 5pm-7pm, 20-3.

They are rewritten with words for their signs; the numbers are read by what they then are.
"""

from __future__ import annotations

import re

_OPERAND = r"(?:[0-9][0-9,]{0,14}(?:\.[0-9]{1,9})?|\b[a-zA-Z]\b)"
_OPERATOR = r"[-+*/×÷=^<>≤≥≠≈−–]"
_SUM = re.compile(
    rf"(?<![\w.,/-])(?<!- )(?<![0-9] )[-−]?{_OPERAND}"
    rf"(?: ?{_OPERATOR} ?[-−]?{_OPERAND}){{1,40}}(?![\w/-]|\.[0-9])"
)
_STEP = re.compile(rf"(?<=[\w]) ?({_OPERATOR}) ?(?=[-−]?[\w])")
_SURE = re.compile(r"[=×÷^<>≤≥≠≈]|[0-9a-z] ?\+ ?[0-9a-z]")
_SPACED_MINUS = re.compile(r"[0-9] [-−] [0-9]")
_DIGIT = re.compile("[0-9]")
_LETTER = re.compile("[a-zA-Z]")
POWER = re.compile(r"(?<=[0-9a-zA-Z])\^(?P<power>[0-9]{1,3})(?![0-9])")
_WORDS = {
    "+": "plus", "*": "times", "×": "times", "÷": "divided by", "/": "divided by", "=": "equals",
    "-": "minus", "−": "minus", "–": "minus", "<": "is less than", ">": "is greater than",
    "≤": "is at most", "≥": "is at least", "≠": "does not equal", "≈": "is about",
    "^": "to the power of",
}  # fmt: skip
_TIMES = re.compile(r"(?<=[0-9]) ?[x×] ?(?=[0-9])(?! ?[0-9]+x)", re.I)
_BY = re.compile(r"(?<![\w.,])(?P<one>[0-9]{1,5}(?:\.[0-9]{1,3})?) ?[xX×] ?(?=[0-9])")
_SPACED = re.compile(r"(?<![\w.,])[1-9][0-9]{0,2}(?: [0-9]{3}){2,4}(?! ?\w|[.,][0-9])")  # 1 000 000
_HEART = re.compile(r"(?<![\w<])(?<![0-9=xyz] )<3(?![\w.,]*[0-9])")
# Marks before a number.
_BEFORE = (
    (re.compile(r"±\s?(?=[0-9$£€])"), "plus or minus "),
    (re.compile(r"√\s?(?=[0-9])"), "square root of "),
    (re.compile(r"(?<![\w~])[~≈]\s?(?=[0-9$£€])"), "about "),
    (re.compile(r"(?<![\w<=>-])[<](?=[0-9$£€])"), "less than "),
    (re.compile(r"(?<![\w<=>/-])[>](?=[0-9$£€])"), "more than "),
)

_LEFT = (
    r"(?P<left>(?<![\w.,/:-])(?:mid-|')?(?P<currency>[$£€¥₩₹])?[0-9][0-9,]{0,14}(?:[.:][0-9]{1,9})?"
    r"(?P<mark>'?s|%|[kmb](?= ?[-–—] ?[$£€])|st|nd|rd|th| ?[ap]\.?m\b\.?|°[fc]?)?)"
)
_UNIT = r"(?P<unit> ?(?:[kcm]?m|[mk]?g|lbs?|ft|mi|km/h|mph|°[CF]|m[²2]|GB|MB|KB)\b)?"
_RIGHT = r"(?P<right>[$£€¥₩₹']?[0-9][0-9,]{0,14}(?:[.:][0-9]{1,9})?(?P<more>[a-z]{0,8}%?°?))"
_RANGE = re.compile(
    rf"{_LEFT}(?:-|–| – |—| - (?=[$£€]))(?={_RIGHT}{_UNIT}(?P<next>[-–/:]?\w?))", re.I
)
_UNITS = frozenset((
    "kg", "g", "mg", "lb", "lbs", "km", "cm", "mm", "ft", "in", "mi", "mph", "gb", "mb", "kb", "tb",
    "hz", "khz", "ms", "min", "mins", "h", "hrs", "l", "ml", "oz", "yd", "yrs", "v", "w", "m",
))  # fmt: skip
_ENDINGS = _UNITS | {"", "s", "st", "nd", "rd", "th", "am", "pm", "k", "b", "bn", "x", "yo", "p"}


def read_arithmetic(text: str) -> str:
    """Write the signs of sums, dimensions and ranges in words."""
    text = _SPACED.sub(lambda match: match[0].replace(" ", ","), text)
    text = _SUM.sub(_read_sum, _HEART.sub(" heart ", text))
    for pattern, words in _BEFORE:
        text = pattern.sub(words, text)
    text = _BY.sub(lambda match: f"{match['one']} by ", text)
    return _RANGE.sub(_read_range, text)


def _read_sum(match: re.Match[str]) -> str:
    formula = match[0]
    if not _is_sum(formula):
        return formula
    if "=" in formula or "×" in formula or "÷" in formula:
        formula = _TIMES.sub(" times ", formula)
    formula = POWER.sub(read_power, formula)
    formula = _STEP.sub(lambda step: f" {_WORDS[step[1]]} ", formula)
    return re.sub(r"[-−](?=[0-9a-zA-Z])", "minus ", formula)


def _is_sum(formula: str) -> bool:
    """Return whether it is a sum, and not a range, a fraction, a date or a serial number."""
    if _SURE.search(formula):
        return bool(_DIGIT.search(formula))
    if _LETTER.search(formula):
        return False
    return "+" in formula or "*" in formula or bool(_SPACED_MINUS.search(formula))


def read_power(match: re.Match[str]) -> str:
    """Read a match of ``POWER``: squared, cubed, to the power of 8."""
    names = {"2": " squared", "3": " cubed"}
    return names.get(match["power"]) or f" to the power of {match['power']}"


def _read_range(match: re.Match[str]) -> str:
    left, more = match["left"], match["more"].rstrip("%°").lower()
    is_pair = left == match["right"]  # fifty-fifty
    if more not in _ENDINGS or match["next"][:1] in tuple("-–/") or is_pair:
        return match[0]
    if (match["unit"] or more in _UNITS) and len(left) == 4 and left.isdigit():
        left = f"{left[0]},{left[1:]}"  # no year
    if match["currency"] and match["right"][0] != match["currency"] and not match["mark"]:
        # "$5-10" are five to ten dollars: the sign moves to the last amount
        return f"{left[1:]} to {match['currency']}" if left[0] == match["currency"] else match[0]
    return f"{left} to "
