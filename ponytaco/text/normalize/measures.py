"""Measures: 72°F, 60 km/h, 10m², 5ft 3in, 5'3", 200 lbs."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import cardinal, decimal, end_mark, set_apart

# fmt: off
_PLURALS = {
    "foot": "feet", "inch": "inches", "hertz": "hertz", "degree fahrenheit": "degrees fahrenheit",
    "degree celsius": "degrees celsius", "celsius": "celsius", "kelvin": "kelvin",
    "square foot": "square feet", "cubic foot": "cubic feet", "square inch": "square inches",
    "cubic inch": "cubic inches", "c c": "c c", "foot pound": "foot pounds", "percent": "percent",
}
_UNITS = {
    # length and area
    "m": "meter", "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "dm": "decimeter",
    "nm": "nanometer", "µm": "micrometer", "um": "micrometer", "ft": "foot", "in": "inch",
    "yd": "yard", "yds": "yard", "mi": "mile", "ha": "hectare", "ac": "acre",
    "nmi": "nautical mile", "ly": "light year", "sqft": "square foot",
    "sqm": "square meter", "sqkm": "square kilometer",
    "sqmi": "square mile",
    # mass
    "g": "gram", "kg": "kilogram", "kgs": "kilogram", "mg": "milligram", "µg": "microgram",
    "mcg": "microgram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    # volume
    "l": "liter", "L": "liter", "ml": "milliliter", "mL": "milliliter", "cl": "centiliter",
    "dl": "deciliter", "hl": "hectoliter", "cc": "c c", "gal": "gallon", "qt": "quart",
    "tsp": "teaspoon", "tbsp": "tablespoon",
    # time
    "ms": "millisecond", "µs": "microsecond", "us": "microsecond", "ns": "nanosecond",
    "s": "second", "sec": "second", "secs": "second", "min": "minute", "mins": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour", "wk": "week", "wks": "week", "mo": "month",
    "mos": "month", "yr": "year", "yrs": "year",
    # speed
    "mph": "mile per hour", "kph": "kilometer per hour", "kmh": "kilometer per hour",
    "kmph": "kilometer per hour", "fps": "frame per second", "rpm": "revolution per minute",
    "bpm": "beat per minute", "mpg": "mile per gallon", "wpm": "word per minute",
    # electricity, power, frequency
    "V": "volt", "mV": "millivolt", "kV": "kilovolt", "W": "watt", "mW": "milliwatt",
    "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "kWh": "kilowatt hour",
    "MWh": "megawatt hour", "Wh": "watt hour", "mA": "milliamp", "mAh": "milliamp hour",
    "Ah": "amp hour", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz",
    "THz": "terahertz", "dB": "decibel", "kJ": "kilojoule", "MJ": "megajoule",
    "eV": "electron volt", "Ω": "ohm", "kΩ": "kiloohm", "hp": "horsepower",
    "kcal": "kilocalorie", "cal": "calorie", "Pa": "pascal", "kPa": "kilopascal",
    "hPa": "hectopascal", "MPa": "megapascal", "psi": "p s i", "mbar": "millibar",
    "atm": "atmosphere", "Nm": "newton meter", "mol": "mole", "lm": "lumen",
    "lx": "lux", "kN": "kilonewton",
    # data
    "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte",
    "TB": "terabyte", "PB": "petabyte", "KiB": "kibibyte", "MiB": "mebibyte", "GiB": "gibibyte",
    "TiB": "tebibyte", "kbps": "kilobit per second", "mbps": "megabit per second",
    "gbps": "gigabit per second", "kbit": "kilobit", "Mbit": "megabit", "Gbit": "gigabit",
    "px": "pixel", "dpi": "d p i", "ppm": "part per million", "MP": "megapixel", "ppi": "p p i",
    # temperature
    "°": "degree", "°F": "degree fahrenheit", "°C": "degree celsius", "°K": "kelvin",
    "ºF": "degree fahrenheit", "ºC": "degree celsius", "º": "degree",
    "percent": "percent",
}
# As they are, or in any case, where no other unit or word is written so.
_ONLY_SO = frozenset((
    "m", "s", "g", "l", "h", "in", "us", "ac", "mA", "mW", "MW", "mV", "Pa", "MPa", "B", "V",
    "W", "ms", "mo", "Ah", "Nm", "nm", "mos", "ha", "MP", "cal", "hp", "dB", "sec", "L",
    "lm", "mol", "eV", "atm", "wk", "MB", "mb",
))
_READ = {symbol.lower(): name for symbol, name in _UNITS.items() if symbol not in _ONLY_SO}
# Without a number to the left of the slash: 12 kg/d, 5 l/min
_PER = {"d": "day", "day": "day", "week": "week", "month": "month", "year": "year", "min": "minute",
        "y": "year", "hour": "hour", "second": "second", "person": "person"}
# fmt: on
# These stand for a unit only when they touch the number, or a word tells so.
_TOUCHING = frozenset(("us", "ac", "ha", "B", "mo", "mos", "cal", "ly", "MP"))
# Written with a full stop, so that a number may follow: 5 ft. 3 in.
_DOTTED = frozenset(("ft", "in", "yd", "lb", "lbs", "oz", "hr", "hrs", "min", "mins", "sec", "secs",
                     "mi", "gal", "qt", "tsp", "tbsp"))  # fmt: skip
_AFTER_INCHES = (
    r"(?= (?:tall|long|wide|deep|thick|high|by|x|and|or|screen|waist|off)\b|[,;:!?)]|-|$)"
)

# Any word that short may be a unit; the tables tell.
_SYMBOL = r"(?:[°º][A-Za-z]?|[A-Za-zµΩ]{1,4}[A-Za-z]?|percent)"
_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,15})?(?:\.[0-9]{1,20})?(?<=[0-9])"
_MEASURE = re.compile(
    rf"(?P<minus>(?<![\w)'.,-])-)?(?<![\w.,/])(?P<number>{_NUMBER})"
    r"(?P<scale> (?i:hundred|thousand|million|billion|trillion))?(?P<gap>[ -]?)"
    r"(?:(?P<power>(?i:sq|cu))(?:\. ?| ))?"
    rf"(?P<unit>{_SYMBOL})(?P<exponent>\^?[23]|[²³])?"
    rf"(?:(?P<slash>/)(?P<per>{_SYMBOL}|second|month|person)(?P<per_exponent>\^?[23]|[²³])?)?"
    r"(?P<dot>\.(?!\w))?(?![\w/'°²³])"
)
_IN_FULL = re.compile(
    r"(?<![\w.,])(?P<number>(?:1[0-9]|2[0-9])[0-9]{2})(?P<rest> (?:meter|kilometer|mile|feet|pound"
    r"|gram|kilogram|liter|gallon|degree|calorie|point|bit|time|people|pon(?:y|ies)|day|hour|minute"
    r"|second|step|page|word|dollar|euro|volt|watt)s?\b)"
)
_HEIGHT = re.compile(
    r"(?<![\w.,'])(?P<feet>[0-9]{1,2})['’′] ?(?P<inches>[0-9]{1,2}(?:\.[0-9])?)"
    r"(?:\"|”|″|''|(?![\w'’]))"
    r"|(?<![\w.,'])(?P<only_feet>[0-9]{1,3})['′](?= ?(?:tall|long|wide|deep|high|x)\b)"
    r"|(?<![\w.,'])(?P<only_inches>[0-9]{1,3}(?:\.[0-9]{1,2})?)[\"″]"
    r"(?= (?:tall|long|wide|deep|high|x|screen|vinyl|record|monitor|tv|pipe)\b)",
    re.I,
)
_QUOTE = re.compile(r"[0-9]['\"’”′″]")
_DURATION = re.compile(
    r"(?<![\w.,])(?P<hours>[0-9]{1,3})h ?(?P<minutes>[0-9]{1,2})m?(?!\w|[.,][0-9])"
    r"|(?<![\w.,])(?P<min>[0-9]{1,3})m ?(?P<sec>[0-9]{1,2})s(?!\w)"
)


_BY = re.compile(
    r"(?P<length>[0-9] ?(?:mm|cm|m|km|in|ft|yd|px|inches|feet|meters)\b\.?) ?x ?(?=[0-9])"
)


def read_measures(text: str) -> str:
    """Write the measures of a text in words."""
    if _QUOTE.search(text):
        text = _HEIGHT.sub(_read_height, text)
    text = _DURATION.sub(_read_duration, text)
    text = _BY.sub(r"\g<length> by ", text)
    text = _MEASURE.sub(_read_measure, text)
    return _IN_FULL.sub(lambda match: decimal(match["number"]) + match["rest"], text)


def _unit(symbol: str, gap: str = " ") -> str | None:
    if symbol in _TOUCHING and gap:
        return None
    return _UNITS.get(symbol) or _READ.get(symbol.lower())


def _read_measure(match: re.Match[str]) -> str:
    name = _name(match)
    if name is None:
        return match[0]
    number, scale = match["number"], (match["scale"] or "").lower()
    is_one = number == "1" and not scale
    words = decimal(number) + scale
    words += " " + (name if is_one or match["gap"] == "-" else _plural(name))
    if match["per"]:
        per = _PER.get(match["per"].lower()) or _unit(match["per"])
        if per is None:
            return match[0]
        squared = " squared" if per == "second" and match["per_exponent"] else ""
        words += (
            f" per {per}{squared}" if squared else f" per {_raised(per, match['per_exponent'])}"
        )
    words = f"minus {words}" if match["minus"] else words
    return set_apart(match, words + end_mark(match, match["unit"].lower() not in _DOTTED))


def _name(match: re.Match[str]) -> str | None:
    """Return the unit's name; None where it is no unit: "5 in the morning", "the 5 s"."""
    symbol, gap = match["unit"], match["gap"]
    if symbol.lower() == "in" and not match["power"] and not match["exponent"]:
        after = match.string[match.end() : match.end() + 12]
        is_marked = match["dot"] or not gap or re.match(_AFTER_INCHES, after)
        return "inch" if is_marked and symbol == "in" else None
    if symbol == "s" and not match["slash"] and (gap or "." not in match["number"]):
        return None  # decades and plurals: 80 s, 4s
    if symbol in ("m", "g", "l", "h", "V", "W", "L") and gap == "-":
        return None
    name = _unit(symbol, gap)
    if name is None:
        return None
    if match["power"]:
        name = ("square " if match["power"].lower() == "sq" else "cubic ") + name
    return _raised(name, match["exponent"])


def _raised(name: str, exponent: str | None) -> str:
    if not exponent:
        return name
    return ("square " if exponent[-1] in "2²" else "cubic ") + name


def _plural(name: str) -> str:
    head, per, rest = name.partition(" per ")
    if head in _PLURALS:
        return _PLURALS[head] + per + rest
    if head.endswith(("lux", "hertz")) or head in ("d p i", "p p i", "p s i", "horsepower"):
        return name
    return f"{head}s{per}{rest}"


def _read_height(match: re.Match[str]) -> str:
    if match["only_feet"]:
        return _count(match["only_feet"], "foot", "feet")
    if match["only_inches"]:
        return _count(match["only_inches"], "inch", "inches")
    words = _count(match["feet"], "foot", "feet")
    return set_apart(match, f"{words} {_count(match['inches'], 'inch', 'inches')}")


def _read_duration(match: re.Match[str]) -> str:
    first, second = ("hours", "minutes") if match["hours"] else ("min", "sec")
    units = ("hour", "minute") if match["hours"] else ("minute", "second")
    counts = zip((match[first], match[second]), units, strict=True)
    return " ".join(_count(number, unit, unit + "s") for number, unit in counts)


def _count(number: str, one: str, many: str) -> str:
    words = decimal(number) if "." in number else cardinal(int(number))
    return f"{words} {one if words == 'one' else many}"
