"""Symbol tables: the signs that a model knows, in order.

They index a model's embedding and its CTC head, so their order can never change: the published
weights depend on it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping

PAD = "_"
NEW_LINE = "␤"

# fmt: off
_VOWELS = (
    "AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW",
)
_CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH",
    "T", "TH", "V", "W", "Y", "Z", "ZH",
)
# fmt: on

# The CMU dictionary's phones; a vowel may carry a stress: 0 none, 1 primary, 2 secondary.
PHONES: tuple[str, ...] = tuple(
    sorted([*_CONSONANTS, *(vowel + stress for vowel in _VOWELS for stress in ("", *"012"))])
)

# In the tables a phone starts with this sign, which sets the phone "B" apart from the letter.
PHONE_MARK = "@"

_LETTERS = (*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"abcdefghijklmnopqrstuvwxyz")
_MARKED_PHONES = tuple(PHONE_MARK + phone for phone in PHONES)

EMOTION_SIGNS: tuple[str, ...] = tuple("☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲")

# Where NVIDIA's table has ";", this one has the new line; ";" moved to the end.
SYMBOLS: tuple[str, ...] = (
    PAD,
    "-",
    *f"!'(),.:{NEW_LINE}? ",
    *_LETTERS,
    *_MARKED_PHONES,
    *EMOTION_SIGNS,
    ";",
)
"""The 179 symbols of this project's models, the seed's order index for index."""

NVIDIA_SYMBOLS: tuple[str, ...] = (PAD, "-", *"!'(),.:;? ", *_LETTERS, *_MARKED_PHONES)
"""The 148 symbols of NVIDIA's Tacotron 2 and of most published weights."""

COOKIETTS_SYMBOLS: tuple[str, ...] = (
    *NVIDIA_SYMBOLS,
    EMOTION_SIGNS[0],
    NEW_LINE,
    *("#" if sign == "‼" else sign for sign in EMOTION_SIGNS[1:]),
)
"""The 179 symbols of CookieTTS, of which 31 stand elsewhere than in ``SYMBOLS``."""

CTC_SYMBOLS: tuple[str, ...] = (PAD, *_LETTERS, *_MARKED_PHONES)
"""The 137 symbols of the CTC head; the blank comes after them, at 137."""

STYLE_SIGNS: Mapping[str, str] = types.MappingProxyType(
    {
        # As the seed assigned them: voices are trained with these.
        "Anxious": "☺",
        "Happy": "☻",
        "Angry": "♥",
        "Annoyed": "♦",
        "Serious": "♣",
        "Amused": "♠",
        "Smug": "•",
        "Fear": "◘",
        "Sad": "○",
        "Shouting": "◙",
        "Confused": "♂",
        "Surprised": "♀",
        "Singing": "♪",
        "Love": "♫",
        "Sarcastic": "☼",
        "Tired": "►",
        "Exhausted": "►",
        "Whispering": "◄",
        # Tags that the seed gave no sign, on signs that it left unused.
        "Laughing": "↕",
        "Excited": "‼",
        "Bored": "▬",
        "Crazy": "↨",
        "Curious": "↑",
        "Disgust": "↓",
        "Nervous": "→",
        "Whining": "←",
        "Muffled": "∟",
        "Dizzy": "↔",
        "Canterlot Voice": "▲",
    }
)
"""The sign that stands for a soundtools tag; a tag that is not here (Neutral, …) has none."""
