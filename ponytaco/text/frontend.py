"""The text frontend of a voice: a text to a script of utterances, with notes for its writer."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from ponytaco.formatting import and_more
from ponytaco.text.cleaners import CLEANERS, transliterate
from ponytaco.text.encode import spoken_symbols
from ponytaco.text.errors import TextError, nothing_to_speak
from ponytaco.text.lexicon import Lexicon, check_braces
from ponytaco.text.pronouncer import LETTERS, Pronouncer, english_pronouncer
from ponytaco.text.script import Script, Utterance, Word
from ponytaco.text.segmentation import Part, split_paragraphs, split_parts, split_sentences
from ponytaco.text.styles import NO_STYLE, find_style, known_styles, split_styles
from ponytaco.text.symbols import EMOTION_SIGNS, NEW_LINE, STYLE_SIGNS, SYMBOLS
from ponytaco.text.word_encoder import EncodedWord, WordEncoder

USUAL_LIMIT = 150
"""Symbols of an utterance for voices that do not record their longest text: 10 s, as published
ones have learnt."""

_MOST_NAMED = 12  # words in one note
_LAST_MARK = re.compile(r"[.!?…,;:—–-][\"'”’»)\]]*$")

_ORNAMENTS = re.compile(f"[{''.join((*EMOTION_SIGNS, NEW_LINE))}]")
_MOST_UNKNOWN = 20  # signs in one note


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
        self.symbols = symbols
        self._cleaner = cleaner
        self._pronouncer = pronouncer
        self._words = WordEncoder(symbols, cleaner, pronouncer, seen)
        self.styles = [style for style, sign in STYLE_SIGNS.items() if sign in self._words.index]

    def read(self, text: str, style: str = "") -> Script:
        """Cut a text into utterances.

        Args:
            text: with pronunciations in braces and style names in brackets.
            style: the style at its beginning; none if left out.

        Raises:
            TextError: nothing can be spoken, braces hold no pronunciation, or a style is unknown.
        """
        script = Script()
        self._words.begin()
        # A pasted heart is no style: what a style's sign stands for only [a name] sets.
        ornaments = dict.fromkeys(_ORNAMENTS.findall(text))
        text = _ORNAMENTS.sub(" ", text)
        current = find_style(style, self.styles) if style else NO_STYLE
        paragraphs = split_paragraphs(check_braces(text))
        others: dict[str, None] = {}
        for paragraph in paragraphs:
            stretches, no_styles = split_styles(paragraph, current, self.styles)
            others.update(dict.fromkeys(no_styles))
            n_before = len(script.utterances)
            for number, (current, stretch) in enumerate(stretches, start=1):
                self._add(script, stretch, current, is_last=number == len(stretches))
            if len(script.utterances) > n_before:
                script.utterances[-1] = replace(script.utterances[-1], ends="paragraph")
        script.notes += [
            f"[{other}] is not a style and is read as text. {known_styles(self.styles)}"
            for other in itertools.islice(others, _MOST_NAMED)
        ]
        if not paragraphs:
            raise TextError("There is no text to speak. Write some words.")
        script.spelled = list(dict.fromkeys(script.spelled))
        script.unreadable = list(dict.fromkeys(script.unreadable))
        if not script.utterances:
            raise TextError(_no_letters(script)) if script.unreadable else nothing_to_speak(text)
        if self._pronouncer is not None:
            script.guessed = [word for word, phones in self._pronouncer.guessed.items() if phones]
        self._note_styles(script)
        self._note_phones(script, text)
        self._note_sounds(script, text)
        if script.unreadable:
            script.notes.append(_no_letters(script))
        self._note_characters(script, text, ornaments)
        self._note_other_alphabets(script, text)
        return script

    def _add(self, script: Script, stretch: str, style: str, is_last: bool) -> None:
        sentences = split_sentences(stretch)
        for number, sentence in enumerate(sentences, start=1):
            parts = split_parts(sentence, max(1, self.limit - 2), self._count)
            if not is_last and number == len(sentences) and not _LAST_MARK.search(sentence):
                parts[-1] = Part(parts[-1].text, "clause")  # only the style changes there
            for part in parts:
                self._add_part(script, part, style)

    def _add_part(self, script: Script, part: Part, style: str) -> None:
        words = self._words.read(part.text)
        spelled = [name for word in words for name in word.spelled]
        (script.spelled if self._words.knows_letters else script.unreadable).extend(spelled)
        script.unknown += [sign for word in words for sign in word.unknown]
        utterance = self._utterance(part, style, words)
        if utterance is None:
            script.left_out.append(part.text)
            return
        script.missing.update(*(word.missing for word in words))
        script.utterances.append(utterance)

    def _count(self, text: str) -> int:
        words = self._words.read(text)
        return sum(len(word.ids) for word in words) + len(words) - 1  # a space between two words

    def _utterance(self, part: Part, style: str, words: Sequence[EncodedWord]) -> Utterance | None:
        ids = self._words.ids(STYLE_SIGNS[style]) if style in self.styles else []
        space = self._words.ids(" ")
        places: list[Word] = []
        for word in words:
            if not word.ids:
                continue
            if places:
                ids += space
            places.append(Word(word.name, len(ids), len(ids) + len(word.ids), word.sources))
            ids += word.ids
        if not any(spoken_symbols(ids, self.symbols)):
            return None
        # Nearly every text that a voice learns from ends with a mark, by which it knows the end.
        if not _LAST_MARK.search(part.text) or all(spoken_symbols(ids[-1:], self.symbols)):
            ids += self._words.ids("," if part.ends in ("word", "clause") else ".")
        spoken = tuple(spoken_symbols(ids, self.symbols))
        unreadable: tuple[str, ...] = ()
        if not self._words.knows_letters:
            spelled = dict.fromkeys(name for word in words for name in word.spelled)
            unreadable = (*spelled, *(word.name for word in words if word.missing))
        return Utterance(part.text, tuple(ids), spoken, tuple(places), style, part.ends, unreadable)

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

    def _note_characters(self, script: Script, text: str, ornaments: Iterable[str]) -> None:
        if self._cleaner != "basic":  # which writes nothing in other letters
            characters = dict.fromkeys(text)
            script.unknown += [sign for sign in characters if not transliterate(sign)]
        # Quotation marks and brackets have no sound that anybody would miss.
        letters = [sign for sign in script.unknown if unicodedata.category(sign)[0] not in "PZC"]
        script.unknown = list(dict.fromkeys([*ornaments, *letters]))
        if script.unknown:
            script.notes.append(
                f"This voice cannot read {' '.join(script.unknown[:_MOST_UNKNOWN])}, which is left "
                "out."
            )

    def _note_other_alphabets(self, script: Script, text: str) -> None:
        # 'basic' rewrites nothing, and with 'transliteration' a voice has learnt such readings.
        if self._cleaner != "english" or text.isascii():
            return
        foreign = (word[0] for word in LETTERS.finditer(text) if any(map(_is_foreign, word[0])))
        for word in itertools.islice(foreign, 100):
            reading = CLEANERS["transliteration"](word).strip()
            if reading:
                script.notes.append(
                    f"This voice knows Latin letters only and guesses at others: '{word[:20]}' is "
                    f"read as '{reading[:40]}'. Write it as it should sound."
                )
                return


def english_frontend(given: Sequence[Lexicon] = ()) -> TextFrontend:
    """Return the frontend of a voice that has learnt every letter and phone of English."""
    return TextFrontend(SYMBOLS, "english", english_pronouncer(given), USUAL_LIMIT)


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
