"""From a label to the texts a voice is trained on: letters, ARPAbet, and who sounds when."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.labels import Interval, Label
from data_prep.word_matching import Match, TextWord, match_words, spelling_key, split_words

_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
ARPABET = frozenset(_CONSONANTS.split()) | {
    vowel + stress for vowel in _VOWELS.split() for stress in ("", "0", "1", "2")
}
"""The 84 phones that the seed's symbol table knows."""

SILENCES = frozenset({"sil", "sp", ""})

LEAST_MATCHED = 0.6
"""Share of a text's words with known phones from which the ARPAbet text is worth having."""

STYLE_SIGNS = {
    "Anxious": "☺",
    "Happy": "☻",
    "Angry": "♥",
    "Annoyed": "♦",
    "Serious": "♣",
    "Amused": "♠",
    "Singing": "♪",
    "Fear": "◘",
    "Sad": "○",
    "Shouting": "◙",
    "Confused": "♂",
    "Surprised": "♀",
    "Smug": "•",
    "Love": "♫",
    "Sarcastic": "☼",
    "Tired": "►",
    "Exhausted": "►",
    "Tired or Exhausted": "►",
    "Whispering": "◄",
}
"""Signs of the moods, as in the notebooks from which the symbol table comes."""

_ABBREVIATIONS = (
    "mr mrs ms dr st messrs jr sr lt col gen rev capt sgt maj prof hon vs co ltd mt ft no"
)
"""Abbreviations that are written with a dot, and that a label may spell as short as the text."""

_QUOTES = str.maketrans({"‘": "'", "’": "'", "ʼ": "'", "`": "'", "“": '"', "”": '"', "„": '"'})
_BRACED = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class SpokenWord:
    """A word of the label with the phones that sound in its time."""

    content: str
    start: float
    end: float
    phones: tuple[Interval, ...]

    @property
    def known(self) -> bool:
        """Whether it has phones, and all of them are ARPAbet."""
        return bool(self.phones) and all(phone.content in ARPABET for phone in self.phones)


@dataclass(frozen=True)
class Transcript:
    """The texts of a clip. All times are still the label's, see Interval."""

    text: str
    """What is said, in letters; no `|`, no line breaks."""

    arpabet: str | None
    """The same with words as `{HH AH0 L OW1}`; None where too few words have known phones."""

    tokens: tuple[Interval, ...]
    """The phones in the braces of the ARPAbet text, in its order; without one, all phones."""

    words: tuple[Interval, ...]
    """The words of the label."""

    pronunciations: tuple[tuple[str, tuple[str, ...]], ...]
    """Words in capitals with their phones, as often as they are said."""

    replaced: int
    """Characters of the typed text that had to be replaced or left out."""


def transcribe(label: Label, style_signs: bool = False) -> Transcript:
    """Turn a label into texts.

    Args:
        label: of the clip.
        style_signs: put the sign of the first tag that has one before both texts.

    Returns:
        The transcript; its text is empty where the label's is.
    """
    text, replaced = clean_text(label.text)
    said = spoken_words(label)
    words = split_words(text)
    matches = match_words([w.key for w in words], [spelling_key(w.content) for w in said])
    usable = [m for m in matches if all(w.known for w in said[m.label_start : m.label_end])]
    matched = sum(m.text_end - m.text_start for m in usable)
    arpabet, tokens = None, tuple(p for w in said for p in w.phones if p.content in ARPABET)
    if usable and matched >= LEAST_MATCHED * len(words):
        arpabet = _write_arpabet(text, words, said, usable)
        tokens = tuple(
            phone
            for match in usable
            for word in said[match.label_start : match.label_end]
            for phone in word.phones
        )
    sign = style_sign(label.tags) if style_signs else ""
    return Transcript(
        text=sign + text if text else "",
        arpabet=sign + arpabet if arpabet else None,
        tokens=tokens,
        words=tuple(Interval(w.content, w.start, w.end) for w in said),
        pronunciations=tuple(_pronunciations(text, words, said, usable)),
        replaced=replaced,
    )


def clean_text(typed: str) -> tuple[str, int]:
    """Make a typed text fit for one column of one line.

    Unicode is normalised (NFKC), typographic quotes become plain ones, white space is merged;
    control characters, line breaks and `|` become spaces, invisible characters go, and braces
    that hold no ARPAbet become parentheses.

    Args:
        typed: any text.

    Returns:
        The text, and how many of its characters were replaced or left out.
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
    """Braces mean ARPAbet to the reader of the text; where they do not hold any, replace them."""
    pieces, place, replaced = [], 0, 0
    for found in [*_BRACED.finditer(text), None]:
        between = text[place : found.start() if found else len(text)]
        replaced += between.count("{") + between.count("}")
        pieces.append(between.replace("{", "(").replace("}", ")"))
        if found:
            phones = found.group(1).split()
            good = phones and all(phone in ARPABET for phone in phones)
            pieces.append(f"{{{' '.join(phones)}}}" if good else f"({found.group(1)})")
            replaced += 0 if good else 2
            place = found.end()
    return "".join(pieces), replaced


def is_speakable(text: str) -> bool:
    """Whether anything in a clean text has a sound: a letter or a digit of any script."""
    return any(char.isalnum() for char in text)


def style_sign(tags: Sequence[str]) -> str:
    """Sign of the first tag that has one, or an empty text."""
    return next((STYLE_SIGNS[tag] for tag in tags if tag in STYLE_SIGNS), "")


def spoken_phones(label: Label) -> tuple[Interval, ...]:
    """The phones of a label without its silences."""
    return tuple(phone for phone in label.phones if phone.content not in SILENCES)


def spoken_words(label: Label) -> list[SpokenWord]:
    """Give each word of a label the phones whose middle lies in its time."""
    phones = spoken_phones(label)
    said, place = [], 0
    for word in label.words:
        if not spelling_key(word.content):
            continue
        while place < len(phones) and _middle(phones[place]) < word.start:
            place += 1
        first = place
        while place < len(phones) and _middle(phones[place]) < word.end:
            place += 1
        said.append(SpokenWord(word.content, word.start, word.end, phones[first:place]))
    return said


def _middle(phone: Interval) -> float:
    return (phone.start + phone.end) / 2


def _phones_of(word: SpokenWord) -> tuple[str, ...]:
    return tuple(phone.content for phone in word.phones)


def _write_arpabet(
    text: str, words: Sequence[TextWord], said: Sequence[SpokenWord], matches: Sequence[Match]
) -> str:
    """Replace matched words by their phones, leave everything between them as it stands."""
    pieces, place = [], 0
    for match in matches:
        first, last = words[match.text_start], words[match.text_end - 1]
        spoken = said[match.label_start : match.label_end]
        pieces.append(text[place : first.start])
        pieces.append(" ".join(f"{{{' '.join(_phones_of(word))}}}" for word in spoken))
        place = last.end
        if _ends_abbreviation(text, first, last, spoken):
            place += 1
    return "".join([*pieces, text[place:]])


def _ends_abbreviation(
    text: str, first: TextWord, last: TextWord, spoken: Sequence[SpokenWord]
) -> bool:
    """Whether the dot after a word belongs to it ("Mr.", "i.e."), and is no end of a sentence."""
    written = text[first.start : last.end]
    if not re.match(r"\.[ ,;:]", text[last.end : last.end + 2]) or re.search(r"\d", written):
        return False
    spelled_out = first.key != "".join(spelling_key(word.content) for word in spoken)
    return first is last and ("." in written or spelled_out or first.key in _ABBREVIATIONS.split())


def _pronunciations(
    text: str, words: Sequence[TextWord], said: Sequence[SpokenWord], matches: Sequence[Match]
) -> list[tuple[str, tuple[str, ...]]]:
    """Words as the label spells them and, with its `'` and `-`, as the text does."""
    found = [(word.content.upper(), _phones_of(word)) for word in said if word.known]
    for match in matches:
        if match.text_end - match.text_start == 1 == match.label_end - match.label_start:
            word, spoken = words[match.text_start], said[match.label_start]
            written = text[word.start : word.end].upper()
            same_word = word.key == spelling_key(spoken.content) and word.key.isalpha()
            if same_word and written != spoken.content.upper():
                found.append((written, _phones_of(spoken)))
    # One word a line, set off from its phones by spaces.
    return [(w, phones) for w, phones in found if w and w.isprintable() and " " not in w]
