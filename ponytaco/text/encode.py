"""Encoding: text to symbol ids for the model, and to CTC targets for the recogniser.

``text_to_ids("Hello, everypony!")``; pronunciations stand in braces: ``{HH AH0 L OW1}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ponytaco.text.cleaners import CLEANERS, transliterate
from ponytaco.text.errors import TextError, nothing_to_speak
from ponytaco.text.phones import Piece, in_braces, split_braces
from ponytaco.text.symbols import CTC_SYMBOLS, PAD, PHONE_MARK, SYMBOLS

_LOOSE_BRACE = re.compile(r"[{}]")
_SPACES = re.compile(r" {2,}")


def clean(text: str, cleaner: str = "english") -> str:
    """Write a text as it will be spoken: lower case, numbers and abbreviations in words.

    Pronunciations in braces stay; braces around anything else are removed.

    Args:
        text: any text.
        cleaner: 'english', 'transliteration' or 'basic'.

    Raises:
        TextError: the cleaner does not exist.
    """
    pieces = clean_pieces(text, cleaner)
    return _tidy("".join(_LOOSE_BRACE.sub("", p.text) if not p.phones else str(p) for p in pieces))


def text_to_ids(text: str, cleaner: str = "english", symbols: Sequence[str] = SYMBOLS) -> list[int]:
    """Encode a text as indices into a symbol table.

    Characters that the table lacks are left out; ``unknown_characters`` names them. Padding is
    never among the result.

    Args:
        text: any text, pronunciations in braces.
        cleaner: 'english', 'transliteration' or 'basic'.
        symbols: the model's symbol table.

    Returns:
        Indices into ``symbols``, at least one of them a letter or a phone.

    Raises:
        TextError: nothing in the text can be spoken, or the cleaner does not exist.
    """
    index = index_of(symbols)
    signs = _signs(text, cleaner, index)
    if not any(sign in _CTC_INDEX for sign in signs):
        raise nothing_to_speak(text)
    return [index[sign] for sign in signs]


def ids_to_text(ids: Iterable[int], symbols: Sequence[str] = SYMBOLS) -> str:
    """Decode ids to the cleaned text, phones in braces; the inverse of ``text_to_ids``.

    Padding is left out.

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
    """Encode a text's letters and phones as CTC targets for the recogniser.

    Args:
        text: any text, pronunciations in braces.
        cleaner: 'english', 'transliteration' or 'basic'.

    Returns:
        Indices into ``CTC_SYMBOLS``, never padding; the blank is ``len(CTC_SYMBOLS)``.

    Raises:
        TextError: nothing in the text can be spoken, or the cleaner does not exist.
    """
    targets = [_CTC_INDEX[sign] for sign in _signs(text, cleaner, _CTC_INDEX)]
    if not targets:
        raise nothing_to_speak(text)
    return targets


def spoken_symbols(ids: Iterable[int], symbols: Sequence[str] = SYMBOLS) -> list[bool]:
    """Return for each id whether it is a letter or phone, not a space, mark or sign."""
    return [symbols[id_] in _CTC_INDEX for id_ in ids]


def unknown_characters(
    text: str, cleaner: str = "english", symbols: Sequence[str] = SYMBOLS
) -> list[str]:
    """List the characters that ``text_to_ids`` leaves out, each once, in order of appearance.

    A character that the cleaner rewrites counts as its replacement: a typographic quotation mark
    is named as the plain one.

    Raises:
        TextError: the cleaner does not exist.
    """
    index = index_of(symbols)
    unreadable = [] if cleaner == "basic" else [c for c in text if not transliterate(c)]
    unknown = [
        character
        for piece in clean_pieces(text, cleaner)
        for character in piece.text
        if character not in index
    ]
    return list(dict.fromkeys(unreadable + unknown))


def clean_pieces(text: str, cleaner: str) -> list[Piece]:
    """Split a text into pronunciations and cleaned ordinary text.

    Raises:
        TextError: the cleaner does not exist.
    """
    if cleaner not in CLEANERS:
        raise TextError(f"There is no cleaner '{cleaner}'. Choose one of {', '.join(CLEANERS)}.")
    clean_text = CLEANERS[cleaner]
    return [
        piece if piece.phones else Piece(clean_text(piece.text)) for piece in split_braces(text)
    ]


def _signs(text: str, cleaner: str, index: dict[str, int]) -> list[str]:
    """Return the text's symbols that the table has, without the spaces around omitted ones."""
    signs: list[str] = []
    for piece in clean_pieces(text, cleaner):
        for sign in [PHONE_MARK + phone for phone in piece.phones] or piece.text:
            is_idle_space = sign == " " and (not signs or signs[-1] == " ")
            if sign in index and not is_idle_space:
                signs.append(sign)
    return signs[:-1] if signs[-1:] == [" "] else signs


def _tidy(text: str) -> str:
    return _SPACES.sub(" ", text).strip(" ")


def _is_phone(sign: str) -> bool:
    return len(sign) > 1 and sign.startswith(PHONE_MARK)


def index_of(symbols: Sequence[str]) -> dict[str, int]:
    """Return each symbol's index, padding aside."""
    return {sign: index for index, sign in enumerate(symbols) if sign != PAD}


_CTC_INDEX = index_of(CTC_SYMBOLS)
