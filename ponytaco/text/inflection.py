"""Inflected words whose stem has a pronunciation: pony's, boxes, booped, booping."""

from __future__ import annotations

from collections.abc import Callable, Iterator

_SIBILANTS = frozenset(("S", "Z", "SH", "ZH", "CH", "JH"))
_VOICELESS = frozenset(("P", "T", "K", "F", "TH", "S", "SH", "CH"))

Phones = tuple[str, ...]
Lookup = Callable[[str], Phones | None]


def possessive(word: str, lookup: Lookup) -> Phones | None:
    """Pronounce ``pony's`` and ``ponies'`` by the phones of ``pony`` and ``ponies``, if known."""
    if word.endswith("'s"):
        stem = lookup(word[:-2])
        return _with_s(stem) if stem else None
    return lookup(word[:-1]) if word.endswith("s'") else None


def inflected(word: str, lookup: Lookup) -> Phones | None:
    """Pronounce a plural, a past tense or an -ing form by the phones of its stem, if known."""
    for stem, add in _stems(word):
        phones = lookup(stem) if len(stem) > 1 else None
        if phones:
            return add(phones)
    return None


def _stems(word: str) -> Iterator[tuple[str, Callable[[Phones], Phones]]]:
    if word.endswith("ies"):
        yield word[:-3] + "y", _with_s
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1], _with_s
        if word.endswith("es"):
            yield word[:-2], _with_s
    if word.endswith("ied"):
        yield word[:-3] + "y", _with_ed
    if word.endswith("ed"):
        yield from ((stem, _with_ed) for stem in _verbs(word[:-2]))
    if word.endswith("ing"):
        yield from ((stem, _with_ing) for stem in _verbs(word[:-3]))
    if word.endswith("in'"):
        yield word[:-1] + "g", lambda phones: (*phones[:-1], "N")


def _verbs(stem: str) -> Iterator[str]:
    """Iterate over the verbs that a stem may be of: "hop" of hope and hop, "hopp" of hop."""
    yield stem + "e"
    yield stem
    if len(stem) > 2 and stem[-1] == stem[-2]:
        yield stem[:-1]


def _with_s(phones: Phones) -> Phones:
    if phones[-1] in _SIBILANTS:
        return (*phones, "IH0", "Z")
    return (*phones, "S" if phones[-1] in _VOICELESS else "Z")


def _with_ed(phones: Phones) -> Phones:
    if phones[-1] in ("T", "D"):
        return (*phones, "IH0", "D")
    return (*phones, "T" if phones[-1] in _VOICELESS else "D")


def _with_ing(phones: Phones) -> Phones:
    return (*phones, "IH0", "NG")
