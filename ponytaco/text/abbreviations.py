"""Abbreviations: how they are read, and whether a sentence can end with one."""

from __future__ import annotations

import types
from collections.abc import Mapping

# fmt: off
# "misess" is intended: the published models were trained with it, and it sounds right.
_READ_NEVER_LAST = {
    "capt": "captain", "col": "colonel", "dr": "doctor", "drs": "doctors", "gen": "general",
    "lt": "lieutenant", "maj": "major", "mr": "mister", "mrs": "misess", "ms": "miss",
    "prof": "professor", "rev": "reverend", "sgt": "sergeant", "vs": "versus",
}
_READ_SOMETIMES_LAST = {
    "co": "company", "esq": "esquire", "ft": "fort", "hon": "honorable", "jr": "junior",
    "ltd": "limited", "sr": "senior", "st": "saint",
}
_READ_OFTEN_LAST = {"etc": "et cetera"}

READINGS: Mapping[str, str] = types.MappingProxyType(
    {**_READ_NEVER_LAST, **_READ_SOMETIMES_LAST, **_READ_OFTEN_LAST}
)
"""The abbreviations that cleaning writes out."""

NEVER_LAST = frozenset((
    *_READ_NEVER_LAST, "cpl", "fr", "gov", "messrs", "mt", "mx", "pres", "rep", "sen", "e.g",
    "i.e", "cf", "viz", "ca", "approx",
))
"""A full stop after one of these never ends a sentence: a name or a number follows."""

SOMETIMES_LAST = frozenset((
    *_READ_SOMETIMES_LAST, "corp", "inc", "ave", "blvd", "dept", "est", "a.m", "p.m", "ph.d",
))
"""These end a sentence where a word follows that often begins one."""

OFTEN_LAST = frozenset((*_READ_OFTEN_LAST, "al"))
"""These end a sentence wherever the next word has a capital."""

BEFORE_NUMBERS = frozenset((
    "no", "nos", "vol", "ch", "chap", "p", "pp", "fig", "sec", "op", "art",
))
"""These are abbreviations only before a number, as in "No. 5"."""
# fmt: on
