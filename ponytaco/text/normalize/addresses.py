"""Postal addresses: 1428 Elm St., Austin, TX 78701."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import cardinal, digit_by_digit, end_mark, quantity

# fmt: off
_STREETS = {
    "st": "street", "ave": "avenue", "av": "avenue", "blvd": "boulevard", "rd": "road",
    "dr": "drive", "ln": "lane", "ct": "court", "pl": "place", "sq": "square", "hwy": "highway",
    "expy": "expressway", "expwy": "expressway", "pkwy": "parkway", "fwy": "freeway",
    "ter": "terrace", "terr": "terrace", "cir": "circle", "trl": "trail", "plz": "plaza",
    "aly": "alley", "xing": "crossing",
}
_FULL = (
    "street", "avenue", "boulevard", "road", "drive", "lane", "court", "place", "square", "highway",
    "expressway", "parkway", "freeway", "terrace", "circle", "trail", "plaza", "alley", "way",
)
_STATES = {
    "AL": "alabama", "AK": "alaska", "AZ": "arizona", "AR": "arkansas", "CA": "california",
    "CO": "colorado", "CT": "connecticut", "DE": "delaware", "DC": "d c", "FL": "florida",
    "GA": "georgia", "HI": "hawaii", "ID": "idaho", "IL": "illinois", "IN": "indiana",
    "IA": "iowa", "KS": "kansas", "KY": "kentucky", "LA": "louisiana", "ME": "maine",
    "MD": "maryland", "MA": "massachusetts", "MI": "michigan", "MN": "minnesota",
    "MS": "mississippi", "MO": "missouri", "MT": "montana", "NE": "nebraska", "NV": "nevada",
    "NH": "new hampshire", "NJ": "new jersey", "NM": "new mexico", "NY": "new york",
    "NC": "north carolina", "ND": "north dakota", "OH": "ohio", "OK": "oklahoma", "OR": "oregon",
    "PA": "pennsylvania", "RI": "rhode island", "SC": "south carolina", "SD": "south dakota",
    "TN": "tennessee", "TX": "texas", "UT": "utah", "VT": "vermont", "VA": "virginia",
    "WA": "washington", "WV": "west virginia", "WI": "wisconsin", "WY": "wyoming",
}
_WORDS_TOO = frozenset(("OK", "OR", "IN", "ME", "HI", "OH", "PA", "MA", "LA", "ID", "DE", "AL"))
# fmt: on
_DIRECTIONS = {
    "N": "north",
    "S": "south",
    "E": "east",
    "W": "west",
    "NE": "northeast",
    "NW": "northwest",
    "SE": "southeast",
    "SW": "southwest",
}  # fmt: skip

_STREET = re.compile(
    r"(?<![\w.,$#:/-])(?P<number>[0-9]{1,5})(?P<letter>[A-Za-z]?) "
    rf"(?:(?P<way>{'|'.join(sorted(_DIRECTIONS, key=len, reverse=True))})\.? )?"
    r"(?P<name>(?:(?:[A-Z][\w'-]{1,24}|[0-9]{1,3}(?:st|nd|rd|th)) ){1,4}?)"
    rf"(?P<street>(?i:{'|'.join([*_STREETS, *_FULL])}))(?!\w)"
    rf"(?P<dot>\.?)(?: (?P<after>{'|'.join(sorted(_DIRECTIONS, key=len, reverse=True))})\b)?"
)
_NUMBERED_STREET = re.compile(
    rf"(?P<number>\b[0-9]{{1,3}}(?:st|nd|rd|th)) "
    rf"(?P<street>{'|'.join(s.title() for s in _STREETS)})"
    r"(?!\w)\.?"
)
_STATE = re.compile(
    rf"(?<=[A-Za-z.])(?P<comma>,? )(?P<state>{'|'.join(_STATES)})\b"
    r"(?:(?P<then>,?) (?P<zip>[0-9]{5})(?:-(?P<more>[0-9]{4}))?(?![\w-]))?"
)


def read_postal_addresses(text: str) -> str:
    """Write the addresses of a text in words, house numbers in pairs, codes digit by digit."""
    text = _NUMBERED_STREET.sub(_read_numbered_street, _STREET.sub(_read_street, text))
    return _STATE.sub(_read_state, text)


def _read_numbered_street(match: re.Match[str]) -> str:
    return f"{match['number']} {_STREETS[match['street'].lower()]}{end_mark(match)}"


def _read_street(match: re.Match[str]) -> str:
    words = [house_number(match["number"]) + (f" {match['letter']}" if match["letter"] else "")]
    if match["way"]:
        words.append(_DIRECTIONS[match["way"]])
    street = match["street"].lower()
    words += [match["name"].strip(), _STREETS.get(street, street)]
    if match["after"]:
        words.append(_DIRECTIONS[match["after"]])
    elif match["dot"]:
        words[-1] += end_mark(match) if street in _STREETS else "."
    return " ".join(words)


def house_number(digits: str) -> str:
    """Read a house's number: 1428 is fourteen twenty-eight, 123 one twenty-three."""
    number = int(digits)
    if number < 100 or number % 1000 == 0 or digits.startswith("0"):
        return quantity(digits)
    if number % 100 == 0 and len(digits) < 5:
        return f"{cardinal(number // 100)} hundred"
    if len(digits) > 4:
        return digit_by_digit(digits)
    rest = number % 100
    return f"{cardinal(number // 100)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def _read_state(match: re.Match[str]) -> str:
    state = match["state"]
    if match["zip"]:
        more = f" {digit_by_digit(match['more'])}" if match["more"] else ""
        zip_code = f"{match['then']} {digit_by_digit(match['zip'])}{more}"
        return f"{match['comma']}{_STATES[state]}{zip_code}"
    if match["comma"].startswith(",") and state not in _WORDS_TOO:
        return f"{match['comma']}{_STATES[state]}{match['then'] or ''}"
    return match[0]
