"""Words of a text as an aligner needs them: as they are spoken, each with its pronunciations."""

from collections.abc import Sequence
from dataclasses import dataclass

from ponytaco.text.cmudict import pronunciations
from ponytaco.text.encode import clean
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.phones import in_braces, split_braces
from ponytaco.text.pronouncer import LETTERS, Pronouncer, english_pronouncer

Phones = tuple[str, ...]

LEAST_KNOWN = 0.8
"""Share of words that dictionaries must have: fewer mean another language than English."""


@dataclass(frozen=True)
class Word:
    """A word of a text."""

    content: str
    """In lower case, as in a label; phones in braces where the text has such."""

    pronunciations: tuple[Phones, ...]
    """Those that it may have, at least one."""


class Speller:
    """Spells texts out into words, numbers and abbreviations too, and pronounces each.

    Args:
        lexicons: dictionaries asked before the installed one; the first that has a word counts.
    """

    def __init__(self, lexicons: Sequence[Lexicon] = ()) -> None:
        self._own = Pronouncer(lexicons)
        self._english = english_pronouncer(lexicons)
        self._n_known = self._n_words = 0

    def words(self, text: str) -> tuple[Word, ...]:
        """Return the words of a text; none if one cannot be pronounced, or it is not English.

        Another language is known by its words, be it those of this text alone or of all texts so
        far: "Fluttershy!" is no English word, but in English company.
        """
        self._english.begin()
        words, spelled = [], []
        for piece in split_braces(clean(text)):
            if piece.phones:
                words.append(Word(in_braces(piece.phones), (piece.phones,)))
            for written in [] if piece.phones else LETTERS.findall(piece.text):
                spelled.append(written.lower().replace("’", "'"))
                words.append(Word(spelled[-1], self._pronounce(spelled[-1])))
        is_spoken = bool(words) and all(word.pronunciations for word in words)
        return tuple(words) if self._is_english(spelled) and is_spoken else ()

    def _pronounce(self, word: str) -> tuple[Phones, ...]:
        if own := self._own.lookup(word):
            return (own,)
        first = self._english.pronounce(word)
        # "the", "a", "read": which one was spoken, the sound decides.
        return tuple(dict.fromkeys((first, *pronunciations(word)))) if first else ()

    def _is_english(self, spelled: Sequence[str]) -> bool:
        n_known = sum(bool(self._english.lookup(word)) for word in spelled)
        self._n_known += n_known
        self._n_words += len(spelled)
        return n_known >= LEAST_KNOWN * len(spelled) or (
            self._n_known >= LEAST_KNOWN * self._n_words
        )
