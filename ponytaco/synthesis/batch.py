"""Lines that are spoken into a file each."""

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
    """One line, and its speech or why there is none."""

    number: int
    """Counted from 1 over the lines that are not empty."""
    text: str
    result: Speech | TextError

    @property
    def file_name(self) -> str:
        """'001_hello-everypony.wav'."""
        return f"{self.number:03d}_{_slug(self.text)}.wav"


def lines_of(text: str) -> list[str]:
    """A text's lines without the empty ones.

    Raises:
        TextError: there are none.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise TextError("There are no lines to speak. Write some, one for each file.")
    return lines


def speak_lines(
    voice: Voice,
    lines: Sequence[str],
    delivery: SpeechOptions | None = None,
    on_sentence: Callable[[Sentence], None] = lambda sentence: None,
) -> Iterator[SpokenLine]:
    """Speak lines that have nothing to do with each other; they share the voice's batches.

    Args:
        voice: who speaks.
        lines: of ``lines_of``.
        delivery: how to speak them.
        on_sentence: takes each sentence as soon as it is ready.
    """
    results = voice.speak_all(lines, delivery, keep=False, on_sentence=on_sentence)
    for number, (line, result) in enumerate(zip(lines, results, strict=True), start=1):
        yield SpokenLine(number, line, result)


def _slug(line: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", line)[:_LONGEST_NAME].strip("-").lower() or "line"
