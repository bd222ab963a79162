"""Cleaners: rewrite any text in the letters and signs that a model was trained on."""

from __future__ import annotations

import functools
import re
import types
import unicodedata
from collections.abc import Callable, Mapping

from ponytaco.text.normalize.abbreviations import read_abbreviations, read_numbered
from ponytaco.text.normalize.acronyms import read_acronyms
from ponytaco.text.normalize.electronic import read_addresses_online
from ponytaco.text.normalize.fractions import VULGAR
from ponytaco.text.normalize.markup import part_sentences, part_words, read_markup
from ponytaco.text.normalize.money import SYMBOLS as CURRENCIES
from ponytaco.text.normalize.roman import read_roman
from ponytaco.text.numbers import numbers_to_words
from ponytaco.text.symbols import EMOTION_SIGNS, NEW_LINE

_WHITESPACE = re.compile(r"\s+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")

# Transliteration would take the style signs for ornaments ("•" -> "*"), and write currencies as
# letters ("£" -> "PS") before the numbers are read.
_KEPT = frozenset((*EMOTION_SIGNS, NEW_LINE, *"£€"))

# Signs that the classes of numbers read, and what is said where they stand alone.
_SAID = {
    "°": " degrees ", "º": " degrees ", "×": " times ", "÷": " divided by ", "±": " plus or minus ",
    "√": " square root of ", "≤": " is at most ", "≥": " is at least ", "≠": " does not equal ",
    "≈": " about ", "²": " squared ", "³": " cubed ", "µ": " micro", "Ω": " ohms ", "¢": " cents ",
    "¥": " yen ", "₩": " won ", "₹": " rupees ", "₽": " rubles ", "₿": " bitcoin ", "₺": " lira ",
    "₪": " shekels ", "฿": " baht ", "₫": " dong ", "₴": " hryvnia ", "∞": " infinity ",
    "™": "", "®": "", "©": "", "–": "-", "—": "--", "−": "-", "′": "'", "″": '"',
}  # fmt: skip
_READ_LATER = frozenset((*_SAID, *CURRENCIES))
_SAID_LAST = re.compile(f"[{''.join(_SAID)}]")
_OTHER_WRITINGS = str.maketrans(
    {"μ": "µ", "Ω": "Ω", "№": "No. ", "\xa0": " ", "℃": "°C", "℉": "°F"}
)

# The underscore is silent, but separates words.
_SPOKEN_SIGNS = str.maketrans({
    "&": " and ", "%": " percent ", "@": " at ", "+": " plus ", "=": " equals ", "_": " ",
    "$": " dollar ", "£": " pound ", "€": " euro ",
})  # fmt: skip
_SLASH = re.compile(r"(?<=\w) ?/ ?(?=\w)")


def basic(text: str) -> str:
    """Lower the case and collapse white space; for languages whose letters the table has."""
    return _WHITESPACE.sub(" ", text.lower())


def transliteration(text: str) -> str:
    """Write every letter in ASCII, then apply ``basic``; for languages other than English."""
    return basic(_BEYOND_ASCII.sub(lambda match: transliterate(match[0]), text))


def english(text: str) -> str:
    """Write a text as it is said: letters in ASCII, numbers, abbreviations and signs in words."""
    text = _WHITESPACE.sub(" ", _plain_letters(read_markup(text)))
    text = part_sentences(read_addresses_online(text))
    text = numbers_to_words(read_numbered(text))
    text = read_acronyms(read_roman(read_abbreviations(text)))
    text = part_words(_SLASH.sub(" slash ", text).replace("/", " "))
    text = _SAID_LAST.sub(lambda match: _SAID[match[0]], text)
    return basic(text.translate(_SPOKEN_SIGNS))


def transliterate(character: str) -> str:
    """Write a character in ASCII (é -> e); table signs stay; empty where it has no reading."""
    if character.isascii() or character in _KEPT:
        return character
    if _SURROGATE.match(character):
        return ""  # half a character, of which unidecode would warn on stderr
    from unidecode import unidecode  # only texts beyond ASCII pay for loading it

    return unidecode(character)


def _plain_letters(text: str) -> str:
    """Write letters in ASCII; signs that are read later stay, what has no reading parts words."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text.translate(_OTHER_WRITINGS))
    return _BEYOND_ASCII.sub(lambda match: _plain_letter(match[0]), text)


@functools.lru_cache(maxsize=4096)
def _plain_letter(character: str) -> str:
    if character in _READ_LATER:
        return character
    if character in VULGAR:
        return f" {VULGAR[character]}"
    is_joiner = unicodedata.category(character) in ("Mn", "Cf")
    return transliterate(character) or ("" if is_joiner else " ")


CLEANERS: Mapping[str, Callable[[str], str]] = types.MappingProxyType(
    {"english": english, "transliteration": transliteration, "basic": basic}
)
