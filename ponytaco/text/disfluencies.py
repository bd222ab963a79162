"""Stuttered and lengthened words: W-w-what, th-thought, Nooooo, no-o-o, Hmmmm."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ponytaco.text.inflection import Phones

_VOWELS = frozenset("aeiou")
_SOUNDS_OF_TWO = ("ch", "gh", "kn", "ph", "sh", "th", "wh", "wr")
_LONGEST_FRAGMENT = 4
_RUN = re.compile(r"(.)\1*")
_MOST_RUNS = 6
_HELD = re.compile(r"(?<=[a-z])([a-z])(?:-+\1+)+$")

# fmt: off
# Of these the form with a double letter is a word too, "stoop", but hardly the one that is meant.
_SHORT = frozenset((
    "any", "back", "can", "for", "from", "go", "has", "her", "here", "his", "ho", "home", "hot",
    "in", "later", "let", "line", "long", "many", "more", "no", "of", "put", "sad", "so", "stop",
    "super", "time", "us", "was", "were", "who", "yes", "yo",
))
_OF_ONE_LETTER = {"a": "ah", "e": "ee", "i": "ee", "o": "oh", "u": "uh"}
# fmt: on


def split_stutter(token: str) -> tuple[list[str], str] | None:
    """Split "w-w-what" into its fragments and its word; None for what is no stutter.

    Args:
        token: in lower case.
    """
    *fragments, word = token.split("-")
    if not fragments or len(word) < 2 or not all(fragments):
        return None
    # "wh-what", and "s-st-stop"; "so-so" is a word said twice
    is_stutter = all(
        word.startswith(part) and part != word and len(part) <= _LONGEST_FRAGMENT
        for part in fragments
    )
    return (fragments, word) if is_stutter else None


def first_sounds(fragment: str, phones: Phones) -> Phones:
    """Return the phones of a word's beginning: "th" of "thought" is TH, "st" of "stop" S T."""
    onset = list(itertools.takewhile(lambda phone: not phone[-1].isdigit(), phones))
    if len(onset) == len(phones):  # without stress, or without a vowel
        return phones[:1]
    if not _VOWELS.isdisjoint(fragment):
        return phones[: len(onset) + 1]
    n_sounds = len(fragment) - sum(fragment.count(sound) for sound in _SOUNDS_OF_TWO)
    return tuple(onset[: max(1, n_sounds)]) or phones[:1]


def short_forms(word: str) -> Iterator[str]:
    """Iterate over the words that a lengthened one may be, the likeliest first.

    Args:
        word: in lower case, as "noooo", "no-o-o" or "yess".
    """
    held = _HELD.sub(r"\1", word)
    if held != word:
        yield held
    runs = [run[0] for run in _RUN.finditer(held)]
    is_long = [len(run) > 2 for run in runs]
    if len(runs) > 1 and len(runs[-1]) == 2:
        is_long[-1] = True  # "yess"
    if not 0 < sum(is_long) <= _MOST_RUNS:
        return
    if len(runs) == 1 and word[0] in _OF_ONE_LETTER:
        yield _OF_ONE_LETTER[word[0]]
        return
    options = [
        (run[:2], run[:1]) if long else (run,) for run, long in zip(runs, is_long, strict=True)
    ]
    forms = ["".join(form) for form in itertools.product(*options)]
    yield from sorted((f for f in forms if len(f) > 1), key=lambda form: form not in _SHORT)


def shortest_form(word: str) -> str:
    """Return a lengthened word with its letters once, for a guess; others as they are."""
    short = re.sub(r"([^\W\d_])\1{2,}", r"\1", _HELD.sub(r"\1", word))
    return short if len(short) > 1 else word
