"""Pronunciations of texts whose labels have no phones, by the installed dictionary."""

import functools

from ponytaco.text.cmudict import installed_dictionary
from ponytaco.text.encode import clean
from ponytaco.text.phones import BRACES
from ponytaco.text.pronouncer import LETTERS, Pronouncer, english_pronouncer

LEAST_KNOWN = 0.8
"""Share of a text's words that the dictionary must have; fewer mean another language."""


def can_pronounce() -> bool:
    """Tell whether a dictionary is installed, by which a text is known to be English."""
    return bool(installed_dictionary().entries)


def pronounce(text: str) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Write an English text as it is spoken, its words as phones in braces.

    Args:
        text: of a clip.

    Returns:
        The text, and its words in capitals with their phones. Both are empty where no dictionary
        is installed, or the text is in another language.
    """
    if not can_pronounce():
        return "", ()
    cleaned = clean(text)
    words = LETTERS.findall(BRACES.sub(" ", cleaned))
    pronouncer = _pronouncer()
    pronouncer.begin()
    n_known = sum(bool(pronouncer.lookup(word)) for word in words)
    if not words or n_known < LEAST_KNOWN * len(words):
        return "", ()
    spoken = ((word.upper(), pronouncer.pronounce(word)) for word in words)
    return pronouncer.apply(cleaned), tuple((word, phones) for word, phones in spoken if phones)


@functools.cache
def _pronouncer() -> Pronouncer:
    return english_pronouncer()
