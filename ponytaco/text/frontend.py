"""The text frontend of a voice: a text to a script of utterances, with notes for its writer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from ponytaco.formatting import and_more
from ponytaco.text.cleaners import CLEANERS, transliterate
from ponytaco.text.encode import clean_pieces, index_of, spoken_symbols, unknown_characters
from ponytaco.text.errors import TextError, nothing_to_speak
from ponytaco.text.lexicon import check_braces
from ponytaco.text.phones import BRACES, WORD, in_braces, split_braces
from ponytaco.text.pronouncer import LETTERS, Pronouncer
from ponytaco.text.segmentation import Part, split_paragraphs, split_parts, split_sentences
from ponytaco.text.styles import NO_STYLE, find_style, known_styles, split_styles
from ponytaco.text.symbols import PHONE_MARK, PHONES, STYLE_SIGNS

_MOST_NAMED = 12  # words in one note
_LAST_MARK = re.compile(r"[.!?…,;:—–-][\"'”’»)\]]*$")

# A vowel's stresses, the most alike first; none is written "".
_STRESSES = {"": ("", "1", "2", "0"), "0": ("0", "", "2", "1"), "1": ("1", "", "2", "0"),
             "2": ("2", "1", "", "0")}  # fmt: skip

_Words = list[tuple[str, str]]
"""Each word's name, and the word as it is pronounced."""


@dataclass(frozen=True)
class Utterance:
    """A piece of a text that is synthesised in one go."""

    text: str
    """As written."""
    ids: tuple[int, ...]
    """Indices into the voice's symbol table."""
    spoken: tuple[bool, ...]
    """For each id whether it is a letter or a phone."""
    words: tuple[tuple[str, int, int], ...]
    """Each word, and where its symbols begin and end in ``ids``."""
    style: str
    """A style's name; 'Neutral' for none."""
    ends: str
    """What it is the end of: 'word', 'clause', 'sentence' or 'paragraph'."""
    unreadable: tuple[str, ...] = ()
    """Words that nobody will understand: the voice has learnt no letters, and not their sounds."""


@dataclass
class Script:
    """A text as utterances."""

    utterances: list[Utterance] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Sentences in which nothing can be spoken."""
    spelled: list[str] = field(default_factory=list)
    """Words without a pronunciation, which are read letter by letter."""
    guessed: list[str] = field(default_factory=list)
    """Words that no dictionary has, whose phones were guessed."""
    unreadable: list[str] = field(default_factory=list)
    """Words without a pronunciation, which are left out: the voice has not learnt letters."""
    missing: set[str] = field(default_factory=set)
    """Phones that the voice has not learnt, which are left out."""
    notes: list[str] = field(default_factory=list)
    """What the writer should know, one sentence each."""


class TextFrontend:
    """Reads texts for one voice.

    Args:
        symbols: the voice's table.
        cleaner: 'english', 'transliteration' or 'basic'.
        pronouncer: words' phones; None for a voice that knows letters only.
        limit: symbols that no utterance may exceed; longer sentences are cut.
        seen: symbols that the voice has learnt, others are left out; empty where that is unknown.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        cleaner: str,
        pronouncer: Pronouncer | None,
        limit: int,
        seen: Collection[str] = (),
    ) -> None:
        self.limit = limit
        self._symbols = symbols
        self._index = {s: i for s, i in index_of(symbols).items() if not seen or s in seen}
        self._phones = {phone: self._usable_phone(phone) for phone in PHONES}
        self._cleaner = cleaner
        self._pronouncer = pronouncer
        self._knows_letters = not seen or any(sign.isalpha() for sign in self._index)
        if pronouncer is not None and self._knows_letters:
            pronouncer.accepts = lambda phones: (
                bool(phones) and not self._missing(in_braces(phones))
            )
        self.styles = [style for style, sign in STYLE_SIGNS.items() if sign in self._index]

    def read(self, text: str, style: str = "") -> Script:
        """Cut a text into utterances.

        Args:
            text: with pronunciations in braces and style names in brackets.
            style: the style at its beginning; none if left out.

        Raises:
            TextError: nothing can be spoken, braces hold no pronunciation, or a style is unknown.
        """
        script = Script()
        if self._pronouncer is not None:
            self._pronouncer.begin()
        current = find_style(style, self.styles) if style else NO_STYLE
        paragraphs = split_paragraphs(check_braces(text))
        for paragraph in paragraphs:
            stretches, others = split_styles(paragraph, current, self.styles)
            script.notes += [
                f"[{other}] is not a style and is read as text. {known_styles(self.styles)}"
                for other in dict.fromkeys(others)
            ]
            n_before = len(script.utterances)
            for number, (current, stretch) in enumerate(stretches, start=1):
                self._add(script, stretch, current, is_last=number == len(stretches))
            if len(script.utterances) > n_before:
                script.utterances[-1] = replace(script.utterances[-1], ends="paragraph")
        if not paragraphs:
            raise TextError("There is no text to speak. Write some words.")
        if not script.utterances:
            raise TextError(_no_letters(script)) if script.unreadable else nothing_to_speak(text)
        if self._pronouncer is not None:
            script.guessed = [word for word, phones in self._pronouncer.guessed.items() if phones]
        self._note_styles(script)
        self._note_phones(script, text)
        self._note_sounds(script, text)
        if script.unreadable:
            script.notes.append(_no_letters(script))
        self._note_characters(script, text)
        self._note_other_alphabets(script, text)
        return script

    def _add(self, script: Script, stretch: str, style: str, is_last: bool) -> None:
        sentences = split_sentences(stretch)
        for number, sentence in enumerate(sentences, start=1):
            parts = split_parts(sentence, max(1, self.limit - 2), self._count)
            if not is_last and number == len(sentences) and not _LAST_MARK.search(sentence):
                parts[-1] = Part(parts[-1].text, "clause")  # only the style changes there
            for part in parts:
                words = self._words(part.text)
                utterance = self._utterance(part, style, words)
                missing = [self._missing(word) for _, word in words]
                spelled = self._spelled(words)
                listed = script.spelled if self._knows_letters else script.unreadable
                listed += [word for word in spelled if word not in listed]
                if utterance is None:
                    script.left_out.append(part.text)
                    continue
                if not self._knows_letters:
                    names = [*spelled, *(n for (n, _), m in zip(words, missing, strict=True) if m)]
                    utterance = replace(utterance, unreadable=tuple(names))
                script.missing.update(*missing)
                script.utterances.append(utterance)

    def _count(self, text: str) -> int:
        counts = [len(self._ids(word)) for _, word in self._words(text)]
        return sum(counts) + len(counts) - 1  # a space between two words

    def _utterance(self, part: Part, style: str, words: _Words) -> Utterance | None:
        ids = self._ids(STYLE_SIGNS[style]) if style in self.styles else []
        places: list[tuple[str, int, int]] = []
        for name, word in words:
            word_ids = self._ids(word)
            if not word_ids:
                continue
            if places:
                ids += self._ids(" ")
            places.append((name, len(ids), len(ids) + len(word_ids)))
            ids += word_ids
        if not any(spoken_symbols(ids, self._symbols)):
            return None
        # Nearly every text that a voice learns from ends with a mark, by which it knows the end.
        if not _LAST_MARK.search(part.text) or all(spoken_symbols(ids[-1:], self._symbols)):
            ids += self._ids("," if part.ends in ("word", "clause") else ".")
        spoken = spoken_symbols(ids, self._symbols)
        return Utterance(part.text, tuple(ids), tuple(spoken), tuple(places), style, part.ends)

    def _words(self, text: str) -> _Words:
        cleaned = "".join(map(str, clean_pieces(text, self._cleaner)))
        apply = self._pronouncer.apply if self._pronouncer is not None else str
        return [(_without_marks(word), apply(word)) for word in WORD.findall(cleaned)]

    def _spelled(self, words: _Words) -> tuple[str, ...]:
        if self._pronouncer is None or self._pronouncer.is_empty:
            return ()
        spelled = [w for _, word in words for w in LETTERS.findall(BRACES.sub(" ", word))]
        return tuple(dict.fromkeys(spelled))

    def _ids(self, text: str) -> list[int]:
        return [
            self._index[sign]
            for piece in split_braces(text)
            for sign in [self._phones[phone] for phone in piece.phones] or piece.text
            if sign in self._index
        ]

    def _usable_phone(self, phone: str) -> str:
        """Return the symbol of a phone, of a vowel with the next stress that the voice knows."""
        sound = phone.rstrip("012")
        symbols = [PHONE_MARK + sound + stress for stress in _STRESSES[phone[len(sound) :]]]
        return next((symbol for symbol in symbols if symbol in self._index), PHONE_MARK + phone)

    def _note_styles(self, script: Script) -> None:
        used = {utterance.style for utterance in script.utterances} - {NO_STYLE, *self.styles}
        if used:
            script.notes.append(
                f"This voice was not trained on the style {', '.join(sorted(used))}, which is left "
                f"out. {known_styles(self.styles)}"
            )

    def _note_phones(self, script: Script, text: str) -> None:
        if "{" in text and self._pronouncer is None:
            script.notes.append(
                "This voice was trained on letters alone, and can hardly read pronunciations in "
                "braces. Write the words so that their letters sound right."
            )

    def _note_sounds(self, script: Script, text: str) -> None:
        if "{" not in text and self._pronouncer is None:
            return
        if script.missing:
            script.notes.append(
                f"This voice has not learnt the sounds {' '.join(sorted(script.missing))} yet, "
                "which are left out."
            )

    def _missing(self, word: str) -> set[str]:
        """Return the phones of a word that the voice has learnt with no stress."""
        phones = {phone for piece in split_braces(word) for phone in piece.phones}
        return {phone for phone in phones if self._phones[phone] not in self._index}

    def _note_characters(self, script: Script, text: str) -> None:
        unknown = unknown_characters(text, self._cleaner, self._symbols)
        # Quotation marks and brackets have no sound that anybody would miss.
        missed = [sign for sign in unknown if unicodedata.category(sign)[0] not in "PZC"]
        if missed:
            script.notes.append(
                f"This voice cannot read {' '.join(missed[:20])}, which is left out."
            )

    def _note_other_alphabets(self, script: Script, text: str) -> None:
        # 'basic' rewrites nothing, and with 'transliteration' a voice has learnt such readings.
        if self._cleaner != "english":
            return
        foreign = [word for word in LETTERS.findall(text) if any(map(_is_foreign, word))]
        readings = {word: CLEANERS["transliteration"](word).strip() for word in foreign}
        word = next((word for word in foreign if readings[word]), None)
        if word is not None:
            script.notes.append(
                f"This voice knows Latin letters only and guesses at others: '{word[:20]}' is "
                f"read as '{readings[word][:40]}'. Write it as it should sound."
            )


def _no_letters(script: Script) -> str:
    return (
        "This voice has learnt pronunciations but no letters yet, and these words have no "
        f"pronunciation, so they are left out: {and_more(script.unreadable, _MOST_NAMED)}. Write "
        "them in braces, {HH AH0 L OW1}, or give a dictionary that has them."
    )


def _is_foreign(character: str) -> bool:
    """Return whether a letter is not Latin, so that rewriting it is a guess."""
    if character.isascii() or unicodedata.category(character) not in ("Lu", "Ll", "Lt", "Lo"):
        return False
    plain = unicodedata.normalize("NFKD", character)[0]
    is_latin = "LATIN" in unicodedata.name(plain, "LATIN")
    is_unit = unicodedata.name(character, "").endswith(" SIGN")  # micro, ohm
    return not is_latin and not is_unit and bool(transliterate(character))


def _without_marks(word: str) -> str:
    return word.strip(" .,;:!?…\"'“”‘’«»()[]-—–") or word
