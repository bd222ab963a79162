"""Pronunciations as they are written: in a text's braces, and in dictionaries."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ponytaco.errors import PonytacoError
from ponytaco.io.text_files import numbered_lines
from ponytaco.text.errors import TextError
from ponytaco.text.phones import BRACES, parse_phones, wrong_phone


class PronunciationError(TextError):
    """Braces in a text do not hold a pronunciation."""


def check_braces(text: str) -> str:
    """Check that every pair of braces in a text holds phones.

    Training removes braces that hold none. In a text to be spoken they mean a pronunciation, and
    the phones' names would be heard instead.

    Returns:
        The text with single spaces inside its braces, so that no line break cuts them.

    Raises:
        PronunciationError: a phone does not exist, braces are empty, or a brace has no partner.
    """
    alone = re.search(r"[{}]", BRACES.sub(lambda braces: " " * len(braces[0]), text))
    if alone:
        place = text[alone.start() : alone.start() + 30].split("\n")[0]
        if alone[0] == "}":
            place = text[max(0, alone.start() - 29) : alone.start() + 1].rpartition("\n")[2]
        missing = "closed" if alone[0] == "{" else "opened"
        raise PronunciationError(
            f"A brace is not {missing}: '{place}'. Write a pronunciation as {{HH AH0 L OW1}}."
        )
    return BRACES.sub(_checked, text)


def _checked(braces: re.Match[str]) -> str:
    phones = braces[1].split()
    if not phones:
        raise PronunciationError("Braces are empty. Write a pronunciation as {HH AH0 L OW1}.")
    wrong = wrong_phone(phones)
    if wrong:
        raise PronunciationError(f"{{{' '.join(phones)}}} cannot be pronounced: {wrong}")
    return "{" + " ".join(phones) + "}"


def read_dictionary(path: Path) -> Lexicon:
    """Read a user's own dictionary, in CMUdict's form.

    Raises:
        LexiconError: it cannot be read, a line is not of that form, or it has no word.
    """
    lexicon = Lexicon.read(path)
    if not lexicon.entries:
        raise LexiconError(f"{path} has no words. Write one a line: HELLO  HH AH0 L OW1")
    return lexicon


_ALTERNATIVE = re.compile(r"\([0-9]+\)$")
# CMUdict has words like "#HASH-MARK", so a comment's sign stands alone or after a space.
_COMMENT = re.compile(r"^\s*;;;.*|(?:^|\s)#(?:\s.*)?$|\s#.*")
_MOST_BYTES = 64 * 2**20  # CMUdict has 4 MB
_LONGEST_LINE = 2000


class LexiconError(PonytacoError):
    """A pronunciation dictionary cannot be read."""


@dataclass(frozen=True)
class Lexicon:
    """A pronunciation dictionary.

    Attributes:
        entries: lower-case word -> its phones, ``{"hello": ("HH", "AH0", "L", "OW1")}``.
    """

    entries: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: str | Path) -> Lexicon:
        """Read a dictionary in CMUdict's form, as ``lexicon.txt`` is.

        One word a line, ``WORD  HH AH0 L OW1``, in any case; lines that start with ``;;;`` and the
        rest of a line after ``#`` are comments. Where a word has several pronunciations,
        ``WORD(2)``, the first one counts.

        Raises:
            LexiconError: the file cannot be read, or a line is not of that form.
        """
        path = Path(path)
        entries: dict[str, tuple[str, ...]] = {}
        # cmudict-0.7b, which most people have, is Latin-1 in a few of its words.
        lines = numbered_lines(path, LexiconError, _LONGEST_LINE, _MOST_BYTES, fallback="latin-1")
        for number, line in lines:
            entry = _COMMENT.sub("", line).strip()
            if not entry:
                continue
            word, phones = _read_entry(entry, f"{path.name}, line {number}")
            entries.setdefault(word, phones)
        return cls(types.MappingProxyType(entries))

    def lookup(self, word: str) -> tuple[str, ...] | None:
        """Return a word's phones, whatever its case; None if the dictionary lacks the word."""
        return self.entries.get(word.lower().replace("’", "'"))


def _read_entry(line: str, where: str) -> tuple[str, tuple[str, ...]]:
    word, *names = line.split()
    phones = parse_phones(" ".join(names))
    if phones is None:
        wrong = wrong_phone(names) or "there are no phones."
        shown = names[0] + " …" if len(names) > 20 else " ".join(names)
        raise LexiconError(
            f"{where}: '{shown}' is not ARPAbet: {wrong} Write a line as: HELLO  HH AH0 L OW1"
        )
    return _ALTERNATIVE.sub("", word).lower().replace("’", "'"), phones
