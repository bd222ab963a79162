"""Times of day and durations: 7:05, 5pm, 1:59 p.m. EST, 1:23:45."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import cardinal, end_mark, letters, set_apart

_HALF = r"(?: ?(?P<half>[ap])(?:m\b|\. ?m\b)(?P<dot>\.(?!\w{4}))?)"
_ZONE = (
    r"(?: ?(?P<zone>(?i:[ecmp][sd]t|gmt|utc|bst|cet|cest|ist|jst|aest)\b"
    r"|(?i:[ecmp]\.[sd]\.t|g\.m\.t)\b\.?|(?:ET|PT|CT|MT)\b))"
)
_CLOCK = re.compile(
    r"(?<![\w:.,])(?P<hours>[0-9]{1,2}):(?P<minutes>[0-5][0-9])(?::(?P<seconds>[0-5][0-9]))?"
    rf"(?:{_HALF}|(?=[A-Za-z ]|\b))(?:{_ZONE})?(?![0-9:]|\.[0-9])",
    re.I,
)
# "7.30pm"; without its half of the day it is a number.
_DOTTED_CLOCK = re.compile(
    r"(?<![\w:.,$£€])(?P<hours>1[0-2]|0?[1-9])\.(?P<minutes>[0-5][0-9])(?= ?[ap]\.? ?m\b)", re.I
)
_HOUR = re.compile(rf"(?<![\w:.,$])(?P<hours>1[0-9]|2[0-4]|0?[0-9]){_HALF}(?:{_ZONE})?", re.I)
_RATIO = re.compile(r"(?<![\w:.,])(?P<one>[0-9]{1,4}):(?P<other>[0-9]{1,4})(?![\w:]|\.[0-9])")


def read_times(text: str) -> str:
    """Write the times of a text in words."""
    text = _DOTTED_CLOCK.sub(r"\g<hours>:\g<minutes>", text)
    text = _CLOCK.sub(_read_clock, text)
    text = _HOUR.sub(_read_hour, text)
    return _RATIO.sub(lambda match: f"{match['one']} to {match['other']}", text)


def _read_clock(match: re.Match[str]) -> str:
    hours, minutes = int(match["hours"]), int(match["minutes"])
    if match["seconds"]:
        words = _duration(hours, minutes, int(match["seconds"]))
    elif minutes:
        minute = f"oh {cardinal(minutes)}" if minutes < 10 else cardinal(minutes)
        words = f"{cardinal(hours)}:{minute}"
    elif match["half"]:
        words = cardinal(hours)
    elif hours == 0:
        words = "midnight"
    else:
        words = f"{cardinal(hours)} o'clock"
    return _with_half(match, words)


def _read_hour(match: re.Match[str]) -> str:
    return _with_half(match, cardinal(int(match["hours"])))


def _with_half(match: re.Match[str], words: str) -> str:
    if match["half"]:
        words += f" {letters(match['half'] + 'm')}"
    if match["zone"]:
        words += f" {letters(match['zone'].replace('.', ''))}"
    is_full_stop = match[0].endswith(".") and "." not in match[0][:-1]
    return set_apart(match, words + ("." if is_full_stop else end_mark(match)))


def _duration(hours: int, minutes: int, seconds: int) -> str:
    counts = [(hours, "hour"), (minutes, "minute"), (seconds, "second")]
    parts = [f"{cardinal(n)} {unit}{'' if n == 1 else 's'}" for n, unit in counts if n]
    if not parts:
        return "zero seconds"
    return " ".join([*parts[:-1], "and", parts[-1]]) if len(parts) > 1 else parts[0]
