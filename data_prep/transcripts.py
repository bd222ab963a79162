"""Transcripts of a clip: its text in letters and in ARPAbet, with the times of words and phones."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.labels import Interval, Label
from data_prep.pronunciation import pronounce
from data_prep.word_matching import Match, TextWord, match_words, spelling_key, split_words
from ponytaco.text.cleaners import transliterate
from ponytaco.text.phones import BRACES, in_braces, parse_phones
from ponytaco.text.segmentation import is_abbreviation_dot
from ponytaco.text.styles import match_style
from ponytaco.text.symbols import PHONES, STYLE_SIGNS

SILENCES = frozenset({"sil", "sp", ""})

LEAST_MATCHED = 0.6
"""Share of a text's words with known phones from which an ARPAbet text is written."""

MOST_PHONES = 60
"""Of a word in the lexicon; the longest of English have about 40."""

# soundtools has one tag for two styles, which share a sign.
_STYLE_OF_TAG = {"tired or exhausted": "Tired"}

_ARPABET = frozenset(PHONES)
_QUOTES = str.maketrans({"‘": "'", "’": "'", "ʼ": "'", "`": "'", "“": '"', "”": '"', "„": '"'})


@dataclass(frozen=True)
class EncodedWord:
    """Word of the label with the phones spoken in its time."""

    content: str
    start: float
    end: float
    phones: tuple[Interval, ...]

    @property
    def known(self) -> bool:
        """Whether the word has phones, all of them ARPAbet."""
        return bool(self.phones) and all(phone.content in _ARPABET for phone in self.phones)


@dataclass(frozen=True)
class Transcript:
    """Texts of a clip. All times are still the label's, see Interval."""

    text: str
    """Text in letters, without `|` and line breaks."""

    arpabet: str | None
    """Text with words as `{HH AH0 L OW1}`, by the label or, where it has no phones at all, by the
    installed dictionary; None if too few words have known phones."""

    tokens: tuple[Interval, ...]
    """Phones in the braces of the ARPAbet text, in order; all phones if there is no such text."""

    words: tuple[Interval, ...]
    """Words of the label."""

    pronunciations: tuple[tuple[str, tuple[str, ...]], ...]
    """Words in capitals with their phones, one entry for each time a word is spoken."""

    replaced: int
    """Number of characters of the typed text that were replaced or removed."""


def transcribe(label: Label, style_signs: bool = False) -> Transcript:
    """Build the transcript of a clip from its label.

    Args:
        label: of the clip.
        style_signs: prefix both texts with the style sign of the clip's tags, see `style_sign`.

    Returns:
        The transcript; its text is empty if the label's is.
    """
    text, replaced = clean_text(label.text)
    spoken = spoken_words(label)
    words = split_words(text)
    matches = match_words([w.key for w in words], [spelling_key(w.content) for w in spoken])
    usable = [m for m in matches if all(w.known for w in spoken[m.label_start : m.label_end])]
    matched = sum(m.text_end - m.text_start for m in usable)
    arpabet, tokens = None, tuple(p for w in spoken for p in w.phones if p.content in _ARPABET)
    if usable and matched >= LEAST_MATCHED * len(words):
        arpabet = _write_arpabet(text, words, spoken, usable)
        tokens = tuple(
            phone
            for match in usable
            for word in spoken[match.label_start : match.label_end]
            for phone in word.phones
        )
    pronunciations = tuple(_pronunciations(text, words, spoken, usable))
    if not spoken_phones(label):
        arpabet, pronunciations = pronounce(text)
    sign = style_sign(label.tags) if style_signs else ""
    return Transcript(
        text=sign + text if text else "",
        arpabet=sign + arpabet if arpabet else None,
        tokens=tokens,
        words=tuple(Interval(w.content, w.start, w.end) for w in spoken),
        pronunciations=pronunciations,
        replaced=replaced,
    )


def clean_text(typed: str) -> tuple[str, int]:
    """Clean a typed text so that it fits into one column of one line.

    Unicode is normalised (NFKC), typographic quotes become plain ones, white space is merged,
    control characters, line breaks and `|` become spaces, invisible characters are removed, and
    braces without ARPAbet inside become parentheses.

    Args:
        typed: any text.

    Returns:
        The text, and the number of characters that were replaced or removed.
    """
    replaced = 0
    kept = []
    for char in unicodedata.normalize("NFKC", typed):
        category = unicodedata.category(char)
        if char == "\t" or category == "Zs":
            kept.append(" ")
        elif category == "Cf":  # zero-width characters, direction marks, soft hyphens
            replaced += 1
        elif char == "|" or category in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}:
            kept.append(" ")
            replaced += 1
        else:
            kept.append(char)
    text = unicodedata.normalize("NFKC", "".join(kept)).translate(_QUOTES)
    text, braces = _replace_braces(text)
    return " ".join(text.split()), replaced + braces


def _replace_braces(text: str) -> tuple[str, int]:
    """Replace braces by parentheses, except around ARPAbet, which the trainer reads as phones."""
    pieces, place, replaced = [], 0, 0
    for found in [*BRACES.finditer(text), None]:
        between = text[place : found.start() if found else len(text)]
        replaced += between.count("{") + between.count("}")
        pieces.append(between.replace("{", "(").replace("}", ")"))
        if found:
            phones = parse_phones(found[1])
            pieces.append(in_braces(phones) if phones else f"({found[1]})")
            replaced += 0 if phones else 2
            place = found.end()
    return "".join(pieces), replaced


def is_speakable(text: str) -> bool:
    """Whether a cleaned text has anything to speak: a letter or digit, also by transliteration."""
    return any(c.isalnum() for character in text for c in transliterate(character))


def style_sign(tags: Sequence[str]) -> str:
    """Return the style sign of a clip; empty if none of its tags has one.

    Of several tags the first one with a sign wins: ("Neutral", "Happy", "Whispering") gives that
    of Happy. Tags match the names of ponytaco's styles in any case.
    """
    styles = (match_style(_STYLE_OF_TAG.get(tag.strip().casefold(), tag)) for tag in tags)
    return next((STYLE_SIGNS[style] for style in styles if style and style in STYLE_SIGNS), "")


def spoken_phones(label: Label) -> tuple[Interval, ...]:
    """Return the phones of a label without its silences."""
    return tuple(phone for phone in label.phones if phone.content not in SILENCES)


def spoken_words(label: Label) -> list[EncodedWord]:
    """Assign to each word of a label the phones whose midpoints lie in its time."""
    phones = spoken_phones(label)
    spoken, place = [], 0
    for word in label.words:
        if not spelling_key(word.content):
            continue
        while place < len(phones) and _middle(phones[place]) < word.start:
            place += 1
        first = place
        while place < len(phones) and _middle(phones[place]) < word.end:
            place += 1
        spoken.append(EncodedWord(word.content, word.start, word.end, phones[first:place]))
    return spoken


def _middle(phone: Interval) -> float:
    return (phone.start + phone.end) / 2


def _phones_of(word: EncodedWord) -> tuple[str, ...]:
    return tuple(phone.content for phone in word.phones)


def _write_arpabet(
    text: str, words: Sequence[TextWord], spoken: Sequence[EncodedWord], matches: Sequence[Match]
) -> str:
    """Replace the matched words by their phones and keep everything between them."""
    pieces, place = [], 0
    for match in matches:
        first, last = words[match.text_start], words[match.text_end - 1]
        reading = spoken[match.label_start : match.label_end]
        pieces.append(text[place : first.start])
        pieces.append(" ".join(in_braces(_phones_of(word)) for word in reading))
        place = last.end
        if first is last and _has_abbreviation_dot(text, first, reading):
            place += 1
    return "".join([*pieces, text[place:]])


def _has_abbreviation_dot(text: str, word: TextWord, reading: Sequence[EncodedWord]) -> bool:
    """Whether the dot after a word marks an abbreviation ("Mr.", "i.e."), not a sentence's end."""
    written, following = text[word.start : word.end], text[word.end :]
    if not re.match(r"\.[ ,;:]", following) or re.search(r"\d", written):
        return False
    spelled_out = word.key != "".join(spelling_key(spoken.content) for spoken in reading)
    return spelled_out or is_abbreviation_dot(written, following[1:])


def _pronunciations(
    text: str, words: Sequence[TextWord], spoken: Sequence[EncodedWord], matches: Sequence[Match]
) -> list[tuple[str, tuple[str, ...]]]:
    """List words in the label's spelling and, with its `'` and `-`, in that of the text."""
    found = [(word.content.upper(), _phones_of(word)) for word in spoken if word.known]
    for match in matches:
        if match.text_end - match.text_start == 1 == match.label_end - match.label_start:
            word, reading = words[match.text_start], spoken[match.label_start]
            written = text[word.start : word.end].upper()
            same_word = word.key == spelling_key(reading.content) and word.key.isalpha()
            if same_word and written != reading.content.upper():
                found.append((written, _phones_of(reading)))
    # lexicon.txt has one word per line, separated from its phones by spaces.
    return [
        (w, phones)
        for w, phones in found
        if w and w.isprintable() and " " not in w and len(phones) <= MOST_PHONES
    ]
