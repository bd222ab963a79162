"""ARPAbet: pronunciations in braces, and dictionaries that supply them.

In a text, ``{HH AH0 L OW1}`` is spoken phone by phone. Braces that hold anything but phones are
no pronunciation: what is inside them is then read as ordinary text.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ponytaco.text.symbols import PHONES

BRACES = re.compile(r"\{([^{}]*)\}")
"""A pair of braces; group 1 is its content, ARPAbet or not."""

_PHONES = frozenset(PHONES)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ALTERNATIVE = re.compile(r"\([0-9]+\)$")
# CMUdict has words like "#HASH-MARK", so a comment's sign stands alone or after a space.
_COMMENT = re.compile(r"^\s*;;;.*|(?:^|\s)#(?:\s.*)?$|\s#.*")


_MOST_BYTES = 64 * 2**20  # CMUdict has 4 MB


class LexiconError(ValueError):
    """A pronunciation dictionary cannot be read."""


class Piece(NamedTuple):
    """A stretch of a text: ordinary text, or else phones."""

    text: str
    phones: tuple[str, ...] = ()

    def __str__(self) -> str:
        return in_braces(self.phones) if self.phones else self.text


def in_braces(phones: tuple[str, ...] | list[str]) -> str:
    """Phones as they stand in a text: ``{HH AH0 L OW1}``."""
    return "{" + " ".join(phones) + "}"


def parse_phones(text: str) -> tuple[str, ...] | None:
    """Read phones separated by spaces, in upper or lower case; None where one is no phone."""
    phones = tuple(text.upper().split())
    return phones if phones and _PHONES.issuperset(phones) else None


def wrong_phone(phones: Sequence[str]) -> str:
    """What is wrong with the first of these that is no phone, in a sentence; empty if all are."""
    for phone in phones:
        if phone.upper() in _PHONES:
            continue
        letters = phone.upper().rstrip("0123456789")
        if letters + "1" in _PHONES:
            help_ = f"its stress is 0, 1 or 2: {letters}0, {letters}1, {letters}2"
        elif letters in _PHONES:
            help_ = f"only vowels have a stress, so write {letters}"
        else:
            plain = [known for known in PHONES if not known[-1].isdigit()]
            close = difflib.get_close_matches(letters, plain, n=3, cutoff=0.5)
            help_ = f"like it are {', '.join(close)}" if close else f"there are {', '.join(plain)}"
        return f"'{phone}' is no ARPAbet phone; {help_}."
    return ""


def split_braces(text: str) -> Iterator[Piece]:
    """Split a text into ordinary text and pronunciations, in order.

    Braces that hold no ARPAbet are opened, and their content joins the text around them.
    """
    ordinary = ""
    end = 0
    for braces in BRACES.finditer(text):
        ordinary += text[end : braces.start()]
        end = braces.end()
        phones = parse_phones(braces[1])
        if phones is None:
            ordinary += braces[1]
            continue
        if ordinary:
            yield Piece(ordinary)
        yield Piece("", phones)
        ordinary = ""
    ordinary += text[end:]
    if ordinary:
        yield Piece(ordinary)


@dataclass(frozen=True)
class Lexicon:
    """A pronunciation dictionary.

    Attributes:
        entries: lower-case word -> its phones, ``{"hello": ("HH", "AH0", "L", "OW1")}``.
    """

    entries: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: str | Path) -> Lexicon:
        """Read a dictionary in CMUdict's form, which ``lexicon.txt`` has too.

        One word a line, ``WORD  HH AH0 L OW1``, in any case; lines that start with ``;;;`` and the
        rest of a line after ``#`` are comments. Of a word's several pronunciations, ``WORD(2)``,
        the first one counts.

        Raises:
            LexiconError: the file cannot be read, or a line is not of that form.
        """
        path = Path(path)
        entries: dict[str, tuple[str, ...]] = {}
        for number, line in enumerate(_read_text(path).split("\n"), start=1):
            entry = _COMMENT.sub("", line).strip()
            if not entry:
                continue
            word, phones = _read_entry(entry, f"{path.name}, line {number}")
            entries.setdefault(word, phones)
        return cls(types.MappingProxyType(entries))

    def lookup(self, word: str) -> tuple[str, ...] | None:
        """A word's phones, whatever its case; None where the dictionary lacks the word."""
        return self.entries.get(word.lower().replace("’", "'"))

    def apply(self, text: str) -> str:
        """Replace the words that the dictionary has by their phones in braces.

        Pronunciations that are in the text already stay. Numbers and abbreviations have no
        entries, so clean the text first: ``lexicon.apply(clean(text))``.
        """
        return "".join(
            str(piece) if piece.phones else _WORD.sub(self._pronounce, piece.text)
            for piece in split_braces(text)
        )

    def _pronounce(self, word: re.Match[str]) -> str:
        phones = self.lookup(word[0])
        return in_braces(phones) if phones else word[0]


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise LexiconError(f"Cannot read the dictionary {path}: {reason}.") from None
    if len(content) > _MOST_BYTES:
        raise LexiconError(f"{path} is larger than {_MOST_BYTES >> 20} MB, which is no dictionary.")
    if b"\0" in content[:1024]:
        raise LexiconError(f"The dictionary {path} is no text in UTF-8. Save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # cmudict-0.7b, which most people have, is Latin-1 in a few of its words
        return content.decode("latin-1")


def _read_entry(line: str, where: str) -> tuple[str, tuple[str, ...]]:
    word, *names = line.split()
    phones = parse_phones(" ".join(names))
    if phones is None:
        wrong = wrong_phone(names) or "there are no phones."
        shown = names[0] + " …" if len(names) > 20 else " ".join(names)
        raise LexiconError(
            f"{where}: '{shown}' is not ARPAbet: {wrong} A line reads: HELLO  HH AH0 L OW1"
        )
    return _ALTERNATIVE.sub("", word).lower(), phones
