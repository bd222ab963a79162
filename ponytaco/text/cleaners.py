"""Cleaners: any text to the letters and signs that a model was trained on."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping

from ponytaco.text.numbers import numbers_to_words
from ponytaco.text.symbols import EMOTION_SIGNS, NEW_LINE

_WHITESPACE = re.compile(r"\s+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# Signs of the symbol table, which transliteration would take for ornaments ("•" -> "*"), and
# currencies, of which it makes letters ("£" -> "PS") before the numbers are read.
_KEPT = frozenset((*EMOTION_SIGNS, NEW_LINE, *"£€"))

# "misess" is no slip: the published models were trained with it, and it sounds right.
_ABBREVIATIONS: Mapping[str, str] = types.MappingProxyType(
    {
        "capt": "captain",
        "co": "company",
        "col": "colonel",
        "dr": "doctor",
        "drs": "doctors",
        "esq": "esquire",
        "etc": "et cetera",
        "ft": "fort",
        "gen": "general",
        "hon": "honorable",
        "jr": "junior",
        "lt": "lieutenant",
        "ltd": "limited",
        "maj": "major",
        "mr": "mister",
        "mrs": "misess",
        "ms": "miss",
        "prof": "professor",
        "rev": "reverend",
        "sgt": "sergeant",
        "sr": "senior",
        "st": "saint",
        "vs": "versus",
    }
)
_ABBREVIATION = re.compile(rf"\b({'|'.join(_ABBREVIATIONS)})\.")

# Signs that a reader says. The slash and the underscore are silent, but do part words.
_SPOKEN_SIGNS = str.maketrans(
    {
        "&": " and ",
        "%": " percent ",
        "@": " at ",
        "+": " plus ",
        "=": " equals ",
        "/": " ",
        "_": " ",
    }
)


def basic(text: str) -> str:
    """Lower case and single spaces; for languages whose letters are a table's own."""
    return _WHITESPACE.sub(" ", text.lower())


def transliteration(text: str) -> str:
    """``basic`` after writing every letter in ASCII; for languages other than English."""
    return basic("".join(transliterate(character) for character in text))


def english(text: str) -> str:
    """``transliteration`` plus numbers, abbreviations and signs in words."""
    text = numbers_to_words(transliteration(text)).translate(_SPOKEN_SIGNS)
    text = _ABBREVIATION.sub(lambda match: _ABBREVIATIONS[match[1]], text)
    return basic(text)


def transliterate(character: str) -> str:
    """A character in ASCII (é -> e); signs of the symbol table stay; empty if it has no reading."""
    if character.isascii() or character in _KEPT:
        return character
    if _SURROGATE.match(character):
        return ""  # half of a character: unidecode would warn of it on stderr
    from unidecode import unidecode  # only for texts that are not ASCII

    return unidecode(character)


CLEANERS: Mapping[str, Callable[[str], str]] = types.MappingProxyType(
    {"english": english, "transliteration": transliteration, "basic": basic}
)
