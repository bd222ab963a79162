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
_MONTHS = frozenset((
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
))
# Abbreviations after a number: "200 lbs. now", but not "he came in. Then".
_UNITS = frozenset((
    "lb", "lbs", "oz", "in", "ft", "yd", "yds", "mi", "hr", "hrs", "min", "mins", "sec", "secs",
    "kg", "km", "cm", "mm", "ml", "mg", "g", "m", "mph", "kph", "pt", "qt", "gal", "tbsp", "tsp",
    "sq", "no", "ave", "yr", "yrs", "wk", "wks", "mo", "mos",
))
# What follows the full stop within a file's or a site's name: "Node.JS", "Mlp.Com".
_EXTENSIONS = frozenset((
    "com", "net", "org", "edu", "gov", "io", "js", "py", "txt", "pdf", "png", "jpg", "jpeg", "gif",
    "mp3", "mp4", "wav", "zip", "exe", "html", "htm", "tv", "uk", "de", "fm",
))
LETTERED = frozenset((
    "plan", "vitamin", "option", "grade", "class", "type", "team", "group", "section", "part",
    "exhibit", "letter", "point", "side", "room", "gate", "platform", "appendix", "figure",
    "answer", "choice", "level", "block", "zone", "the", "an",
))
"""Words before a letter's name: 'plan B', 'vitamin A', 'the A'."""
# fmt: on

_BEFORE_NUMBERS = BEFORE_NUMBERS | _MONTHS
_ABBREVIATIONS = NEVER_LAST | SOMETIMES_LAST | OFTEN_LAST | _BEFORE_NUMBERS

_MARKS = ".!?…"
_CLOSERS = "\"'”’»)]"
_OPENERS = "\"'“‘«(["
# Marks, closing signs, and a space, or a letter where somebody left the space out.
_END = re.compile(
    rf"(?<![{_MARKS}])([{_MARKS}]+)([{re.escape(_CLOSERS)}]*)"
    rf"(?:\s+|$|(?=[{re.escape(_OPENERS)}]*[^\W\d_]))"
)
_DIGIT = re.compile(r"\d")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
_INITIAL = re.compile(r"[A-Z]")
_INITIALS = re.compile(r"[A-Z]\.")
_LAST_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*$")
_FIRST_WORD = re.compile(rf"\s*[{re.escape(_OPENERS)}]*(\w*)")
_CLAUSE_MARK = re.compile(rf"(?:[,;:—–]|--)[{re.escape(_CLOSERS)}]*$|^[-—–]+$")
_BRACED = re.compile(r"\{[^{}]*\}[^{}]*|[{}]?[^{}]+|[{}]")
_PARAGRAPH = re.compile(r"\n[^\S\n]*(?:\n\s*)+")
_BULLET = re.compile(r"[-*+•·‣▪◦●○–—►→]\s+")
_ITEM = re.compile(r"\(?(?:\d{1,3}|[A-Za-z])[.)]\s")
# A shorter line without a mark at its end is a heading or a verse, not wrapped text.
_WRAPPED_LINE = 50
# Characters beside a mark that tell whether it ends a sentence: the time stays linear.
_NEAR = 80
# Texts of so many times the limit's characters are cut before their symbols are counted.
_LONG = 8

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
    if len(sentence) <= _LONG * limit and count(sentence) <= limit:
        return [Part(sentence, "sentence")]
    tokens, size = WORD.findall(sentence), count
    if len(sentence) > _LONG * limit:  # every word as a place to cut would take long
        tokens, size = list(_joined(tokens, limit // _LONG)), _estimate
    words = [word for token in tokens for word in _chopped(token, limit, size)]
    *parts, last = _parts_of(words, limit, limit, count, size)
    return [*parts, Part(last.text, "sentence")]


def _joined(tokens: Sequence[str], most: int) -> Iterator[str]:
    """Join words between clause marks to stretches of at most so many characters."""
    joined: list[str] = []
    length = -1
    for token in tokens:
        if joined and (length + 1 + len(token) > most or _CLAUSE_MARK.search(joined[-1])):
            yield " ".join(joined)
            joined, length = [], -1
        joined.append(token)
        length += 1 + len(token)
    yield " ".join(joined)


def _parts_of(
    words: Sequence[str],
    limit: int,
    aim: int,
    count: Callable[[str], int],
    size: Callable[[str], int],
) -> Iterator[Part]:
    """Iterate over parts of about ``aim`` symbols by ``size``, at most ``limit`` by ``count``."""
    for part in _packed(words, [size(word) for word in words], aim):
        text = " ".join(part)
        # A part's symbols are not quite the sum of its words': "3 million" is read as one number.
        if count(text) > limit and len(part) > 1 and aim > 1:
            yield from _parts_of(part, limit, max(1, aim * 3 // 4), count, size)
            continue
        for piece in _chopped(text, limit, count) if len(part) == 1 else [text]:
            yield Part(piece, "clause" if _CLAUSE_MARK.search(piece) else "word")


def _estimate(text: str) -> int:
    """Return about how many symbols a text has: a digit is a word or two."""
    return len(text) + 8 * len(_DIGIT.findall(text))


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
    n_looked_at = 0  # of the characters whether there are words among them
    has_words = False
    for end in _END.finditer(line):
        if not _ends_sentence(line, start, end):
            continue
        has_words = has_words or _has_words(line[max(start, n_looked_at) : end.end()])
        n_looked_at = end.end()
        if has_words:
            yield line[start : end.end()].strip()
            start, has_words = end.end(), False
    rest = line[start:].strip()
    if _has_words(rest):
        yield rest


def _ends_sentence(line: str, start: int, end: re.Match[str]) -> bool:
    if end.end() == len(line):
        return True
    before = line[max(start, end.start() - _NEAR) : end.start()]
    after = line[end.end() : end.end() + _NEAR]
    if end.end() == end.end(2):
        return _ends_without_space(before, end[1], after)
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
    if _is_unit(earlier, word):
        return next_word[:1].isupper()
    if _is_abbreviation(word.lower()):
        return _abbreviation_ends(word.lower(), next_word)
    if word.isdigit() and not earlier:
        return False  # the number of an item: "1. Buy milk."
    if _INITIAL.fullmatch(word) and word != "I" and next_word[:1].isupper():
        # "plan B. Then" and not "J. Smith" or "J. A. Smith"
        is_named = bool(earlier) and earlier[-1].lower() in LETTERED
        is_quoted = after != following and following[:1].isupper()
        begins = next_word.lower() in _BEGINNERS and not _INITIALS.match(following)
        return is_named or is_quoted or begins
    return True


def _ends_without_space(before: str, marks: str, after: str) -> bool:
    """Return whether marks end a sentence although a letter follows: "Stop.Now!"."""
    next_word = _first_word(after)
    token = (before.split() or [""])[-1]
    if not next_word[:1].isupper() or re.search(r"@|://|^www\b", token):
        return False
    if marks != ".":
        return True
    last = _LAST_WORD.search(before)
    word = last[0] if last else ""
    if word.isdigit():
        return word != token or len(before.split()) > 1
    if _is_abbreviation(word.lower()):
        return _abbreviation_ends(word.lower(), next_word)
    is_name = next_word.lower() in _EXTENSIONS or (len(next_word) == 1 and next_word not in "AI")
    return len(word) > 1 and not is_name


def _first_word(text: str) -> str:
    word = _FIRST_WORD.match(text)
    return word[1] if word else ""


def _is_unit(earlier: Sequence[str], word: str) -> bool:
    """Return whether a word is a unit after a number: "6 ft" or "6ft"."""
    unit = word.lstrip("0123456789.,/")
    number = word[: -len(unit)] if unit != word else (earlier[-1] if earlier else "")
    return unit.lower() in _UNITS and number[-1:].isdigit()


def _is_abbreviation(word: str) -> bool:
    return word in _ABBREVIATIONS or bool(_DOTTED.fullmatch(word))


def _abbreviation_ends(word: str, next_word: str) -> bool:
    if word in NEVER_LAST:
        return False
    if word in _BEFORE_NUMBERS:
        return not next_word[:1].isdigit() and (word not in _MONTHS or next_word[:1].isupper())
    if word in OFTEN_LAST:
        return next_word[:1].isupper()
    return next_word[:1].isupper() and next_word.lower() in _BEGINNERS


def _unwrapped(paragraph: str) -> Iterator[str]:
    """Iterate over lines without bullets, wrapped ones joined."""
    lines = [line.strip() for line in paragraph.split("\n")]
    # Of somebody who begins with a small letter, small letters tell nothing about later lines.
    is_cased = not lines[0][:1].islower()
    joined = [_BULLET.sub("", lines[0], count=1) if _BULLET.match(lines[0]) else lines[0]]
    for before, line in itertools.pairwise(lines):
        bullet = _BULLET.match(line)
        if not bullet and _is_wrapped(before, line, is_cased):
            joined.append(line)
        else:
            yield " ".join(joined)
            joined = [line[bullet.end() :] if bullet else line]
    yield " ".join(joined)


def _is_wrapped(line: str, following: str, is_cased: bool) -> bool:
    # Whether a long line's last mark ends a sentence is decided as within a line.
    if len(line) >= _WRAPPED_LINE:
        return not _ITEM.match(following)
    has_mark = line.rstrip(_CLOSERS)[-1:] in (*_MARKS, ":")
    return is_cased and not has_mark and following[:1].islower() and not _ITEM.match(following)


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _chopped(word: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """Halve a word until no piece is longer than the limit."""
    if len(word) <= _LONG * limit and count(word) <= limit:
        return [word]
    halves = _halves(word)
    if len(halves) == 1:
        return halves
    return [piece for half in halves for piece in _chopped(half, limit, count)]


def _halves(word: str) -> list[str]:
    tokens = WORD.findall(word)
    if len(tokens) > 1:
        middle = len(tokens) // 2
        return [" ".join(tokens[:middle]), " ".join(tokens[middle:])]
    units = _BRACED.findall(word)  # a long word is one, or it has pronunciations in it
    if len(units) > 1:
        middle = len(units) // 2
        return ["".join(units[:middle]), "".join(units[middle:])]
    braces = BRACES.match(word)
    if braces is None:
        middle = len(word) // 2
        return [word[:middle], word[middle:]] if middle else [word]
    phones = braces[1].split()
    middle = len(phones) // 2
    if middle:
        rest = in_braces(phones[middle:]) + word[braces.end() :]
        return [in_braces(phones[:middle]), rest]
    is_long = braces.end() < len(word)
    return [braces[0], word[braces.end() :]] if is_long else [word]


def _packed(words: Sequence[str], counts: Sequence[int], limit: int) -> list[Sequence[str]]:
    """Join words into parts of at most ``limit`` symbols, at the cheapest possible cuts."""
    total = sum(counts) + len(counts) - 1
    ideal = total / -(-total // limit)
    best = [0.0] + [float("inf")] * len(words)
    cut_before = [0] * (len(words) + 1)
    for stop in range(1, len(words) + 1):
        length = -1
        cut_cost = _cut_cost(words, stop) if stop < len(words) else 0.0
        for start in range(stop - 1, -1, -1):
            length += counts[start] + 1
            if length > limit and start < stop - 1:
                break
            cost = best[start] + ((length - ideal) / limit) ** 2 + cut_cost
            if cost < best[stop]:
                best[stop], cut_before[stop] = cost, start
    parts: list[Sequence[str]] = []
    stop = len(words)
    while stop:
        parts.append(words[cut_before[stop] : stop])
        stop = cut_before[stop]
    return parts[::-1]


def _cut_cost(words: Sequence[str], place: int) -> float:
    """Return the cost of a cut before the word at ``place``."""
    before, after = words[place - 1], words[place]
    if _CLAUSE_MARK.search(before):
        return _CLAUSE_COST
    is_number = before[-1:].isdigit() or (before[:1] in "$£€" and after[:1].islower())
    return _NUMBER_COST if is_number else _WORD_COST
