"""Where a text may be cut: paragraphs, sentences, and pieces that a voice can say in one go."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# fmt: off
# A full stop after one of these is never the end of a sentence: a name or a number follows.
_NEVER_LAST = frozenset((
    "capt", "col", "cpl", "dr", "drs", "fr", "gen", "gov", "lt", "maj", "messrs", "mr", "mrs",
    "ms", "mt", "mx", "pres", "prof", "rep", "rev", "sen", "sgt", "e.g", "i.e", "cf", "viz",
    "vs", "ca", "approx",
))
# These may end a sentence; they do where a word follows that often begins one.
_SOMETIMES_LAST = frozenset((
    "co", "corp", "ltd", "inc", "jr", "sr", "esq", "st", "ave", "blvd", "dept", "est", "ft",
    "hon", "a.m", "p.m", "ph.d",
))
_BEGINNERS = frozenset((
    "a", "an", "and", "as", "at", "but", "by", "for", "he", "her", "here", "his", "how", "i",
    "if", "in", "is", "it", "its", "my", "no", "now", "of", "on", "or", "our", "she", "so",
    "that", "the", "their", "then", "there", "these", "they", "this", "those", "to", "was",
    "we", "what", "when", "where", "who", "why", "with", "yes", "you", "your",
))
# Only before a number, as in "No. 5".
_BEFORE_NUMBERS = frozenset((
    "no", "nos", "vol", "ch", "chap", "p", "pp", "fig", "sec", "op", "art",
))
# fmt: on
# These end one wherever the next word has a capital.
_OFTEN_LAST = frozenset(("etc", "al"))

_MARKS = ".!?…"
_CLOSERS = "\"'”’»)]"
_OPENERS = "\"'“‘«(["
# Marks, what closes after them, and a space; a mark inside a word or a number ends nothing.
_END = re.compile(rf"(?<![{_MARKS}])([{_MARKS}]+)([{re.escape(_CLOSERS)}]*)(?:\s+|$)")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
_INITIAL = re.compile(r"[A-Z]")
_INITIALS = re.compile(r"[A-Z]\.")
_CLAUSE_MARK = re.compile(rf"(?:[,;:—–]|--)[{re.escape(_CLOSERS)}]*$|^[-—–]+$")
_PARAGRAPH = re.compile(r"\n[^\S\n]*(?:\n\s*)+")
# A shorter line without a mark at its end is a heading or a verse, not one that a margin broke.
_WRAPPED_LINE = 50
# Spaces part words, but not the phones of one pronunciation.
_WORD = re.compile(r"(?:\{[^{}]*\}|[^\s{]|\{)+")

# What cutting costs: at a clause's mark little, between words more, in "five 1/2" or "$3 million"
# more than pieces of unlike lengths do.
_CLAUSE_COST, _WORD_COST, _NUMBER_COST = 0.2, 1.0, 4.0


@dataclass(frozen=True)
class Part:
    """A stretch of a text that is spoken in one go.

    Attributes:
        text: with its marks.
        ends: what it is the end of: 'word', 'clause', 'sentence' or 'paragraph'.
    """

    text: str
    ends: str


def split_paragraphs(text: str) -> list[str]:
    """Cut a text at its empty lines; a paragraph without letters and digits is dropped."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]", "\n", text)
    return [part.strip() for part in _PARAGRAPH.split(text) if _has_words(part)]


def split_sentences(text: str) -> list[str]:
    """Cut a text at its sentences' ends; marks and closing quotes stay with their sentence.

    Abbreviations, initials, numbers and ellipses that go on are not taken for ends. A line break
    ends a sentence too, unless the line looks broken at a margin.
    """
    return [
        sentence
        for paragraph in split_paragraphs(text)
        for line in _unwrapped(paragraph)
        for sentence in _sentences_of(line)
    ]


def split_parts(sentence: str, limit: int, count: Callable[[str], int]) -> list[Part]:
    """Cut a sentence that is too long, at clause marks where that works, else between words.

    The pieces come out of about the same length; no letter is lost.

    Args:
        sentence: of ``split_sentences``.
        limit: symbols that no piece may exceed; at least 1.
        count: a text's symbols.

    Returns:
        The pieces in order; all but the last end a 'clause' or a 'word', the last the 'sentence'.
    """
    if count(sentence) <= limit:
        return [Part(sentence, "sentence")]
    # A piece's symbols are not quite the sum of its words': "3 million" is read as one number. So
    # a piece that came out too long is cut again, as if less were allowed.
    aim = limit
    while True:
        words = [word for token in _WORD.findall(sentence) for word in _chopped(token, aim, count)]
        parts = _packed(words, [count(word) for word in words], aim)
        if aim == 1 or all(count(part.text) <= limit for part in parts):
            return parts
        aim = max(1, aim * 3 // 4)


def is_abbreviation_dot(word: str, following: str) -> bool:
    """Whether the full stop after a word marks an abbreviation and does not end a sentence.

    Args:
        word: without the full stop, as "Mr" or "e.g".
        following: the text after the full stop.
    """
    word = word.lower()
    return _is_abbreviation(word) and not _abbreviation_ends(word, _first_word(following))


def _sentences_of(line: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(line):
        if not _ends_sentence(line[start : end.start()], end, line[end.end() :]):
            continue
        sentence = line[start : end.end()].strip()
        if _has_words(sentence):
            yield sentence
            start = end.end()
    rest = line[start:].strip()
    if _has_words(rest):
        yield rest


def _ends_sentence(before: str, end: re.Match[str], after: str) -> bool:
    if not after:
        return True
    marks, closers = end[1], end[2]
    following = after.lstrip(_OPENERS)
    goes_on = following[:1].islower()
    if closers and goes_on:
        return False  # "Stop!" she said
    if marks.endswith(("..", "…")):
        return not goes_on
    if marks != ".":
        return True
    *earlier, word = before.split() or [""]
    word = word.lstrip(_OPENERS)
    next_word = _first_word(after)
    if _is_abbreviation(word.lower()):
        return _abbreviation_ends(word.lower(), next_word)
    if word.isdigit() and not earlier:
        return False  # the number of an item: "1. Buy milk."
    if _INITIAL.fullmatch(word) and word != "I" and next_word[:1].isupper():
        # "plan B. Then" and not "J. Smith" or "J. A. Smith"
        return next_word.lower() in _BEGINNERS and not _INITIALS.match(following)
    return True


def _first_word(text: str) -> str:
    return re.split(r"\W", text.lstrip().lstrip(_OPENERS), maxsplit=1)[0]


def _is_abbreviation(word: str) -> bool:
    known = (_NEVER_LAST, _SOMETIMES_LAST, _OFTEN_LAST, _BEFORE_NUMBERS)
    return any(word in group for group in known) or bool(_DOTTED.fullmatch(word))


def _abbreviation_ends(word: str, next_word: str) -> bool:
    if word in _NEVER_LAST:
        return False
    if word in _BEFORE_NUMBERS:
        return not next_word[:1].isdigit()
    if word in _OFTEN_LAST:
        return next_word[:1].isupper()
    return next_word[:1].isupper() and next_word.lower() in _BEGINNERS


def _unwrapped(paragraph: str) -> Iterator[str]:
    """The lines that were meant: those that a margin broke are put together again."""
    lines = [line.strip() for line in paragraph.split("\n")]
    joined = lines[0]
    for before, line in itertools.pairwise(lines):
        if _is_wrapped(before, line):
            joined += " " + line
        else:
            yield joined
            joined = line
    yield joined


def _is_wrapped(line: str, following: str) -> bool:
    # Whether a sentence ends at a long line's mark is decided as in the midst of a line.
    if len(line) >= _WRAPPED_LINE:
        return True
    return line.rstrip(_CLOSERS)[-1:] not in (*_MARKS, ":") and following[:1].islower()


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _chopped(word: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """A word that is longer than all that is allowed, in halves of halves; else the word."""
    if count(word) <= limit or len(word) < 2:
        return [word]
    braces = re.fullmatch(r"(.*?)\{([^{}]*)\}(.*)", word, re.DOTALL)
    if braces is None:
        middle = len(word) // 2
        halves = [word[:middle], word[middle:]]
    else:
        phones = braces[2].split()
        middle = len(phones) // 2
        if not middle:
            return [word]
        halves = [
            f"{braces[1]}{{{' '.join(phones[:middle])}}}",
            f"{{{' '.join(phones[middle:])}}}{braces[3]}",
        ]
    return [piece for half in halves for piece in _chopped(half, limit, count)]


def _packed(words: Sequence[str], counts: Sequence[int], limit: int) -> list[Part]:
    """Words in pieces of at most ``limit`` symbols, at the cheapest of all possible cuts."""
    total = sum(counts) + len(counts) - 1
    ideal = total / -(-total // limit)
    best = [0.0] + [float("inf")] * len(words)
    cut_before = [0] * (len(words) + 1)
    for stop in range(1, len(words) + 1):
        length = -1
        for start in range(stop - 1, -1, -1):
            length += counts[start] + 1
            if length > limit and start < stop - 1:
                break
            cost = best[start] + ((length - ideal) / limit) ** 2
            cost += _cut_cost(words, stop) if stop < len(words) else 0.0
            if cost < best[stop]:
                best[stop], cut_before[stop] = cost, start
    parts: list[Part] = []
    stop = len(words)
    while stop:
        start = cut_before[stop]
        ends = "clause" if _CLAUSE_MARK.search(words[stop - 1]) else "word"
        parts.append(Part(" ".join(words[start:stop]), ends if parts else "sentence"))
        stop = start
    return parts[::-1]


def _cut_cost(words: Sequence[str], place: int) -> float:
    """Of a cut before the word at ``place``."""
    before, after = words[place - 1], words[place]
    if _CLAUSE_MARK.search(before):
        return _CLAUSE_COST
    is_number = before[-1:].isdigit() or (before[:1] in "$£€" and after[:1].islower())
    return _NUMBER_COST if is_number else _WORD_COST
