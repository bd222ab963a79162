"""Readings: what will be said of a text, sentence by sentence, and why."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ponytaco.text.encode import ids_to_text
from ponytaco.text.letter_to_sound import letter_to_sound
from ponytaco.text.lexicon import key_of
from ponytaco.text.phones import WORD
from ponytaco.text.script import Script, Utterance, Word
from ponytaco.text.styles import NO_STYLE
from ponytaco.text.token_lookup import NAME_OF_A
from ponytaco.text.word_encoder import without_marks

_GUESSED = "letter-to-sound"


class WordReading(NamedTuple):
    """A word as it will be said."""

    name: str
    symbols: str
    """Its phones, or its letters where it has none."""
    source: str
    """'CMUdict', a dictionary's name, 'braces', 'letter', 'letter-to-sound' or 'letters'."""


class SentenceReading(NamedTuple):
    """A sentence, or a part of a long one, as it will be said."""

    text: str
    """As written."""
    style: str
    """A style's name; empty for none."""
    spoken: str
    """With phones in braces, as the voice gets it."""
    expanded: tuple[tuple[str, str], ...]
    """What is written, and the words that are said for it: ("$5", "five dollars")."""
    words: tuple[WordReading, ...]


def read_sentences(script: Script, symbols: Sequence[str]) -> Iterator[SentenceReading]:
    """Iterate over a script's sentences as they will be said.

    Args:
        script: from ``TextFrontend.read``.
        symbols: the table of that frontend.
    """
    for utterance in script.utterances:
        yield SentenceReading(
            utterance.text,
            "" if utterance.style == NO_STYLE else utterance.style,
            ids_to_text(utterance.ids, symbols),
            tuple(_expanded(utterance)),
            tuple(_word(word, utterance, symbols) for word in utterance.words),
        )


def describe(script: Script, symbols: Sequence[str]) -> Iterator[str]:
    """Describe in lines what will be said, and what the writer can do about it.

    Args:
        script: from ``TextFrontend.read``.
        symbols: the table of that frontend.
    """
    for number, sentence in enumerate(read_sentences(script, symbols), start=1):
        style = f"[{sentence.style}] " if sentence.style else ""
        yield f"{number}. {style}{sentence.text}"
        yield f"   in words: {' '.join(word.name for word in sentence.words)}"
        yield f"   in phones: {sentence.spoken}"
        yield from (f"   {written} -> {spoken}" for written, spoken in sentence.expanded)
        width = max(len(word.name) for word in sentence.words)
        for word in sentence.words:
            is_guessed = word.source == _GUESSED
            source = "guessed from its letters" if is_guessed else word.source
            mark = "?" if is_guessed else " "
            yield f"   {mark} {word.name:<{width}}  {word.symbols}  ({source})"
    yield from (f"Left out, for nothing in it can be spoken: {text}" for text in script.left_out)
    yield from script.notes
    lines = dictionary_lines(script)
    if lines:
        yield (
            "In no dictionary. Where one sounds wrong, correct its line, write it into a text "
            "file, and add --dictionary FILE. (A vowel's number is its stress: 1 main, 2 second, "
            "0 none.)"
        )
        yield from (f"     {line}" for line in lines)


def dictionary_lines(script: Script) -> list[str]:
    """Return lines for a dictionary, one for each word that none has, with its probable phones."""
    words = dict.fromkeys([*script.guessed, *script.spelled, *script.unreadable])
    return [f"{word.upper()}  {' '.join(letter_to_sound().guess(key_of(word)))}" for word in words]


def _word(word: Word, utterance: Utterance, symbols: Sequence[str]) -> WordReading:
    spoken = ids_to_text(utterance.ids[word.start : word.stop], symbols)
    phones = spoken.replace("}{", " ").replace("{", "").replace("}", "")
    source = " and ".join(word.sources)
    if _is_letter_a(word, utterance):
        source = "letter"
    return WordReading(_name(word, utterance), without_marks(phones), source)


def _name(word: Word, utterance: Utterance) -> str:
    return "a" if _is_letter_a(word, utterance) else word.name


def _is_letter_a(word: Word, utterance: Utterance) -> bool:
    return word.name == NAME_OF_A and NAME_OF_A not in utterance.text


def _expanded(utterance: Utterance) -> Iterator[tuple[str, str]]:
    written = [without_marks(word) for word in WORD.findall(utterance.text)]
    said = [word.name for word in utterance.words]
    matcher = difflib.SequenceMatcher(
        None, list(map(key_of, written)), list(map(key_of, said)), autojunk=False
    )
    for change, start, stop, said_start, said_stop in matcher.get_opcodes():
        before = " ".join(written[start:stop])
        if change != "equal" and any(map(str.isalnum, before)):
            names = (_name(word, utterance) for word in utterance.words[said_start:said_stop])
            yield before, " ".join(names) or "(left out)"
