"""Dates: 2024-01-05, 7/4/1999, Jan. 5th, 25 July 2012, 1960s-80s, 340 A.D., Q1 2020."""

from __future__ import annotations

import functools
import re

from ponytaco.text.normalize.words import (
    cardinal,
    digit_by_digit,
    end_mark,
    letters,
    ordinal,
    plural,
    set_apart,
    year,
)

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
WEEKDAYS = {
    "mon": "monday", "tue": "tuesday", "tues": "tuesday", "wed": "wednesday", "thu": "thursday",
    "thur": "thursday", "thurs": "thursday", "fri": "friday", "sat": "saturday", "sun": "sunday",
}  # fmt: skip
_DAY = r"(?P<day>0?[1-9]|[12][0-9]|3[01])"
_YEAR = r"(?P<year>[12][0-9]{3})"
_END = r"(?![\w/:]|[.,:-][0-9])"

_YEAR_FIRST = re.compile(
    rf"(?<![\w./-]){_YEAR}(?P<sep>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=sep){_DAY}{_END}"
)
_YEAR_LAST = re.compile(
    r"(?<![\w./-])(?P<first>[0-9]{1,2})(?P<sep>[-/.])(?P<second>[0-9]{1,2})(?P=sep)"
    rf"(?P<year>[12][0-9]{{3}}|[0-9]{{2}}){_END}"
)
_WITHOUT_YEAR = re.compile(
    rf"(?i:\b(?P<before>on|until|till|by|since) )(?P<month>0?[1-9]|1[0-2])/{_DAY}{_END}"
)
_MONTH_FIRST = re.compile(
    rf"\b(?P<month>(?i:{_MONTH}))(?P<dot>\.?)(?P<sep>[ -]|(?<=\.))(?:(?i:the) )?{_DAY}"
    rf"(?P<rank>(?i:st|nd|rd|th)\b)?(?:(?P<comma>,?)[ -]?\b{_YEAR})?{_END}"
)
_DAY_FIRST = re.compile(
    rf"(?:\b(?P<the>(?i:the)) )?(?<![\w.,:/$-]){_DAY}(?P<rank>(?i:st|nd|rd|th))?"
    rf"(?:[ -]| (?P<of>(?i:of)) )"
    rf"(?P<month>(?i:{_MONTH}))\b(?:\.?(?P<comma>,?)[ -]?{_YEAR}{_END}|(?P<dot>\.)?)"
)
_MONTH_AND_YEAR = re.compile(rf"\b(?P<month>(?i:{_MONTH}))\b\.?(?P<comma>,?) {_YEAR}{_END}")
# "Sun. 5 ponies came" is another sentence.
_WEEKDAY = re.compile(
    rf"\b(?P<day>{'|'.join(name.title() for name in WEEKDAYS)})\b\.?(?P<comma>,?) "
    rf"(?=(?i:{_MONTH})\b|[0-9]{{1,2}}(?:st|nd|rd|th)? (?:of )?(?i:{_MONTH})\b|[0-9]{{1,2}}:[0-9])"
)
_QUARTER = re.compile(rf"\bQ(?P<quarter>[1-4])(?: of)? {_YEAR}{_END}")
_ERA = re.compile(
    r"(?<![\w.,-])(?P<year>[0-9]{1,4})(?P<decade>s)? ?"
    r"(?P<era>A\.?D|B\.?C\.?E|B\.?C|C\.?E|a\.d|b\.c\.e|b\.c|c\.e)(?:\b(?!\.)|\.(?!\w))"
)
_ERA_FIRST = re.compile(rf"\b(?P<era>A\.?D\.?) (?P<year>[0-9]{{1,4}}){_END}")
_DECADE = re.compile(
    r"(?<![\w.,-])(?P<century>1[0-9]|20)(?P<decade>[0-9]0)(?: s\b|'?s\b)"
    r"|(?<![\w.,-])'(?P<short>[0-9]0)'?s\b"
)
_DECADES = re.compile(r"(?<=[0-9]0s)[-–—](?='?(?:[12][0-9])?[0-9]0s\b)")
_SHORT_YEAR = re.compile(rf"(?<!\w)'(?P<year>[0-9]{{2}}){_END}")

_NAME = re.compile(rf"\b(?:{_MONTH}|{'|'.join(WEEKDAYS)})\b", re.I)

# "may" and "march" are verbs, and "mar" is a word, where nothing else tells that they are months.
_AMBIGUOUS = ("may", "march", "mar")


def read_dates(text: str) -> str:
    """Write the dates of a text in words."""
    text = _DECADES.sub(" to ", text)
    if _NAME.search(text):
        text = _read_names(text)
    text = _YEAR_FIRST.sub(_read_year_first, text)
    text = _YEAR_LAST.sub(_read_year_last, text)
    text = _WITHOUT_YEAR.sub(
        lambda m: f"{m['before']} {_MONTHS[int(m['month']) - 1]} {ordinal(int(m['day']))}", text
    )
    text = _QUARTER.sub(
        lambda m: f"the {ordinal(int(m['quarter']))} quarter of {year(int(m['year']))}", text
    )
    text = _ERA.sub(_read_era, text)
    text = _ERA_FIRST.sub(lambda m: f"{_era(m['era'])} {_old_year(m['year'])}", text)
    text = _DECADE.sub(_read_decade, text)
    return _SHORT_YEAR.sub(_read_short_year, text)


def _read_names(text: str) -> str:
    text = _WEEKDAY.sub(lambda match: f"{WEEKDAYS[match['day'].lower()]}{match['comma']} ", text)
    text = _DAY_FIRST.sub(_read_day_first, text)
    text = _MONTH_FIRST.sub(_read_month_first, text)
    return _MONTH_AND_YEAR.sub(
        lambda m: f"{_month(m['month'])}{m['comma']} {year(int(m['year']))}", text
    )


@functools.cache
def _month(name: str) -> str:
    return next(month for month in _MONTHS if month.startswith(name[:3].lower()))


def _read_year_first(match: re.Match[str]) -> str:
    month = _MONTHS[int(match["month"]) - 1]
    return f"{month} {ordinal(int(match['day']))} {year(int(match['year']))}"


def _read_year_last(match: re.Match[str]) -> str:
    first, second = int(match["first"]), int(match["second"])
    if len(match["year"]) == 4:
        when = year(int(match["year"]))
    elif match["sep"] == ".":
        return match[0]  # a version
    else:
        when = _read_two_digits(match["year"])
    if 1 <= first <= 12 and 1 <= second <= 31:
        return f"{_MONTHS[first - 1]} {ordinal(second)} {when}"
    if 1 <= second <= 12 and 1 <= first <= 31:
        return f"the {ordinal(first)} of {_MONTHS[second - 1]} {when}"
    return match[0]


def _read_month_first(match: re.Match[str]) -> str:
    is_lower = match["month"] in _AMBIGUOUS
    if is_lower and not (match["dot"] or match["rank"] or match["year"]) and _goes_on(match):
        return match[0]
    if match["sep"] == "-" and len(match["month"]) > 3 and not match["year"]:
        return match[0]
    when = f"{match['comma']} {year(int(match['year']))}" if match["year"] else ""
    return f"{_month(match['month'])} {ordinal(int(match['day']))}{when}"


def _read_day_first(match: re.Match[str]) -> str:
    is_word = match["month"] in _AMBIGUOUS and not (match["rank"] or match["year"])
    if is_word and (not match["the"] or _goes_on(match)):
        return match[0]
    when = f"{match['comma']} {year(int(match['year']))}" if match["year"] else ""
    the = "" if match["of"] and match["rank"] and not match["the"] else "the "
    words = f"{the}{ordinal(int(match['day']))} of {_month(match['month'])}{when}"
    if not match["dot"]:
        return words
    return words + (
        end_mark(match) if len(match["month"]) <= 4 and match["month"] != "may" else "."
    )


def _goes_on(match: re.Match[str]) -> bool:
    """Return whether a word follows, as in "may 5 ponies come"."""
    after = match.string[match.end() : match.end() + 2]
    return after[:1] == " " and after[1:].isalpha()


def _era(name: str) -> str:
    return letters(name.replace(".", ""))


def _old_year(digits: str) -> str:
    """Read a year of any length: 340 is three forty, and 44 forty-four."""
    number = int(digits)
    return year(number) if number > 100 else cardinal(number)


def _read_era(match: re.Match[str]) -> str:
    when = _old_year(match["year"])
    return f"{plural(when) if match['decade'] else when} {_era(match['era'])}{end_mark(match)}"


def _read_decade(match: re.Match[str]) -> str:
    if match["short"]:
        return set_apart(match, plural(cardinal(int(match["short"]))))
    return set_apart(match, plural(year(int(match["century"] + match["decade"]))))


def _read_short_year(match: re.Match[str]) -> str:
    return set_apart(match, _read_two_digits(match["year"]))


def _read_two_digits(digits: str) -> str:
    if digits.startswith("0"):
        return digit_by_digit(digits).replace("zero", "oh", 1)
    return cardinal(int(digits))
