"""Segmentation: texts into paragraphs, sentences, and parts short enough for a voice."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ponytaco.text.abbreviations import BEFORE_NUMBERS, NEVER_LAST, OFTEN_LAST, SOMETIMES_LAST
from ponytaco.text.phones import BRACES, WORD, in_braces

# fmt: off
_BEGINNERS = frozenset((
    "a", "an", "and", "as", "at", "but", "by", "for", "he", "her", "here", "his", "how", "i",
    "if", "in", "is", "it", "its", "my", "no", "now", "of", "on", "or", "our", "she", "so",
    "that", "the", "their", "then", "there", "these", "they", "this", "those", "to", "was",
    "we", "what", "when", "where", "who", "why", "with", "yes", "you", "your",
))
# fmt: on
_ABBREVIATIONS = NEVER_LAST | SOMETIMES_LAST | OFTEN_LAST | BEFORE_NUMBERS

_MARKS = ".!?…"
_CLOSERS = "\"'”’»)]"
_OPENERS = "\"'“‘«(["
# Marks, closing signs and a space; a mark inside a word or a number ends nothing.
_END = re.compile(rf"(?<![{_MARKS}])([{_MARKS}]+)([{re.escape(_CLOSERS)}]*)(?:\s+|$)")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
_INITIAL = re.compile(r"[A-Z]")
_INITIALS = re.compile(r"[A-Z]\.")
_CLAUSE_MARK = re.compile(rf"(?:[,;:—–]|--)[{re.escape(_CLOSERS)}]*$|^[-—–]+$")
_PARAGRAPH = re.compile(r"\n[^\S\n]*(?:\n\s*)+")
# A shorter line without a mark at its end is a heading or a verse, not wrapped text.
_WRAPPED_LINE = 50

# Costs of a cut: at a clause's mark little, between words more, and in "five 1/2" or "$3 million"
# more than uneven lengths.
_CLAUSE_COST, _WORD_COST, _NUMBER_COST = 0.2, 1.0, 4.0


@dataclass(frozen=True)
class Part:
    """A stretch of a text that is spoken in one go."""

    text: str
    """With its marks."""
    ends: str
    """What it is the end of: 'word', 'clause', 'sentence' or 'paragraph'."""


def split_paragraphs(text: str) -> list[str]:
    """Cut a text at its empty lines; drop paragraphs without letters and digits."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]", "\n", text)
    return [part.strip() for part in _PARAGRAPH.split(text) if _has_words(part)]


def split_sentences(text: str) -> list[str]:
    """Cut a text into sentences, with their marks and closing quotes.

    Abbreviations, initials, numbers and ellipses within a sentence are not taken for ends. A line
    break ends a sentence too, unless the line looks wrapped.
    """
    return [
        sentence
        for paragraph in split_paragraphs(text)
        for line in _unwrapped(paragraph)
        for sentence in _sentences_of(line)
    ]


def split_parts(sentence: str, limit: int, count: Callable[[str], int]) -> list[Part]:
    """Cut a sentence that is too long, preferably at clause marks, else between words.

    The parts are of about the same length; no letter is lost.

    Args:
        sentence: of ``split_sentences``.
        limit: symbols that no part may exceed; at least 1.
        count: returns a text's number of symbols.

    Returns:
        The parts in order; all but the last end a 'clause' or a 'word', the last the 'sentence'.
    """
    if count(sentence) <= limit:
        return [Part(sentence, "sentence")]
    # A part's symbols are not quite the sum of its words': "3 million" is read as one number. If
    # a part is still too long, the sentence is cut again with a lower limit.
    aim = limit
    while True:
        words = [word for token in WORD.findall(sentence) for word in _chopped(token, aim, count)]
        parts = _packed(words, [count(word) for word in words], aim)
        if aim == 1 or all(count(part.text) <= limit for part in parts):
            return parts
        aim = max(1, aim * 3 // 4)


def is_abbreviation_dot(word: str, following: str) -> bool:
    """Return whether the full stop after a word marks an abbreviation and not a sentence's end.

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
    return word in _ABBREVIATIONS or bool(_DOTTED.fullmatch(word))


def _abbreviation_ends(word: str, next_word: str) -> bool:
    if word in NEVER_LAST:
        return False
    if word in BEFORE_NUMBERS:
        return not next_word[:1].isdigit()
    if word in OFTEN_LAST:
        return next_word[:1].isupper()
    return next_word[:1].isupper() and next_word.lower() in _BEGINNERS


def _unwrapped(paragraph: str) -> Iterator[str]:
    """Iterate over lines, wrapped ones joined."""
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
    # Whether a long line's last mark ends a sentence is decided as within a line.
    if len(line) >= _WRAPPED_LINE:
        return True
    return line.rstrip(_CLOSERS)[-1:] not in (*_MARKS, ":") and following[:1].islower()


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _chopped(word: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """Halve a word until no piece is longer than the limit."""
    if count(word) <= limit or len(word) < 2:
        return [word]
    braces = BRACES.search(word)
    if braces is None:
        middle = len(word) // 2
        halves = [word[:middle], word[middle:]]
    else:
        phones = braces[1].split()
        middle = len(phones) // 2
        if not middle:
            return [word]
        halves = [
            word[: braces.start()] + in_braces(phones[:middle]),
            in_braces(phones[middle:]) + word[braces.end() :],
        ]
    return [piece for half in halves for piece in _chopped(half, limit, count)]


def _packed(words: Sequence[str], counts: Sequence[int], limit: int) -> list[Part]:
    """Join words into parts of at most ``limit`` symbols, at the cheapest possible cuts."""
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
    """Return the cost of a cut before the word at ``place``."""
    before, after = words[place - 1], words[place]
    if _CLAUSE_MARK.search(before):
        return _CLAUSE_COST
    is_number = before[-1:].isdigit() or (before[:1] in "$£€" and after[:1].islower())
    return _NUMBER_COST if is_number else _WORD_COST
