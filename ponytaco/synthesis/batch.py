"""Many lines into many files; and texts as they come from files and pipes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ponytaco.synthesis.options import Delivery
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.synthesis.voice import Voice
from ponytaco.text.errors import TextError

_LONGEST_NAME = 40
_BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))


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
    delivery: Delivery | None = None,
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


def read_text_file(path: Path) -> str:
    """A text file.

    Raises:
        TextError: it cannot be read, or is no text in UTF-8.
    """
    try:
        return decode_text(path.read_bytes(), str(path))
    except OSError as error:
        raise TextError(f"Cannot read {path}: {error.strerror or error}.") from None


def decode_text(content: bytes, where: str) -> str:
    """Bytes as text: UTF-8, or UTF-16 where a byte order mark says so.

    Args:
        content: the bytes.
        where: where they come from, for the error.

    Raises:
        TextError: they are no such text.
    """
    encoding = next(name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark))
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TextError(
            f"{where} is no text in UTF-8: line {line} has the byte {content[error.start]:#04x}. "
            "Save it as UTF-8."
        ) from None


def _slug(line: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", line)[:_LONGEST_NAME].strip("-").lower() or "line"
