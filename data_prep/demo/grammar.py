"""Sentences of the demo voice: a small vocabulary with pronunciations, and a grammar."""

import random
from collections.abc import Collection, Mapping
from types import MappingProxyType

from ponytaco.errors import PonytacoError

# Words by their place in a sentence. A speech recogniser can tell them apart: words that it
# confuses are left out, and so are short ones such as "the", "did" and "our", which it inserts
# everywhere.
_DETERMINERS = {
    "my": "M AY1",
    "your": "Y UH1 R",
    "every": "EH1 V R IY0",
}
_COUNTS = {
    "seven": "S EH1 V AH0 N",
    "eleven": "IH0 L EH1 V AH0 N",
    "twenty": "T W EH1 N T IY0",
}
_ADJECTIVES = {
    "purple": "P ER1 P AH0 L",
    "yellow": "Y EH1 L OW0",
    "happy": "HH AE1 P IY0",
    "golden": "G OW1 L D AH0 N",
    "sleepy": "S L IY1 P IY0",
    "hungry": "HH AH1 NG G R IY0",
    "little": "L IH1 T AH0 L",
    "brown": "B R AW1 N",
    "orange": "AO1 R AH0 N JH",
    "gentle": "JH EH1 N T AH0 L",
}
_CREATURES = {
    "pony": "P OW1 N IY0",
    "dragon": "D R AE1 G AH0 N",
    "teacher": "T IY1 CH ER0",
    "captain": "K AE1 P T AH0 N",
    "monkey": "M AH1 NG K IY0",
    "spider": "S P AY1 D ER0",
    "sister": "S IH1 S T ER0",
    "butterfly": "B AH1 T ER0 F L AY2",
    "elephant": "EH1 L AH0 F AH0 N T",
    "doctor": "D AA1 K T ER0",
    "farmer": "F AA1 R M ER0",
    "princess": "P R IH1 N S EH0 S",
}
_VERBS = {
    "painted": "P EY1 N T AH0 D",
    "followed": "F AA1 L OW0 D",
    "carried": "K AE1 R IY0 D",
    "watched": "W AA1 CH T",
    "found": "F AW1 N D",
    "discovered": "D IH0 S K AH1 V ER0 D",
    "chased": "CH EY1 S T",
    "remembered": "R IH0 M EH1 M B ER0 D",
}
_THINGS = {
    "basket": "B AE1 S K AH0 T",
    "window": "W IH1 N D OW0",
    "garden": "G AA1 R D AH0 N",
    "umbrella": "AH0 M B R EH1 L AH0",
    "castle": "K AE1 S AH0 L",
    "mountain": "M AW1 N T AH0 N",
    "ladder": "L AE1 D ER0",
    "hospital": "HH AA1 S P IH0 T AH0 L",
    "kitchen": "K IH1 CH AH0 N",
    "river": "R IH1 V ER0",
    "bicycle": "B AY1 S IH0 K AH0 L",
}
_MANY_THINGS = {
    "candles": "K AE1 N D AH0 L Z",
    "apples": "AE1 P AH0 L Z",
    "potatoes": "P AH0 T EY1 T OW2 Z",
}
_PLACES = {
    "under": "AH1 N D ER0",
    "behind": "B IH0 HH AY1 N D",
    "without": "W IH0 DH AW1 T",
}
_ADVERBS = {
    "yesterday": "Y EH1 S T ER0 D EY2",
    "today": "T AH0 D EY1",
    "again": "AH0 G EH1 N",
    "slowly": "S L OW1 L IY0",
    "outside": "AW1 T S AY1 D",
    "together": "T AH0 G EH1 DH ER0",
}
_QUESTIONS = {"who": "HH UW1"}

VOCABULARY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        word: tuple(phones.split())
        for words in (
            _DETERMINERS, _COUNTS, _ADJECTIVES, _CREATURES, _VERBS, _THINGS, _MANY_THINGS, _PLACES,
            _ADVERBS, _QUESTIONS,
        )
        for word, phones in words.items()
    }
)  # fmt: skip
"""Word in lower case -> its ARPAbet phones, with stress."""

_MOST_REPEATED = 10_000
"""Repeated draws in a row after which the grammar counts as exhausted."""


class DemoVoiceError(PonytacoError):
    """Failure of the demo voice; the message tells why and what to do next."""


def sentences(n: int, seed: int, exclude: Collection[str] = ()) -> list[str]:
    """Draw distinct sentences of four to eight words of the vocabulary.

    Args:
        n: number of sentences.
        seed: the same seed gives the same sentences.
        exclude: sentences not to draw, such as those that a voice was trained on.

    Returns:
        Capitalised sentences with commas and a full stop or a question mark.

    Raises:
        DemoVoiceError: if the grammar does not have that many sentences.
    """
    rng = random.Random(seed)
    drawn: list[str] = []
    seen = set(exclude)
    repeated_in_a_row = 0
    while len(drawn) < n:
        sentence = _sentence(rng)
        if sentence not in seen:
            seen.add(sentence)
            drawn.append(sentence)
            repeated_in_a_row = 0
            continue
        repeated_in_a_row += 1
        if repeated_in_a_row == _MOST_REPEATED:
            raise DemoVoiceError(
                f"The demo's small grammar does not have {n} different sentences. Ask for fewer."
            )
    return drawn


def spoken_words(sentence: str) -> list[str]:
    """Split a sentence of `sentences` into words in lower case, without punctuation."""
    return [word.strip(",.?") for word in sentence.lower().split()]


def _sentence(rng: random.Random) -> str:
    forms = (_deed, _deed_in_time, _question, _question_of_place)
    (form,) = rng.choices(forms, weights=(4, 3, 2, 1))
    sentence = form(rng)
    return sentence[0].upper() + sentence[1:]


def _deed(rng: random.Random) -> str:
    which = rng.choice(("who", "what", "neither"))
    who = _who(rng, adjective=which == "who")
    return f"{who} {_pick(rng, _VERBS)} {_what(rng, adjective=which == 'what')}."


def _deed_in_time(rng: random.Random) -> str:
    return f"{_pick(rng, _ADVERBS)}, {_who(rng)} {_pick(rng, _VERBS)} {_what(rng)}."


def _question(rng: random.Random) -> str:
    time = f" {_pick(rng, _ADVERBS)}" if rng.random() < 0.5 else ""
    what = _what(rng, adjective=rng.random() < 0.5)
    return f"{_pick(rng, _QUESTIONS)} {_pick(rng, _VERBS)} {what}{time}?"


def _question_of_place(rng: random.Random) -> str:
    place = f"{_pick(rng, _PLACES)} {_pick(rng, _DETERMINERS)} {_pick(rng, _THINGS)}"
    return f"{_pick(rng, _QUESTIONS)} {_pick(rng, _VERBS)} {_what(rng)}, {place}?"


def _who(rng: random.Random, adjective: bool = False) -> str:
    return _phrase(rng, _pick(rng, _DETERMINERS), adjective, _pick(rng, _CREATURES))


def _what(rng: random.Random, adjective: bool = False) -> str:
    if rng.random() < 0.3:
        return _phrase(rng, _pick(rng, _COUNTS), adjective, _pick(rng, _MANY_THINGS))
    return _phrase(rng, _pick(rng, _DETERMINERS), adjective, _pick(rng, _THINGS))


def _pick(rng: random.Random, words: Mapping[str, str]) -> str:
    return rng.choice(list(words))


def _phrase(rng: random.Random, determiner: str, adjective: bool, noun: str) -> str:
    middle = f" {_pick(rng, _ADJECTIVES)} " if adjective else " "
    return determiner + middle + noun
