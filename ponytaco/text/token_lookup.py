"""Words that are looked up as they are written, because cleaning would change them.

A user's ``R2D2``, ``A.J.``, ``MLP`` and ``Pinkie Pie`` are found before numbers are read and
letters made small; ``{HH AW1 Z}'s`` gets its ending, and the ``A`` of ``plan A`` its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ponytaco.text.abbreviations import READINGS
from ponytaco.text.inflection import Phones, inflected, possessive
from ponytaco.text.lexicon import MOST_WORDS, Lexicon, key_of, split_marks
from ponytaco.text.phones import in_braces, parse_phones, split_braces
from ponytaco.text.pronouncer import LETTER_NAMES
from ponytaco.text.segmentation import LETTERED

_TOKEN = re.compile(r"\S+")
_PLAIN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ENDED = re.compile(r"\{([^{}]*)\}(['’]?s|ed|ing|in['’])(?![\w'’])", re.IGNORECASE)

# An A that stands alone; where it is a letter's name and no article.
_CAPITAL_A = re.compile(r"(?<![\w.'’@&/+-])A(?![\w'’@&/-]|\.\w)")
_WORD_BEFORE = re.compile(r"(\w+)\s+[\"“(]*$")
_END_AFTER = re.compile(r"[\"'”’)]*(?:\s*$|[,;:!?)+]|\.(?!\.)|\s+[A-Z]\b(?!['’.-]))")
_WORD_AFTER = re.compile(r"\s+([a-z]+)\b(?!-)")
_VERBS_OF_LETTERS = frozenset((
    "and", "equals", "for", "is", "minus", "or", "plus", "stands", "to", "was",
))  # fmt: skip
_NEAR = 40
NAME_OF_A = "{EY1}"
"""How the letter A is written for a voice, which would else read the article."""


class Found(NamedTuple):
    """A word that was found in a text."""

    written: str
    source: str
    """The dictionary's name."""


class TokenLookup:
    """Finds words in a text before it is cleaned.

    Args:
        lexicons: those that a user gave, in order of precedence.
        accepts: tells which pronunciations the voice can speak.
    """

    def __init__(self, lexicons: Sequence[Lexicon], accepts: Callable[[Phones], bool]) -> None:
        self._lexicons = lexicons
        self._accepts = accepts
        # First words of keys that are several words, and the most words of such a key.
        self._phrases: dict[str, int] = {}
        for key in (key for lexicon in lexicons for key in lexicon.entries if " " in key):
            first, n_words = key.split(" ", 1)[0], key.count(" ") + 1
            self._phrases[first] = max(self._phrases.get(first, 0), min(n_words, MOST_WORDS))

    def apply(self, text: str) -> tuple[str, dict[str, Found]]:
        """Write these words as phones in braces.

        Returns:
            The text, and of each new pair of braces in it what was found.
        """
        sources: dict[str, Found] = {}
        if "{" in text:
            text = _ENDED.sub(_with_ending, text)
        if self._lexicons:
            pieces = (
                str(piece) if piece.phones else self._looked_up(piece.text, sources)
                for piece in split_braces(text)
            )
            text = "".join(pieces)
        if self._accepts(("EY1",)):
            named = _CAPITAL_A.sub(_letter_a, text)
            if named != text:
                sources.setdefault(NAME_OF_A, Found("A", LETTER_NAMES))
            text = named
        return text, sources

    def _looked_up(self, text: str, sources: dict[str, Found]) -> str:
        tokens = list(_TOKEN.finditer(text))
        written: list[str] = []
        end = number = 0
        while number < len(tokens):
            n_words = self._phrases.get(key_of(split_marks(tokens[number][0])[1]), 1)
            for n in range(min(n_words, len(tokens) - number), 0, -1):
                start, stop = tokens[number].start(), tokens[number + n - 1].end()
                before, core, after = split_marks(text[start:stop])
                core = " ".join(core.split())
                phones, name, after = self._entry(core, after, n > 1)
                if phones:
                    braces = in_braces(phones)
                    sources[braces] = Found(core, name)
                    written += [text[end:start], before, braces, after]
                    end, number = stop, number + n - 1
                    break
            number += 1
        return "".join(written) + text[end:]

    def _entry(self, core: str, after: str, is_phrase: bool) -> tuple[Phones, str, str]:
        """Look a token up that cleaning may change.

        Returns:
            Its phones, the dictionary's name, and the marks after it without an abbreviation's.
        """
        if not core or not (is_phrase or _is_changed(core, after)):
            return (), "", after
        key = key_of(core).replace("_", " ")
        for lexicon in self._lexicons:
            dotted = lexicon.lookup(key + ".") if after.startswith(".") else None
            phones = dotted or lexicon.lookup(key) or possessive(key, lexicon.lookup)
            if not phones and core[-1] == "s" and core[:-1].isupper():
                phones = inflected(key, lexicon.lookup)  # "TVs"
            if phones and self._accepts(phones):
                is_abbreviation = dotted or core.lower() in READINGS
                return phones, lexicon.name, after[1:] if is_abbreviation else after
        return (), "", after


def _is_changed(core: str, after: str) -> bool:
    """Return whether cleaning may read a token as other words: "R2D2", "MLP", "Dr."."""
    if not _PLAIN.fullmatch(core) or after.startswith("."):
        return True
    return core.lower() in READINGS or (len(core) > 1 and core.removesuffix("s").isupper())


def _with_ending(match: re.Match[str]) -> str:
    """Pronounce {HH AW1 Z}'s and the like as the possessive or the plural of a word."""
    phones = parse_phones(match[1])
    if phones is None:
        return match[0]
    ending = match[2].lower().replace("’", "'")
    form = possessive if ending == "'s" else inflected
    return in_braces(form("xx" + ending, {"xx": phones}.get) or phones)


def _letter_a(match: re.Match[str]) -> str:
    text, start, end = match.string, match.start(), match.end()
    before = _WORD_BEFORE.search(text, max(0, start - _NEAR), start)
    after = text[end : end + _NEAR]
    following = _WORD_AFTER.match(after)
    is_name = (
        _END_AFTER.match(after) is not None
        or (following is not None and following[1] in _VERBS_OF_LETTERS)
        or (before is not None and before[1].lower() in LETTERED)
        # "Plan A works", but not "A friend" nor "THIS IS A TEST"
        or (before is not None and following is not None and not before[1][:1].isupper())
        or (before is not None and len(before[1]) == 1 and before[1].isupper() and before[1] != "I")
    )
    return NAME_OF_A if is_name else match[0]
