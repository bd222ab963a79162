"""Text files: read whole, decoded, or refused in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ponytaco.errors import PonytacoError
from ponytaco.io.strangers import open_regular

_ENCODINGS = (
    (b"\xff\xfe\0\0", "utf-32"),  # before UTF-16, whose mark it begins with
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"", "utf-8-sig"),
)


def read_text(
    path: Path, error: type[PonytacoError], most_bytes: int = 256 * 2**20, fallback: str = ""
) -> str:
    """Read a text file.

    Args:
        path: the file.
        error: the class of what is raised.
        most_bytes: size above which a file is refused.
        fallback: as in ``decode_text``.

    Raises:
        error: the file cannot be read, is no regular file, is too large, or is not text.
    """
    try:
        with open_regular(path) as file:
            content = file.read(most_bytes + 1)
    except OSError as problem:
        raise error(f"Cannot read {path}: {problem.strerror or problem}.") from None
    except ValueError:  # no name of a file has a NUL
        raise error(f"Cannot read {path}: it is not the name of a file.") from None
    if len(content) > most_bytes:
        raise error(f"{path} is larger than {most_bytes >> 20} MB. Is it the right file?")
    return decode_text(content, str(path), error, fallback)


def numbered_lines(
    path: Path,
    error: type[PonytacoError],
    longest: int,
    most_bytes: int = 256 * 2**20,
    fallback: str = "",
) -> Iterator[tuple[int, str]]:
    """Read a list, and iterate over its lines that are not blank, with their numbers.

    Only a line feed ends a line, not U+2028 within a text.

    Args:
        path: the file.
        error: the class of what is raised.
        longest: characters above which a line is refused.
        most_bytes: as of ``read_text``.
        fallback: as in ``decode_text``.

    Raises:
        error: as ``read_text``; or a line is too long.
    """
    text = read_text(path, error, most_bytes, fallback)
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > longest:
            raise error(
                f"{path.name}, line {number} has {len(line):,} characters, more than "
                f"{longest:,}. Shorten or remove it."
            )
        if line.strip():
            yield number, line.rstrip("\r")


def decode_text(content: bytes, where: str, error: type[PonytacoError], fallback: str = "") -> str:
    """Decode text in UTF-8, or in UTF-16 or UTF-32 where it begins with a byte order mark.

    Args:
        content: the bytes.
        where: their source, for the message.
        error: the class of what is raised.
        fallback: "cp1252" to take the encoding of older Windows editors where the bytes make a
            plausible text in it.

    Raises:
        error: the bytes are not text in any of these.
    """
    encoding = next(name for mark, name in _ENCODINGS if content.startswith(mark))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        text = content.decode(fallback, "replace") if fallback else ""
        if text and is_plausible(text):
            return text
        line = content[: problem.start].count(b"\n") + 1
        raise error(
            f"{where}, line {line}: the byte {content[problem.start]:#04x} is not text in UTF-8. "
            "Save the file as UTF-8."
        ) from None
    if "\0" in text and fallback:
        line = text[: text.index("\0")].count("\n") + 1
        raise error(
            f"{where}, line {line}: has NUL characters, so it is no text, or one in another "
            "encoding. Save the file as UTF-8."
        )
    return text


def is_plausible(text: str) -> bool:
    """Whether a text that was decoded as cp1252 reads like one of Western Europe.

    Bytes of other encodings (Cyrillic, Japanese, those of DOS and of older Macs) become rows of
    accented letters, capitals within words, or signs between letters.
    """
    if _IMPLAUSIBLE.search(text):
        return False
    letters = [char for char in text if char.isalpha()]
    accented = sum(not char.isascii() for char in letters)
    return accented <= 0.3 * len(letters)


_CAPITALS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒŸ"
_LETTER = r"[^\W\d_]"
_IMPLAUSIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffdŠšŽžÐðÞþÝý†‡ƒ¬¯¶¤¦¸ˆ¹²³×÷ª¨]"
    f"|[a-zà-ÿ][{_CAPITALS}]"  # a capital within a word
    f"|[À-ÖØ-öø-ÿŒœŸ]{{3}}"  # no word has three accented letters in a row
    f"|{_LETTER}[“„‚«‹¿¡¢£¥€‰§©®±µ•]{_LETTER}"
    f"|{_LETTER}[„‚¿¡]|{_LETTER}[”»›°·¼½¾™º]{_LETTER}"
)
