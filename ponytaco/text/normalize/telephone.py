"""Digits that are said one by one: telephone, social security and card numbers, IP addresses."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import cardinal, digit_by_digit, letters, set_apart

_TELEPHONE = re.compile(
    r"(?<![\w.+,/$-])(?:(?P<country>\+?[0-9]{1,3})[ .-]?(?=[0-9(]))?"
    r"(?:\((?P<area>[0-9]{3})\)[ .-]?|(?P<code>[0-9]{3})[ .-])"
    r"(?P<exchange>[0-9]{3})[ .-](?P<line>[0-9]{4})(?:-(?P<more>[0-9]{4}))?"
    r"(?:,? ?(?:ext\.?|x|extension) ?(?P<extension>[0-9]{1,6}))?(?![\w-]|[.,][0-9])",
    re.I,
)
_INTERNATIONAL = re.compile(
    r"(?<![\w+])\+(?P<digits>[0-9]{1,4}(?:[ .-]?\(?[0-9]{2,4}\)?){2,5})(?![\w-]|\.[0-9])"
)
# As outside America: 020 7946 0958.
_TRUNK = re.compile(
    r"(?<![\w.,+/$:-])(?P<digits>0[0-9]{2,4}(?: [0-9]{3,4}){1,3}|0[0-9]{4} [0-9]{6})"
    r"(?![\w/-]|[.,:][0-9]| [0-9])"
)
_LOCAL = re.compile(r"(?<![\w.,+/$-])(?P<digits>[2-9][0-9]{2}-[0-9]{4})(?![\w-]|[.,/%][0-9]| ?=)")
_VANITY = re.compile(
    r"(?<![\w-])(?P<first>1-)?(?P<area>[2-9][0-9]{2})(?P<rest>(?:-[A-Z0-9]{1,9}){1,5})(?![\w-])"
)
_GROUPS = re.compile(
    r"(?<![\w.,-])(?P<digits>[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{5}-[0-9]{4}"
    r"|(?P<bare>[2-9][0-9]{9})(?![,.]?[0-9]| [a-z])"
    r"|[0-9]{4}(?:[ -][0-9]{4}){3})(?![\w-])"
)
_IP = re.compile(r"(?<![\w.])(?P<digits>[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?![\w]|\.[0-9])")
_NAMED = re.compile(
    r"\b(?P<name>(?:call|calls|called|calling|dial|dials|dialed) (?=[0-9]{3}\b)"
    r"|(?:ending|ends|ended) (?:in|with) |(?:pin|zip|password|zip ?code|pin ?code|passcode)"
    r"(?: (?:is|was|code|number)|:)? |ext\. ?|extension )(?P<digits>[0-9]{2,8})(?![\w.,-][0-9])",
    re.I,
)


def read_telephone(text: str) -> str:
    """Write telephone numbers and their like digit by digit, a comma between groups."""
    text = _TELEPHONE.sub(_read_telephone, text)
    text = _INTERNATIONAL.sub(
        lambda match: set_apart(match, "plus " + _groups(match["digits"])), text
    )
    text = _TRUNK.sub(lambda match: _groups(match["digits"]), text)
    text = _VANITY.sub(_read_vanity, text)
    text = _GROUPS.sub(_read_groups, text)
    text = _IP.sub(lambda match: " dot ".join(map(digit_by_digit, match[0].split("."))), text)
    text = _LOCAL.sub(_read_local, text)
    return _NAMED.sub(_read_named, text)


def _read_telephone(match: re.Match[str]) -> str:
    country = match["country"] or ""
    groups = [
        ("plus " if country.startswith("+") else "") + digit_by_digit(country.lstrip("+")),
        _area(match["area"] or match["code"]),
        *(digit_by_digit(match[name] or "") for name in ("exchange", "line", "more")),
        f"extension {digit_by_digit(match['extension'])}" if match["extension"] else "",
    ]
    return set_apart(match, ", ".join(group for group in groups if group))


def _area(digits: str) -> str:
    """Read an area's code; toll-free ones are said as 800, eight hundred."""
    return cardinal(int(digits)) if digits.endswith("00") else digit_by_digit(digits)


def _read_groups(match: re.Match[str]) -> str:
    bare = match["bare"]
    return _groups(f"{bare[:3]}-{bare[3:6]}-{bare[6:]}" if bare else match["digits"])


def _groups(digits: str) -> str:
    return ", ".join(map(digit_by_digit, re.findall("[0-9]+", digits)))


def _read_vanity(match: re.Match[str]) -> str:
    parts = match["rest"][1:].split("-")
    has_letters = any(part.isalpha() for part in parts)
    if not (match["first"] or (has_letters and match["area"].endswith("00"))):
        return match[0]
    if not has_letters and not all(len(part) in (3, 4) for part in parts):
        return match[0]
    words = [_vanity_part(part) for part in parts]
    first = "one, " if match["first"] else ""
    return f"{first}{_area(match['area'])}, {(' ' if has_letters else ', ').join(words)}"


def _vanity_part(part: str) -> str:
    if part.isalpha():
        return letters(part) if len(part) == 1 else part.lower()
    return " ".join(_vanity_part(run) if run.isalpha() else digit_by_digit(run)
                    for run in re.findall("[0-9]+|[A-Z]+", part))  # fmt: skip


def _read_local(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - 8) : match.start()]
    is_range = match[0].endswith("00") or re.search(r"(?i)(?:pages?|pp\.?|from|years?) $", before)
    return match[0] if is_range else _groups(match[0])


def _read_named(match: re.Match[str]) -> str:
    name = "extension " if match["name"].lower().startswith("ext.") else match["name"]
    return set_apart(match, name + digit_by_digit(match["digits"]))
