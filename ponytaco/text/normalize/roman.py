"""Roman numerals: Chapter IV, World War II, Henry VIII."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import cardinal, ordinal

# fmt: off
_COUNTED = (
    "act|age|appendix|apollo|article|book|canto|category|chapter|class|division|episode|fantasy"
    "|figure|final|game|generation|grade|group|item|lesson|level|mark|mk|movement|number|opus|page"
    "|paragraph|part|phase|plan|psalm|quest|rank|rocky|round|scene|season|section|series|stage|step"
    "|super bowl|table|tier|title|tome|type|unit|verse|version|volume|war|warcraft|wars|world war"
)
_RULERS = (
    "adolf|albert|alexander|alfonso|alfred|andrew|anne|antiochus|arthur|augustus|baldwin|benedict"
    "|boniface|bob|carl|catherine|celestine|charles|christian|claudius|clement|conrad|constantine"
    "|cyrus|darius|david|edgar|edmund|edward|elizabeth|eric|ferdinand|francis|frederick|george"
    "|gregory|gustav|harald|harold|henry|innocent|isabella|ivan|jack|james|jean|jim|joe|john|joseph"
    "|juan|julius|karl|king|leo|leopold|louis|luis|luna|celestia|magnus|margaret|maria|mary"
    "|maximilian|michael|mike|mohammed|napoleon|nicholas|olaf|oscar|otto|paul|pedro|peter|philip"
    "|pius|ptolemy|queen|ramesses|rameses|ramses|richard|robert|rudolf|sam|sigismund|sixtus"
    "|stephen|theodore|thomas|thutmose|tim|tom|tutankhamun|umberto|urban|victor|victoria|walter"
    "|wilhelm|will|william|xerxes"
)
# fmt: on
_NUMERAL = r"(?P<numeral>X{0,3}(?:IX|IV|V?I{0,3})|[LC]{0,3}X{0,3}(?:IX|IV|V?I{0,3}))(?<=[IVXLC])"
_AFTER_NAME = r"(?![\w'.-]|\.\w)|(?=\.(?!\w))|(?='s\b)"
_CHAPTER = re.compile(
    rf"\b(?P<head>(?i:{_COUNTED}))(?P<s>s?)(?P<gap>:? ){_NUMERAL}(?![\w&]|'(?!s\b)|-[A-Za-z])"
)
_LOWER_CHAPTER = re.compile(
    r"\b(?P<head>(?i:act|book|chapter|part|scene|section|volume)) (?P<numeral>[ivx]{2,5})(?![\w'])"
)
_RULER = re.compile(
    rf"\b(?P<head>(?:{_RULERS}))(?P<gap> ){_NUMERAL}(?![\w&]|'(?!s\b)|-[A-Za-z])", re.I
)
_MORE = re.compile(
    r"(?<![\w.'&-])(?P<numeral>X{0,2}(?:IX|VI{1,3}|I{2,3}|IV)|XI{1,3})(?![\w&]|-[A-Za-z]|\.\w)"
)
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_TITLE_BEFORE = re.compile(r"\b(?:King|Queen|Pope|Emperor|Empress|Tsar|Czar|Kaiser|Prince|Princess)"
                           r"(?: \w{1,20})? $")  # fmt: skip


def read_roman(text: str) -> str:
    """Write Roman numerals in words: as ranks after the names of rulers, else as quantities."""
    text = _CHAPTER.sub(_read_chapter, text)
    text = _LOWER_CHAPTER.sub(
        lambda m: f"{m['head']} {cardinal(_value(m['numeral'].upper()))}", text
    )
    text = _RULER.sub(_read_ruler, text)
    return _MORE.sub(lambda match: cardinal(_value(match["numeral"])), text)


def _value(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral]
    after = [*values[1:], 0]
    return sum(-v if v < next_ else v for v, next_ in zip(values, after, strict=True))


def _read_chapter(match: re.Match[str]) -> str:
    numeral = match["numeral"]
    is_capital = match["head"][0].isupper()
    # "In part I agree" is no part one; C and L are letters: "Plan C".
    if (numeral == "I" and not is_capital) or numeral in ("L", "C"):
        return match[0]
    return f"{match['head']}{match['s']}{match['gap']}{cardinal(_value(numeral))}"


def _read_ruler(match: re.Match[str]) -> str:
    head, numeral = match["head"], match["numeral"]
    if not numeral.isupper() or not head[0].isupper() or numeral in ("L", "C", "X"):
        return match[0]
    before = match.string[max(0, match.start() - 30) : match.start()]
    after = match.string[match.end() : match.end() + 2]
    # "Sam and I", "Mary I love you": only a queen is "the first" where a verb may follow.
    is_ruler = _TITLE_BEFORE.search(before) or not re.match(r" [a-z]", after)
    if numeral in ("I", "V") and not (is_ruler and head.lower() not in _COMMON):
        return match[0]
    return f"{head}{match['gap']}the {ordinal(_value(numeral))}"


_COMMON = frozenset(("sam", "tim", "tom", "jim", "joe", "bob", "mike", "jack", "will", "king",
                     "queen"))  # fmt: skip
