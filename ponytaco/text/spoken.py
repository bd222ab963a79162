"""Texts normalised for a word error rate: the words as a recogniser writes them down."""

from __future__ import annotations

import re

from ponytaco.text.encode import clean

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


def spoken_words(text: str, cleaner: str) -> list[str]:
    """Return a text's words as a recogniser writes them, numbers in words.

    The list is empty where some are phones in braces, which no recogniser writes.
    """
    cleaned = clean(text, cleaner).lower()
    return [] if "{" in cleaned else _WORD.findall(cleaned.replace("’", "'"))
