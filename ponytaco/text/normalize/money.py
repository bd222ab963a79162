"""Money: $3.50, €1.5M, 50¢, US$5, 20 EUR, $5/month, $10k."""

from __future__ import annotations

import functools
import re

from ponytaco.text.normalize.words import cardinal, decimal, end_mark, set_apart

# symbol or code -> (unit, units, part, parts); 100 parts make a unit
_DOLLAR = ("dollar", "dollars", "cent", "cents")
_POUND = ("pound", "pounds", "penny", "pence")
_CURRENCIES = {
    "$": _DOLLAR, "£": _POUND, "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""), "₩": ("won", "won", "", ""), "₹": ("rupee", "rupees", "paisa",
    "paise"), "₽": ("ruble", "rubles", "kopek", "kopeks"), "₿": ("bitcoin", "bitcoins", "", ""),
    "¢": ("cent", "cents", "", ""), "₺": ("lira", "lira", "", ""), "₪": ("shekel", "shekels", "",
    ""), "฿": ("baht", "baht", "", ""), "₫": ("dong", "dong", "", ""), "₴": ("hryvnia", "hryvnia",
    "", ""),
    "USD": _DOLLAR, "EUR": ("euro", "euros", "cent", "cents"), "GBP": _POUND,
    "JPY": ("yen", "yen", "", ""), "CNY": ("yuan", "yuan", "", ""), "RMB": ("yuan", "yuan", "", ""),
    "CHF": ("swiss franc", "swiss francs", "centime", "centimes"),
    "CAD": ("canadian dollar", "canadian dollars", "cent", "cents"),
    "AUD": ("australian dollar", "australian dollars", "cent", "cents"),
    "INR": ("rupee", "rupees", "paisa", "paise"), "KRW": ("won", "won", "", ""),
    "MXN": ("mexican peso", "mexican pesos", "centavo", "centavos"),
    "SEK": ("swedish krona", "swedish kronor", "", ""),
    "NOK": ("norwegian krone", "norwegian kroner", "", ""),
    "DKK": ("danish krone", "danish kroner", "", ""), "PLN": ("zloty", "zloty", "", ""),
    "BTC": ("bitcoin", "bitcoins", "", ""),
}  # fmt: skip
_COUNTRIES = {
    "US": "u s", "CA": "canadian", "C": "canadian", "AU": "australian", "A": "australian",
    "NZ": "new zealand", "HK": "hong kong", "S": "singapore", "R": "brazilian",
}  # fmt: skip
_SCALES = {
    "k": "thousand", "m": "million", "mm": "million", "mn": "million", "mil": "million",
    "mio": "million", "b": "billion", "bn": "billion", "bil": "billion", "t": "trillion",
    "tn": "trillion", "tr": "trillion",
}  # fmt: skip
_PERIODS = {
    "mo": "month", "mth": "month", "yr": "year", "y": "year", "hr": "hour", "h": "hour",
    "d": "day", "wk": "week", "w": "week", "min": "minute", "s": "second", "sec": "second",
    "ea": "each", "kg": "kilogram", "g": "gram", "lb": "pound", "oz": "ounce", "l": "liter",
    "gal": "gallon", "gb": "gigabyte", "kwh": "kilowatt hour", "sqft": "square foot",
    "ft": "foot", "m": "meter", "km": "kilometer", "mi": "mile", "pp": "person",
}  # fmt: skip

SYMBOLS = "$£€¥₩₹₽₿¢₺₪฿₫₴"
"""Signs of currencies, which transliteration would write as letters."""

_CODE = "|".join(code for code in _CURRENCIES if code.isalpha())
_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,15})(?:\.[0-9]{1,20})?(?![0-9])"
_SCALE = (
    r"(?P<scale>[ -](?i:hundred|thousand|million|billion|trillion)\b"
    rf"|(?P<space> ?)(?P<short>(?i:{'|'.join(sorted(_SCALES, key=len, reverse=True))}))\b(?!['’]))?"
)
_PER = r"(?P<plus>\+)?(?: ?/ ?(?P<per>[A-Za-z]{1,8})\b\.?(?!\w))?"
_BEFORE = re.compile(
    rf"(?P<minus>(?<![\w)'.-])-)?(?:(?<![A-Za-z])(?P<country>{'|'.join(_COUNTRIES)}))?"
    rf"(?P<currency>[{SYMBOLS}]|(?<![\w])(?:{_CODE}))(?P<gap> ?)"
    rf"(?P<number>{_NUMBER}|\.[0-9]{{1,20}}(?![0-9])){_SCALE}{_PER}(?: (?:USD|GBP|EUR|AUD|CAD)\b)?"
)
_AFTER = re.compile(
    rf"(?P<minus>(?<![\w)'.-])-)?(?<![\w.,])(?P<number>{_NUMBER}){_SCALE}"
    rf" ?(?P<currency>[{SYMBOLS}](?![0-9])|\b(?:{_CODE})\b){_PER}"
)


def read_money(text: str) -> str:
    """Write the amounts of money of a text in words."""
    if not _ANY.search(text):
        return text
    text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    return _AFTER.sub(_read, _BEFORE.sub(_read, text))


_DECIMAL_COMMA = re.compile(r"((?<!\w)€ ?[0-9]{1,6}),([0-9]{1,2})(?![0-9])")
_ANY = re.compile(rf"[{SYMBOLS}]|\b(?:{_CODE})\b")


def _read(match: re.Match[str]) -> str:
    code = match["currency"]
    groups = match.groupdict()
    names: tuple[str, ...] = _CURRENCIES[code]
    country = groups.get("country")
    if country:
        names = tuple(f"{_COUNTRIES[country]} {name}" for name in names[:2]) + names[2:]
    # "$5 m" is five million dollars, "5 $ t" is not.
    scale = (match["scale"] or "").strip(" -")
    rest = ""
    if match["short"]:
        is_letter = bool(match["space"]) and match["short"] not in ("b", "bn", "mn", "m", "M", "B")
        rest = match["scale"] if is_letter else ""
        scale = "" if is_letter else _SCALES[match["short"].lower()]
    words = _amount(match["number"], scale.lower(), names) + rest
    if match["plus"]:
        words += " plus"
    words += _per(match["per"]) if match["per"] else ""
    words = f"minus {words}" if match["minus"] else words
    return set_apart(match, words + end_mark(match))


def _per(period: str) -> str:
    name = _PERIODS.get(period.lower(), period.lower())
    return f" {name}" if name == "each" else f" per {name}"


@functools.lru_cache(maxsize=4096)
def _amount(number: str, scale: str, names: tuple[str, ...]) -> str:
    unit, units, part, parts = names
    whole, _, fraction = number.replace(",", "").partition(".")
    if not fraction.strip("0"):
        is_one = whole == "1" and not scale
        return f"{decimal(whole or '0')}{' ' if scale else ''}{scale} {unit if is_one else units}"
    is_nothing = not whole.strip("0")
    # "0.5" are fifty cents, "3.5" is read as any fraction.
    cents = fraction.rstrip("0") if len(fraction) > 2 else fraction
    cents = cents.ljust(2, "0") if is_nothing or len(fraction) > 2 else cents
    if scale or len(cents) != 2 or not part:
        words = decimal(f"{whole}.{fraction}") + (f" {scale}" if scale else "")
        return f"{words} {units}"
    words = f"{cardinal(int(cents))} {part if int(cents) == 1 else parts}"
    if is_nothing:
        return words
    return f"{decimal(whole)} {unit if whole == '1' else units}, {words}"
