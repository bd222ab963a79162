"""Words as a voice gets them: cleaned, pronounced, and as ids of the symbols that it has learnt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ponytaco.text.encode import clean_pieces, index_of
from ponytaco.text.phones import BRACES, WORD, Piece, in_braces, split_braces
from ponytaco.text.pronouncer import FROM_BRACES, LETTERS, SPELLED, Pronouncer
from ponytaco.text.symbols import PHONE_MARK, PHONES
from ponytaco.text.token_lookup import Found, TokenLookup

# A vowel's stresses, the most alike first; none is written "".
_STRESSES = {"": ("", "1", "2", "0"), "0": ("0", "", "2", "1"), "1": ("1", "", "2", "0"),
             "2": ("2", "1", "", "0")}  # fmt: skip
_VOWELS = frozenset(phone[:-1] for phone in PHONES if phone.endswith("0"))
# A mark that a voice has not learnt, and the one that it reads instead.
_OTHER_MARKS = {"!": ".", "?": ".", ";": ",", ":": ","}
_MOST_CACHED = 2**16  # texts whose words are kept, since a sentence is counted before it is read

# An acronym with an A, whose letters cleaning may part; the A is no article there.
_ACRONYM = re.compile(
    r"\b(?=[B-Z.]*A)[A-Z](?:\.?[A-Z])+|\b(?=[b-z.]*a)[a-z](?:\.[a-z])+\b|\d\s?am\b"
)
_ARTICLE = re.compile(r"\ba\s+[A-Z]")  # "a U.S.A. law"
_LETTER = re.compile(r"[a-z]\b")


class EncodedWord(NamedTuple):
    """A word with the marks around it, as a voice gets it."""

    name: str
    """As cleaning writes it, without marks."""
    text: str
    """With phones in braces."""
    ids: tuple[int, ...]
    sources: tuple[str, ...]
    """As of a script's ``Word``."""
    spelled: tuple[str, ...]
    """What is read letter by letter."""
    missing: tuple[str, ...]
    """Phones that the voice has not learnt."""
    unknown: tuple[str, ...]
    """Characters that the voice has not learnt."""


class WordEncoder:
    """Reads the words of short texts for one voice.

    Args:
        symbols: the voice's table.
        cleaner: 'english', 'transliteration' or 'basic'.
        pronouncer: words' phones; None for a voice that knows letters only.
        seen: symbols that the voice has learnt, others are left out; empty where that is unknown.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        cleaner: str,
        pronouncer: Pronouncer | None,
        seen: Collection[str],
    ) -> None:
        self.index: Mapping[str, int] = {
            sign: number
            for sign, number in index_of(symbols).items()
            # Whoever learnt phones from a dictionary has learnt no vowel without a stress.
            if (sign in seen if seen else sign.removeprefix(PHONE_MARK) not in _VOWELS)
        }
        self.knows_letters = not seen or any(sign.isalpha() for sign in self.index)
        others = {mark: self.index.get(other) for mark, other in _OTHER_MARKS.items()}
        self._signs = {mark: number for mark, number in others.items() if number is not None}
        self._signs.update(self.index)
        self._phones = {phone: self._usable_phone(phone) for phone in PHONES}
        self._cleaner = cleaner
        self._pronouncer = pronouncer
        self._written: TokenLookup | None = None
        if pronouncer is not None:
            if self.knows_letters:
                pronouncer.accepts = lambda phones: bool(phones) and not self._missing(phones)
            users = [lexicon for lexicon in pronouncer.lexicons if lexicon.is_users]
            if users or cleaner == "english":
                self._written = TokenLookup(users, pronouncer.accepts)
        self._words: dict[str, EncodedWord] = {}
        self._read: dict[str, list[EncodedWord]] = {}

    def begin(self) -> None:
        """Begin another text."""
        if self._pronouncer is not None:
            self._pronouncer.begin()
        self._words, self._read = {}, {}

    def read(self, text: str) -> list[EncodedWord]:
        """Return a text's words as they are spoken."""
        if text not in self._read:
            if len(self._read) >= _MOST_CACHED:
                self._read.clear()
            self._read[text] = self._new(text)
        return self._read[text]

    def ids(self, text: str) -> list[int]:
        """Return the symbols of a cleaned text that the voice has learnt."""
        return self._ids(split_braces(text))

    def _ids(self, pieces: Iterable[Piece]) -> list[int]:
        return [
            number
            for piece in pieces
            for sign in (self._stressed(piece.phones) if piece.phones else piece.text)
            if (number := self._signs.get(sign)) is not None
        ]

    def _new(self, text: str) -> list[EncodedWord]:
        written, sources = self._written.apply(text) if self._written else (text, {})
        cleaned = WORD.findall("".join(map(str, clean_pieces(written, self._cleaner))))
        if self._pronouncer is not None and _ACRONYM.search(text):
            cleaned = _with_names_of_a(cleaned, _ARTICLE.search(text) is not None)
        words = [self._word(word) for word in cleaned]
        if not sources:
            return words
        return [self._with_sources(word, sources) for word in words]

    def _word(self, word: str) -> EncodedWord:
        if word not in self._words:
            pronouncer = self._pronouncer
            spoken, sources = pronouncer.read(word) if pronouncer else (word, (SPELLED,))
            pieces = list(split_braces(spoken))
            letters = " ".join(piece.text for piece in pieces if not piece.phones)
            has_letters = any(map(str.isalpha, letters))
            is_told = has_letters and pronouncer is not None and not pronouncer.is_empty
            self._words[word] = EncodedWord(
                without_marks(word),
                spoken,
                tuple(self._ids(pieces)),
                sources,
                tuple(LETTERS.findall(letters)) if is_told else (),
                tuple(phone for piece in pieces for phone in self._missing(piece.phones)),
                tuple(
                    sign
                    for sign in letters
                    if sign not in self._signs and (self.knows_letters or not sign.isalpha())
                ),
            )
        return self._words[word]

    def _with_sources(self, word: EncodedWord, found: Mapping[str, Found]) -> EncodedWord:
        """Name a word in braces that do not stand in the text, and its dictionary."""
        for braces in BRACES.findall(word.text):
            at = "{" + braces + "}"
            if at in found and at in word.name:
                rest = [source for source in word.sources if source != FROM_BRACES]
                word = word._replace(
                    name=word.name.replace(at, found[at].written),
                    sources=tuple(dict.fromkeys([found[at].source, *rest])),
                )
        return word

    def _stressed(self, phones: Sequence[str]) -> list[str]:
        """Return the symbols of phones; of vowels without a stress the first gets the primary."""
        has_primary = any(phone.endswith("1") for phone in phones)
        signs = []
        for phone in phones:
            if phone in _VOWELS and PHONE_MARK + phone not in self.index:
                phone += "0" if has_primary else "1"
                has_primary = True
            signs.append(self._phones[phone])
        return signs

    def _usable_phone(self, phone: str) -> str:
        """Return the symbol of a phone, of a vowel with the next stress that the voice knows."""
        sound = phone.rstrip("012")
        signs = [PHONE_MARK + sound + stress for stress in _STRESSES[phone[len(sound) :]]]
        return next((sign for sign in signs if sign in self.index), PHONE_MARK + phone)

    def _missing(self, phones: Sequence[str]) -> list[str]:
        """Return the phones that the voice has learnt with no stress."""
        return [phone for phone in phones if self._phones[phone] not in self.index]


def without_marks(word: str) -> str:
    """Return a word without the marks around it; marks alone as they are."""
    return word.strip(" .,;:!?…\"'“”‘’«»()[]-—–") or word


def _with_names_of_a(words: list[str], has_article: bool) -> list[str]:
    """Write the A of "a j" and "u s a" as its name, beside other letters."""
    is_letter = [False, *(_LETTER.match(word) is not None for word in words), False]
    return [
        in_braces(("EY1",)) + word[1:]
        if word[0] == "a" and here and (before or (after and not has_article))
        else word
        for before, here, after, word in zip(
            is_letter, is_letter[1:], is_letter[2:], words, strict=False
        )
    ]
