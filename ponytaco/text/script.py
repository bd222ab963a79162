"""Scripts: a text as the utterances that a voice speaks, with what its writer should know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Word(NamedTuple):
    """A word of an utterance."""

    name: str
    """As cleaning writes it, without marks."""
    start: int
    """Its first symbol, an index into the utterance's ids."""
    stop: int
    """The index after its last symbol."""
    sources: tuple[str, ...] = ()
    """Where its phones come from: dictionaries, 'braces', 'letter-to-sound' or 'letters'."""


@dataclass(frozen=True)
class Utterance:
    """A piece of a text that is synthesised in one go."""

    text: str
    """As written."""
    ids: tuple[int, ...]
    """Indices into the voice's symbol table."""
    spoken: tuple[bool, ...]
    """For each id whether it is a letter or a phone."""
    words: tuple[Word, ...]
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
    unknown: list[str] = field(default_factory=list)
    """Letters and signs that the voice has not learnt, which are left out."""
    notes: list[str] = field(default_factory=list)
    """What the writer should know, one sentence each."""
