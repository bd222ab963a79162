"""Batches: many lines, each spoken into a file of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ponytaco.synthesis.options import SpeechOptions
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.synthesis.voice import Voice
from ponytaco.text.errors import TextError

_LONGEST_NAME = 40


@dataclass(frozen=True)
class SpokenLine:
    """A line, and its speech or the error why there is none."""

    number: int
    """From 1, empty lines not counted."""
    text: str
    result: Speech | TextError

    @property
    def file_name(self) -> str:
        """Name such as '001_hello-everypony.wav'."""
        return f"{self.number:03d}_{_slug(self.text)}.wav"


def lines_of(text: str) -> list[str]:
    """Split a text into lines, without the empty ones.

    Raises:
        TextError: there are none.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise TextError("There are no lines to speak. Write one for each file.")
    return lines


def speak_lines(
    voice: Voice,
    lines: Sequence[str],
    options: SpeechOptions | None = None,
    on_sentence: Callable[[Sentence], None] = lambda sentence: None,
) -> Iterator[SpokenLine]:
    """Speak unrelated lines, which share the voice's batches.

    Args:
        voice: the voice.
        lines: of ``lines_of``.
        options: how to speak.
        on_sentence: takes each sentence as soon as it is ready.
    """
    results = voice.speak_all(lines, options, keep=False, on_sentence=on_sentence)
    for number, (line, result) in enumerate(zip(lines, results, strict=True), start=1):
        yield SpokenLine(number, line, result)


def _slug(line: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", line)[:_LONGEST_NAME].strip("-").lower() or "line"
