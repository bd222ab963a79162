"""Cleaners: rewrite any text in the letters and signs that a model was trained on."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping

from ponytaco.text.abbreviations import READINGS
from ponytaco.text.numbers import numbers_to_words
from ponytaco.text.symbols import EMOTION_SIGNS, NEW_LINE

_WHITESPACE = re.compile(r"\s+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# Transliteration would take the style signs for ornaments ("•" -> "*"), and write currencies as
# letters ("£" -> "PS") before the numbers are read.
_KEPT = frozenset((*EMOTION_SIGNS, NEW_LINE, *"£€"))

_ABBREVIATION = re.compile(rf"\b({'|'.join(READINGS)})\.")

# The slash and the underscore are silent, but separate words.
_SPOKEN_SIGNS = str.maketrans({
    "&": " and ", "%": " percent ", "@": " at ", "+": " plus ", "=": " equals ", "/": " ", "_": " ",
})  # fmt: skip


def basic(text: str) -> str:
    """Lower the case and collapse white space; for languages whose letters the table has."""
    return _WHITESPACE.sub(" ", text.lower())


def transliteration(text: str) -> str:
    """Write every letter in ASCII, then apply ``basic``; for languages other than English."""
    return basic("".join(transliterate(character) for character in text))


def english(text: str) -> str:
    """Apply ``transliteration``, and write numbers, abbreviations and signs in words."""
    text = numbers_to_words(transliteration(text)).translate(_SPOKEN_SIGNS)
    text = _ABBREVIATION.sub(lambda match: READINGS[match[1]], text)
    return basic(text)


def transliterate(character: str) -> str:
    """Write a character in ASCII (é -> e); table signs stay; empty where it has no reading."""
    if character.isascii() or character in _KEPT:
        return character
    if _SURROGATE.match(character):
        return ""  # half a character, of which unidecode would warn on stderr
    from unidecode import unidecode  # only texts beyond ASCII pay for loading it

    return unidecode(character)


CLEANERS: Mapping[str, Callable[[str], str]] = types.MappingProxyType(
    {"english": english, "transliteration": transliteration, "basic": basic}
)
