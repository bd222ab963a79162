"""Pronunciations as they are written: in a text's braces, and in dictionaries."""

from __future__ import annotations

import itertools
import re
import types
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ponytaco.errors import PonytacoError
from ponytaco.formatting import and_more, counted, shorten
from ponytaco.io.text_files import read_text
from ponytaco.text.cleaners import transliterate
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


class LexiconError(PonytacoError):
    """A pronunciation dictionary cannot be read."""


@dataclass(frozen=True)
class Lexicon:
    """A pronunciation dictionary.

    Attributes:
        entries: lower-case word -> its phones, ``{"hello": ("HH", "AH0", "L", "OW1")}``; a key may
            be several words, ``"pinkie pie"``.
        name: what a reader calls it, "words.txt".
        is_users: whether a user gave it, whose words count even where cleaning changes them.
    """

    entries: Mapping[str, tuple[str, ...]]
    name: str = "a dictionary"
    is_users: bool = False

    @classmethod
    def read(cls, path: str | Path) -> Lexicon:
        """Read a dictionary as ``lexicon.txt`` is, ``WORD  HH AH0 L OW1`` a line.

        Raises:
            LexiconError: the file cannot be read, or lines are not of that form: all are listed.
        """
        lexicon, wrong, _ = _read(Path(path))
        if wrong:
            raise LexiconError(_listed(Path(path), wrong))
        return lexicon

    def lookup(self, word: str) -> tuple[str, ...] | None:
        """Return a word's phones, whatever its case; None if the dictionary lacks the word."""
        return self.entries.get(key_of(word))


def key_of(word: str) -> str:
    """Return a word as it stands in a lexicon's entries: in lower case, its apostrophes plain."""
    return word.lower() if word.isascii() else _APOSTROPHE.sub("'", word.lower())


def read_dictionary(path: Path, log: Callable[[str], None] = lambda sentence: None) -> Lexicon:
    """Read a user's own dictionary, in CMUdict's form or a similar one.

    One word a line, ``WORD  HH AH0 L OW1``, in any case. Tabs, colons, commas, bars and equals
    signs part words from phones too; phones may stand in braces. Comments begin with ``;;;``,
    ``//`` or ``#``. The probabilities of the Montreal Forced Aligner are read: of a word's several
    pronunciations the most probable counts, without probabilities the first. An underscore in a
    word is a space.

    Args:
        path: the file.
        log: takes sentences about lines that are skipped, and about words that never apply.

    Raises:
        LexiconError: it cannot be read, or no line of it can be used.
    """
    lexicon, wrong, repeated = _read(path)
    if not lexicon.entries:
        problem = _listed(path, wrong) if wrong else f"{path} has no words."
        raise LexiconError(f"{problem} Write one a line: HELLO  HH AH0 L OW1")
    if wrong:
        log(f"Skipped: {_listed(path, wrong)}")
    if repeated:
        log(
            f"{path.name}: {counted(len(repeated), 'word')} with several pronunciations, of which "
            f"the first counts: {and_more(list(repeated), _MOST_NAMED)}."
        )
    dead = dead_keys(lexicon)
    if dead:
        log(
            f"{path.name}: {counted(len(dead), 'word')} can never be met in a text: "
            f"{and_more(dead, _MOST_NAMED)}."
        )
    return replace(lexicon, is_users=True)


def dead_keys(lexicon: Lexicon) -> list[str]:
    """List the keys that no word of a text can be, such as CMUdict's "!exclamation-point"."""
    return [key for key in lexicon.entries if not _is_alive(key)]


def split_marks(token: str) -> tuple[str, str, str]:
    """Split the marks before and after a word off it."""
    core = token.strip(_MARKS)
    start = token.index(core)
    return token[:start], core, token[start + len(core) :]


def _is_alive(key: str) -> bool:
    words = key.split()
    is_short = len(key) <= LONGEST_KEY and len(words) <= MOST_WORDS
    # A full stop at the end may be an abbreviation's.
    is_bare = all(split_marks(word)[1] in (word, word[:-1]) for word in words)
    return is_short and is_bare and any(map(str.isalnum, key))


LONGEST_KEY, MOST_WORDS = 100, 6
"""Characters and words of what is looked up as a whole."""

_MARKS = ' .,;:!?…"“”«»()[]{}<>*~-–—'
_APOSTROPHE = re.compile("[’‘ʼ′´`＇]")
_ALTERNATIVE = re.compile(r"\s*\(([0-9]{1,3})\)$")
_COMMENT = re.compile(r"^\s*(?:;|//|#(?=[\s#]|$)).*|\s(?:;;|//|#).*|;;;.*")
# A word and its phones, by the first sign between them that is not part of a word.
_PARTED = re.compile(
    r"(\S.*?)\s*(?:\t|\s{2,}|\s[=:|,;]+\s|\s(?:-|–|—|->|=>|→)\s|[=:|,;]+(?:\s+|(?=\w))|(?=\{))\s*(.*)"
)
_SINGLE = re.compile(r"(\S+)\s*(.*)")
_PROBABILITY = re.compile(r"[0-9]?(?:\.[0-9]+)?(?:e-?[0-9]+)?")
_BETWEEN = frozenset("-.|#=:,/")  # what parts syllables
_SILENT = str.maketrans({sign: " " for sign in '{}[]/,"@'})
_MOST_BYTES = 64 * 2**20  # CMUdict has 4 MB
_LONGEST_LINE = 2000
_MOST_LISTED = 10
_MOST_NAMED = 12


def _read(path: Path) -> tuple[Lexicon, list[str], dict[str, None]]:
    """Read a file's entries, what is wrong with other lines, and the words that stand twice."""
    # cmudict-0.7b, which most people have, is Latin-1 in a few of its words.
    text = read_text(path, LexiconError, _MOST_BYTES, fallback="latin-1")
    entries: dict[str, tuple[str, ...]] = {}
    probabilities: dict[str, float] = {}
    wrong: list[str] = []
    repeated: dict[str, None] = {}
    for number, line in enumerate(re.split(r"\r\n?|\n", text), start=1):
        if len(line) > _LONGEST_LINE:
            problem = f"line {number} has {len(line):,} characters, more than {_LONGEST_LINE:,}."
            wrong.append(f"{problem} Shorten or remove it.")
            continue
        entry = _COMMENT.sub("", line).strip().strip("\0")
        if not entry.strip("{}[](), "):
            continue
        word, names, probability = _read_entry(entry)
        phones = parse_phones(" ".join(names)) or ()
        if not word or not phones:
            # "#comment" is one, and "#HASH-MARK  HH AE1 SH" is an entry of CMUdict.
            if not entry.startswith("#"):
                wrong.append(f"line {number}: {_problem(word, names)}")
            continue
        for key in _keys(word):
            if probability == probabilities.get(key) and tuple(phones) != entries[key]:
                repeated[key] = None
            if key not in entries or probability > probabilities[key]:
                entries[key] = phones
                probabilities[key] = probability
    return Lexicon(types.MappingProxyType(entries), path.name), wrong, repeated


def _read_entry(line: str) -> tuple[str, list[str], float]:
    """Return a line's word, phones (ARPAbet or not), and probability, 0 where it has none."""
    word, _, phones = line.partition("  ")
    if word.isalpha() and parse_phones(phones):  # most lines of CMUdict: matching takes long
        return word, phones.split(), -1.0
    parted = _PARTED.fullmatch(line)
    single = _SINGLE.fullmatch(line)
    entries = [_entry(*match.groups()) for match in (parted, single) if match]
    good = (entry for entry in entries if parse_phones(" ".join(entry[1])))
    return next(good, entries[-1])


def _entry(word: str, rest: str) -> tuple[str, list[str], float]:
    names = rest.translate(_SILENT).split()
    numbers = list(itertools.takewhile(_PROBABILITY.fullmatch, names))
    phones = [name for name in names[len(numbers) :] if name not in _BETWEEN]
    word = word.strip('"“”').rstrip(":=|,;")
    alternative = _ALTERNATIVE.search(word)  # HELLO(2) is less probable than HELLO
    probability = float(numbers[0]) if numbers else -float(alternative[1] if alternative else 1)
    return _ALTERNATIVE.sub("", word), phones, probability


def _keys(word: str) -> set[str]:
    """Return the words of a text that an entry is for: as written, and as cleaning writes it."""
    key = unicodedata.normalize("NFC", " ".join(key_of(word).replace("_", " ").split()))
    plain = key if key.isascii() else "".join(map(transliterate, key))
    return {key, plain.lower()} - {""}


def _problem(word: str, phones: Sequence[str]) -> str:
    """Say why a line is no entry, so that "line 3: " may stand before it."""
    if not phones or not word:
        return f"'{shorten(word, 40)}' is not ARPAbet: there are no phones."
    shown = phones[0] + " …" if len(phones) > 20 else " ".join(phones)
    return f"'{shown}' is not ARPAbet: {wrong_phone(phones)}"


def _listed(path: Path, wrong: Sequence[str]) -> str:
    """List what is wrong with lines; the hints of the first one do for all."""
    more = len(wrong) - _MOST_LISTED
    others = (problem.partition(";")[0].rstrip(".") + "." for problem in wrong[1:_MOST_LISTED])
    lines = " ".join([*wrong[:1], *others]) + (f" And {more:,} more lines." if more > 0 else "")
    return f"{path.name}, {lines}"
