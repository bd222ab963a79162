"""Word matching between a written text and the words of a label.

The words of a label are in lower case, mostly without `-` and `'`, and spelled out: "$5" is "five"
"dollars" there, "Mr." is "mister", "well-known" may be "wellknown" or "well" "known".
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ponytaco.text.phones import BRACES

_LETTERS = r"[^\W\d_]"
_WORD = re.compile(
    rf"{BRACES.pattern}"  # ARPAbet that is already in the text
    r"|(?:'(?=(?:tis|twas|em|cause|til|cuz|bout|round)\b))?"
    r"[$£€#]?[^\W_]+"
    r"(?:['-][^\W_]+"  # don't, well-known
    r"|(?<=\d)[.,:/](?=\d)[^\W_]+"  # 1,000  3.50  7:30
    rf"|(?<=\b{_LETTERS})\.(?={_LETTERS}\b)[^\W_]+)*"  # i.e  U.S
    r"(?:[%°]|(?<=s)'(?![^\W_]))?"  # 50%  the ponies'
    r"|[&%+=@]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TextWord:
    """Word at text[start:end] of a text."""

    start: int
    end: int
    key: str
    """Normalised spelling for comparisons, see spelling_key; never empty."""


@dataclass(frozen=True)
class Match:
    """Text words [text_start:text_end] matched with label words [label_start:label_end]."""

    text_start: int
    text_end: int
    label_start: int
    label_end: int


def spelling_key(word: str) -> str:
    """Normalise the spelling of a word: lower-case letters and digits without accents.

    Braced ARPAbet stays as it is, so that it equals no word of a label.
    """
    if word.startswith("{"):
        return word
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in plain if char.isalnum()) or word


def split_words(text: str) -> list[TextWord]:
    """Find the words of a text, which include numbers, abbreviations and braced ARPAbet."""
    return [
        TextWord(found.start(), found.end(), spelling_key(found.group()))
        for found in _WORD.finditer(text)
    ]


def match_words(text_keys: Sequence[str], label_keys: Sequence[str]) -> list[Match]:
    """Match the words of a text with those of a label.

    Equal words are anchors. Between two anchors, words that are joined or split differently are
    matched by their letters, and a number or an abbreviation takes all the label words in its
    place. Doubtful words stay unmatched.

    Args:
        text_keys: the text's words, normalised by spelling_key.
        label_keys: the label's words, likewise.

    Returns:
        Matches in the order of the text, which never overlap and have words on both sides.
    """
    matches: list[Match] = []
    text_done = label_done = 0
    anchors = SequenceMatcher(None, text_keys, label_keys, autojunk=False).get_matching_blocks()
    for anchor in anchors:
        gap = _Gap(text_keys, label_keys, text_done, anchor.a, label_done, anchor.b)
        matches += gap.solve()
        matches += [
            Match(anchor.a + i, anchor.a + i + 1, anchor.b + i, anchor.b + i + 1)
            for i in range(anchor.size)
        ]
        text_done, label_done = anchor.a + anchor.size, anchor.b + anchor.size
    return matches


@dataclass
class _Gap:
    """Unmatched words between two anchors: text_keys[i:i_end] and label_keys[j:j_end]."""

    text_keys: Sequence[str]
    label_keys: Sequence[str]
    i: int
    i_end: int
    j: int
    j_end: int

    def solve(self) -> list[Match]:
        front = self._peel_front()
        back = self._peel_back()
        return front + self._pair_rest() + back[::-1]

    def _peel_front(self) -> list[Match]:
        found = []
        while size := _joined(
            self.text_keys[self.i : self.i_end], self.label_keys[self.j : self.j_end]
        ):
            found.append(Match(self.i, self.i + size[0], self.j, self.j + size[1]))
            self.i, self.j = self.i + size[0], self.j + size[1]
        return found

    def _peel_back(self) -> list[Match]:
        found = []
        while size := _joined(
            [key[::-1] for key in reversed(self.text_keys[self.i : self.i_end])],
            [key[::-1] for key in reversed(self.label_keys[self.j : self.j_end])],
        ):
            found.append(Match(self.i_end - size[0], self.i_end, self.j_end - size[1], self.j_end))
            self.i_end, self.j_end = self.i_end - size[0], self.j_end - size[1]
        return found

    def _pair_rest(self) -> list[Match]:
        text = self.text_keys[self.i : self.i_end]
        label = self.label_keys[self.j : self.j_end]
        if len(text) == 1 and label and _may_be_reading(text[0], label):
            return [Match(self.i, self.i_end, self.j, self.j_end)]
        if len(text) != len(label):
            return []
        return [
            Match(self.i + k, self.i + k + 1, self.j + k, self.j + k + 1)
            for k in range(len(text))
            if _may_be_reading(text[k], label[k : k + 1])
        ]


def _joined(left: Sequence[str], right: Sequence[str]) -> tuple[int, int] | None:
    """Count the words at the front of each side that have the same letters when joined."""
    if not left or not right:
        return None
    a, b, i, j = left[0], right[0], 1, 1
    while a != b:
        if a.startswith(b) and j < len(right):
            b, j = b + right[j], j + 1
        elif b.startswith(a) and i < len(left):
            a, i = a + left[i], i + 1
        else:
            return None
    return i, j


def _may_be_reading(written: str, spoken: Sequence[str]) -> bool:
    """Whether the spoken words may spell out a written word, or spell it differently."""
    if written.startswith("{"):
        return False
    if not written.isalpha():
        # A number takes fewer words than this per character.
        return len(spoken) <= 4 * len(written)
    if len(spoken) > len(written):
        return False
    joined = "".join(spoken)
    return written[0] == joined[0] or SequenceMatcher(None, written, joined).ratio() >= 0.6
