"""Text to the numbers that a model reads, and to those that the recogniser should hear.

``text_to_ids("Hello, everypony!")``; pronunciations stand in braces: ``{HH AH0 L OW1}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ponytaco.text.cleaners import CLEANERS, transliterate
from ponytaco.text.errors import TextError
from ponytaco.text.phones import Piece, in_braces, split_braces
from ponytaco.text.symbols import (
    CTC_SYMBOLS,
    PAD,
    PHONE_MARK,
    SYMBOLS,
)

_LOOSE_BRACE = re.compile(r"[{}]")
_SPACES = re.compile(r" {2,}")


def clean(text: str, cleaner: str = "english") -> str:
    """The text as it will be spoken: numbers and abbreviations in words, lower case.

    Pronunciations in braces pass as they are; braces that hold no ARPAbet are opened.

    Args:
        text: any text.
        cleaner: 'english', 'transliteration' or 'basic'.

    Raises:
        TextError: there is no such cleaner.
    """
    pieces = _clean_pieces(text, cleaner)
    return _tidy("".join(_LOOSE_BRACE.sub("", p.text) if not p.phones else str(p) for p in pieces))


def text_to_ids(text: str, cleaner: str = "english", symbols: Sequence[str] = SYMBOLS) -> list[int]:
    """The text as indices into a symbol table.

    Characters that the table lacks are left out; ``unknown_characters`` names them. The
    padding sign is never made from text.

    Args:
        text: any text, pronunciations in braces.
        cleaner: 'english', 'transliteration' or 'basic'.
        symbols: the model's symbol table.

    Returns:
        Indices into ``symbols``, at least one of them a letter or a phone.

    Raises:
        TextError: nothing in the text can be spoken, or there is no such cleaner.
    """
    index = _index_of(symbols)
    signs = _signs(text, cleaner, index)
    if not any(sign in _CTC_INDEX for sign in signs):
        raise _nothing_to_speak(text)
    return [index[sign] for sign in signs]


def ids_to_text(ids: Iterable[int], symbols: Sequence[str] = SYMBOLS) -> str:
    """The inverse of ``text_to_ids``: the cleaned text, phones in braces, padding left out.

    Raises:
        TextError: an index is outside the table.
    """
    text = ""
    phones: list[str] = []
    for id_ in ids:
        if not 0 <= id_ < len(symbols):
            raise TextError(f"Symbol {id_} is outside the table of {len(symbols)} symbols.")
        sign = symbols[id_]
        if _is_phone(sign):
            phones.append(sign.removeprefix(PHONE_MARK))
            continue
        text += in_braces(phones) if phones else ""
        text += "" if sign == PAD else sign
        phones = []
    return text + (in_braces(phones) if phones else "")


def ctc_targets(text: str, cleaner: str = "english") -> list[int]:
    """What the recogniser should hear: the text's letters and phones, as indices.

    Args:
        text: any text, pronunciations in braces.
        cleaner: 'english', 'transliteration' or 'basic'.

    Returns:
        Indices into ``CTC_SYMBOLS``, never padding; the blank is ``len(CTC_SYMBOLS)``.

    Raises:
        TextError: nothing in the text can be spoken, or there is no such cleaner.
    """
    targets = [_CTC_INDEX[sign] for sign in _signs(text, cleaner, _CTC_INDEX)]
    if not targets:
        raise _nothing_to_speak(text)
    return targets


def spoken_symbols(ids: Iterable[int], symbols: Sequence[str] = SYMBOLS) -> list[bool]:
    """For each id whether it is a letter or a phone, and not a space, a mark or a sign."""
    return [symbols[id_] in _CTC_INDEX for id_ in ids]


def unknown_characters(
    text: str, cleaner: str = "english", symbols: Sequence[str] = SYMBOLS
) -> list[str]:
    """The characters that ``text_to_ids`` leaves out, each once, in order of appearance.

    A character that the cleaner rewrites counts as what it is rewritten to: a typographic
    quotation mark is named as the plain one.

    Raises:
        TextError: there is no such cleaner.
    """
    index = _index_of(symbols)
    unreadable = [] if cleaner == "basic" else [c for c in text if not transliterate(c)]
    unknown = [
        character
        for piece in _clean_pieces(text, cleaner)
        for character in piece.text
        if character not in index
    ]
    return list(dict.fromkeys(unreadable + unknown))


def _clean_pieces(text: str, cleaner: str) -> list[Piece]:
    if cleaner not in CLEANERS:
        raise TextError(f"There is no cleaner '{cleaner}'. There are: {', '.join(CLEANERS)}.")
    clean_text = CLEANERS[cleaner]
    return [
        piece if piece.phones else Piece(clean_text(piece.text)) for piece in split_braces(text)
    ]


def _signs(text: str, cleaner: str, index: dict[str, int]) -> list[str]:
    """The text's symbols that the table has, spaces tidied where others were left out."""
    signs: list[str] = []
    for piece in _clean_pieces(text, cleaner):
        for sign in [PHONE_MARK + phone for phone in piece.phones] or piece.text:
            is_idle_space = sign == " " and (not signs or signs[-1] == " ")
            if sign in index and not is_idle_space:
                signs.append(sign)
    return signs[:-1] if signs[-1:] == [" "] else signs


def _tidy(text: str) -> str:
    return _SPACES.sub(" ", text).strip(" ")


def _is_phone(sign: str) -> bool:
    return len(sign) > 1 and sign.startswith(PHONE_MARK)


def _index_of(symbols: Sequence[str]) -> dict[str, int]:
    return {sign: index for index, sign in enumerate(symbols) if sign != PAD}


_CTC_INDEX = _index_of(CTC_SYMBOLS)


def _nothing_to_speak(text: str) -> TextError:
    shown = text if len(text) <= 60 else text[:59] + "…"
    return TextError(f"Nothing in the text '{shown}' can be spoken. Write some words.")
