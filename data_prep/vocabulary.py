"""Words of the Pony Preservation Project: its characters, tags and levels of noise."""

from __future__ import annotations

import re

NOISY, VERY_NOISY = "Noisy", "Very Noisy"

_NOISE = {"": "", "clean": "", "noisy": NOISY, "verynoisy": VERY_NOISY}

_ALIASES = {
    "twilight": "Twilight Sparkle",
    "pinkie": "Pinkie Pie",
    "rainbow": "Rainbow Dash",
    "big mac": "Big Macintosh",
}

_TAGS_OF_TWO_WORDS = re.compile(r"canterlot[ _-]voice", re.IGNORECASE)


def noise_level(text: str) -> str | None:
    """Return "", "Noisy" or "Very Noisy", however it is spelt; None for another word."""
    return _NOISE.get("".join(char for char in text.casefold() if char.isalpha()))


def split_tags(text: str) -> tuple[str, ...]:
    """Split tags that stand in one text: at commas if there are any, else at spaces."""
    if re.search(r"[,;/]", text):
        return tuple(tag.strip() for tag in re.split(r"[,;/]", text) if tag.strip())
    joined = _TAGS_OF_TWO_WORDS.sub("Canterlot\0Voice", text)
    return tuple(tag.replace("\0", " ") for tag in joined.split())


def full_name(character: str) -> str:
    """Return a character's name, in full for the short ones of the Master File."""
    plain = " ".join(character.split())
    return _ALIASES.get(plain.casefold(), plain)


def is_same_character(one: str, other: str) -> bool:
    """Whether two names are those of one character, in any case, short or in full."""
    return full_name(one).casefold() == full_name(other).casefold()
