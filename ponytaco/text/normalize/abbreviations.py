"""Abbreviations in a text: Dr. Hooves, St. Louis and Main St., No. 5, U.S.A., C. S. Lewis."""

from __future__ import annotations

import re

from ponytaco.text.abbreviations import READINGS, READINGS_BEFORE_NUMBERS, TITLES
from ponytaco.text.normalize.dates import WEEKDAYS
from ponytaco.text.normalize.words import end_mark, letters
from ponytaco.text.segmentation import LETTERED, is_abbreviation_dot

_NUMBERED = re.compile(
    rf"(?<![\w.'-])(?P<name>{'|'.join(READINGS_BEFORE_NUMBERS)})(?P<dot>\.)"
    r" ?(?=[0-9]|[IVX]{1,5}\b(?!'))",
    re.I,
)
_OF_BOOKS = frozenset(("vol", "vols", "ch", "chap", "sec", "ep", "pt", "bk", "art", "fig"))
_NUMBER_SIGN = re.compile(r"(?<!\w)#(?P<s>s?) ?(?=[0-9])")
_READ = re.compile(
    rf"(?<![\w.'-])(?P<name>{'|'.join(sorted(map(re.escape, READINGS), key=len, reverse=True))})"
    r"\.(?![\w]*\.\w)",
    re.I,
)
# Titles that people write without a full stop.
_WITHOUT_DOT = re.compile(
    r"(?<![\w.'-])(?P<name>(?:Dr|Prof|St|Mt|Sgt|Capt|Lt|Ms)(?= [A-Z][a-z])"
    r"|(?:Mr|Mrs|MR|MRS|DR|mr|mrs|vs|VS|Vs)(?= [A-Za-z]))(?![\w.'])"
)
_DOTTED = re.compile(
    r"(?<![\w.'])(?P<letters>(?:[A-Za-z]\.){2,8}[A-Za-z]?(?![\w'])|Ph\.D)(?P<dot>\.)?(?P<s>'?s\b)?"
)
_INITIAL = re.compile(r"(?<![\w.'-])(?P<letter>[A-HJ-Z])\. ?(?=(?:[A-Z]\. ?){0,4}[A-Z][a-z'])")
_MONTH = re.compile(
    r"(?P<before>\b(?i:in|since|until|by|last|next|this|from|of|late|early) )"
    r"(?P<month>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.(?=\W|$)"
)
_MONTHS = {
    "Jan": "january", "Feb": "february", "Mar": "march", "Apr": "april", "Jun": "june",
    "Jul": "july", "Aug": "august", "Sep": "september", "Sept": "september", "Oct": "october",
    "Nov": "november", "Dec": "december",
}  # fmt: skip
_DAYS = {name.title(): day for name, day in WEEKDAYS.items()}
_OF_DAYS, _OF_MONTHS = "|".join(_DAYS), "|".join((*_MONTHS, "May"))
_PERIOD = re.compile(
    rf"\b(?:(?P<first>{_OF_DAYS})\b\.? ?[-–] ?(?P<last>{_OF_DAYS})"
    rf"|(?P<since>{_OF_MONTHS})\b\.? ?[-–] ?(?P<until>{_OF_MONTHS}))\b(?!-)(?P<dot>\.)?"
)
_SLASHED = re.compile(r"(?<![\w/])(?P<name>w/o|w/|b/c|n/a|and/or)(?![/])(?=\W|(?<=/)\w|$)", re.I)
_SLASHES = {"w/o": "without", "w/": "with ", "b/c": "because", "n/a": "n a", "and/or": "and or"}

_USUAL_TITLES = frozenset(("dr", "drs", "mr", "mrs", "ms", "prof"))
_WORD_BEFORE = re.compile(r"(\w+) $")
_END = re.compile(r"[\"'”’)\]]*\s*$")
_CAPITAL_BEFORE = re.compile(r"(?:\b[A-Z][\w'-]{1,30}|[0-9](?:st|nd|rd|th)) $")


def read_numbered(text: str) -> str:
    """Write out what is short for something with a number: No. 5, vol. 2, #1."""
    text = _NUMBERED.sub(_read_numbered, text)
    if "#" not in text:
        return text
    return _NUMBER_SIGN.sub(lambda match: "numbers " if match["s"] else "number ", text)


def _read_numbered(match: re.Match[str]) -> str:
    is_roman = not match.string[match.end()].isdigit()
    if is_roman and match["name"].lower() not in _OF_BOOKS:
        return match[0]  # "No. I said no."
    return READINGS_BEFORE_NUMBERS[match["name"].lower()] + " "


def read_abbreviations(text: str) -> str:
    """Write out abbreviations; a full stop that also ends a sentence stays."""
    if "/" in text:
        text = _SLASHED.sub(lambda match: _SLASHES[match["name"].lower()], text)
    text = _PERIOD.sub(_read_period, text)
    if "." not in text:
        return _WITHOUT_DOT.sub(lambda match: READINGS[match["name"].lower()], text)
    text = _MONTH.sub(lambda match: match["before"] + _MONTHS[match["month"]] + _stop(match), text)
    text = _READ.sub(_read, text)
    text = _WITHOUT_DOT.sub(lambda match: READINGS[match["name"].lower()], text)
    text = _DOTTED.sub(_read_dotted, text)
    return _INITIAL.sub(_read_initial, text)


def _read_period(match: re.Match[str]) -> str:
    """Read a period: Mon-Fri, Jan-Mar."""
    names = _DAYS if match["first"] else {**_MONTHS, "May": "may"}
    ends = (match["first"] or match["since"], match["last"] or match["until"])
    return " to ".join(names[end] for end in ends) + end_mark(match)


def _read(match: re.Match[str]) -> str:
    name = match["name"]
    short = name.lower()
    after = match.string[match.end() : match.end() + 60]
    is_end = bool(_END.match(after)) and len(after) < 60
    goes_on = not is_end and is_abbreviation_dot(short, after)
    if name == "rep" or (is_end and name in TITLES and name not in _USUAL_TITLES):
        return match[0]  # a word at a sentence's end: "one more rep."
    words = _by_context(short, match, after, goes_on)
    if goes_on or (is_end and short in TITLES and words == READINGS[short]):
        return words + (" " if after[:1].isalnum() else "")
    return words + "."


def _by_context(short: str, match: re.Match[str], after: str, goes_on: bool) -> str:
    before = match.string[max(0, match.start() - 34) : match.start()]
    if short == "st" and _CAPITAL_BEFORE.search(before):
        following = after.lstrip()[:1]
        return "street" if not goes_on or not following.isupper() else "saint"
    if short == "dr" and not after.strip() and _CAPITAL_BEFORE.search(before):
        return "drive"
    if short == "ft" and match["name"][0].islower():
        return "featuring" if re.match(r" [A-Z]", after) else "feet"
    return READINGS[short]


def _stop(match: re.Match[str]) -> str:
    after = match.string[match.end() : match.end() + 60]
    return "." if _END.match(after) and len(after) < 60 else ""


def _read_dotted(match: re.Match[str]) -> str:
    name = match["letters"].replace(".", "")
    words = letters(name) + ("'s" if match["s"] else "")
    is_dotted = bool(match["dot"]) or match["letters"].endswith(".")
    if not is_dotted or match["s"]:
        return words
    after = match.string[match.end() : match.end() + 60]
    is_end = bool(_END.match(after)) and len(after) < 60
    if is_end or not is_abbreviation_dot(".".join(name), after):
        return words + "."
    return words + (" " if after[:1].isalnum() else "")


def _read_initial(match: re.Match[str]) -> str:
    after = match.string[match.end() : match.end() + 30]
    letter = match["letter"].lower()
    before = _WORD_BEFORE.search(match.string, max(0, match.start() - 20), match.start())
    if (before and before[1].lower() in LETTERED) or _begins_sentence(after):
        return f"{letter}. "
    return letter + " "


def _begins_sentence(after: str) -> bool:
    # To the segmentation an initial is an abbreviation like any other, once it is called one.
    return not re.match(r"[A-Z]\.", after) and not is_abbreviation_dot("co", " " + after)
