"""Abbreviations: how they are read, and whether a sentence can end with one."""

from __future__ import annotations

import types
from collections.abc import Mapping

# fmt: off
# "misess" is intended: the published models were trained with it, and it sounds right.
_TITLES = {
    "adm": "admiral", "capt": "captain", "cmdr": "commander", "col": "colonel", "cpl": "corporal",
    "dr": "doctor", "drs": "doctors", "fr": "father", "gen": "general", "gov": "governor",
    "lt": "lieutenant", "maj": "major", "messrs": "messers", "mr": "mister", "mrs": "misess",
    "ms": "miss", "mt": "mount", "mx": "mix", "pres": "president", "prof": "professor",
    "pvt": "private", "rep": "representative", "rev": "reverend", "sen": "senator",
    "sgt": "sergeant", "supt": "superintendent",
}
_READ_NEVER_LAST = {
    **_TITLES, "approx": "approximately", "ca": "circa", "cf": "compare", "e.g": "for example",
    "eg": "for example", "feat": "featuring", "i.e": "that is", "viz": "namely", "vs": "versus",
}
_READ_SOMETIMES_LAST = {
    "assn": "association", "ave": "avenue", "blvd": "boulevard", "bros": "brothers",
    "co": "company", "corp": "corporation", "dept": "department", "esq": "esquire", "ft": "fort",
    "govt": "government", "hon": "honorable", "hwy": "highway", "inc": "incorporated",
    "jr": "junior", "ltd": "limited", "misc": "miscellaneous", "rd": "road", "sr": "senior",
    "st": "saint", "univ": "university",
}
_READ_OFTEN_LAST = {"etc": "et cetera"}
_READ_BEFORE_NUMBERS = {
    "no": "number", "nos": "numbers", "vol": "volume", "vols": "volumes", "ch": "chapter",
    "chap": "chapter", "p": "page", "pp": "pages", "fig": "figure", "figs": "figures",
    "sec": "section", "op": "opus", "art": "article", "eq": "equation", "ep": "episode",
    "eps": "episodes", "pt": "part", "ver": "version", "bk": "book", "lvl": "level",
    "apt": "apartment", "est": "established",
}

READINGS: Mapping[str, str] = types.MappingProxyType(
    {**_READ_NEVER_LAST, **_READ_SOMETIMES_LAST, **_READ_OFTEN_LAST}
)
"""The abbreviations that cleaning writes out, wherever they stand."""

READINGS_BEFORE_NUMBERS: Mapping[str, str] = types.MappingProxyType(_READ_BEFORE_NUMBERS)
"""Those that it writes out before a number only."""

TITLES = frozenset(_TITLES)
"""A name follows each of these."""

NEVER_LAST = frozenset((*_READ_NEVER_LAST,))
"""A full stop after one of these never ends a sentence: a name or a number follows."""

SOMETIMES_LAST = frozenset((*_READ_SOMETIMES_LAST, "est", "a.m", "p.m", "ph.d"))
"""These end a sentence where a word follows that often begins one."""

OFTEN_LAST = frozenset((*_READ_OFTEN_LAST, "al"))
"""These end a sentence wherever the next word has a capital."""

BEFORE_NUMBERS = frozenset(_READ_BEFORE_NUMBERS) - SOMETIMES_LAST
"""These are abbreviations only before a number, as in "No. 5"."""
# fmt: on
