"""Roman numerals: Chapter IV, World War II, Henry VIII."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import cardinal, ordinal

# fmt: off
_COUNTED = frozenset((
    "act", "age", "appendix", "apollo", "article", "book", "canto", "category", "chapter", "class",
    "division", "episode", "fantasy", "figure", "final", "game", "generation", "grade", "group",
    "item", "lesson", "level", "mark", "mk", "movement", "number", "opus", "page", "paragraph",
    "part", "phase", "plan", "psalm", "quest", "rank", "rocky", "round", "scene", "season",
    "section", "series", "stage", "step", "bowl", "table", "tier", "title", "tome", "type", "unit",
    "verse", "version", "volume", "war", "warcraft", "wars",
))
_RULERS = frozenset((
    "adolf", "albert", "alexander", "alfonso", "alfred", "andrew", "anne", "antiochus", "arthur",
    "augustus", "baldwin", "benedict", "boniface", "carl", "catherine", "celestia", "celestine",
    "charles", "christian", "claudius", "clement", "conrad", "constantine", "cyrus", "darius",
    "david", "edgar", "edmund", "edward", "elizabeth", "eric", "ferdinand", "francis", "frederick",
    "george", "gregory", "gustav", "harald", "harold", "henry", "innocent", "isabella", "ivan",
    "james", "jean", "john", "joseph", "juan", "julius", "karl", "leo", "leopold", "louis", "luis",
    "luna", "magnus", "margaret", "maria", "mary", "maximilian", "michael", "mohammed", "napoleon",
    "nicholas", "olaf", "oscar", "otto", "paul", "pedro", "peter", "philip", "pius", "ptolemy",
    "ramesses", "rameses", "ramses", "richard", "robert", "rudolf", "sigismund", "sixtus",
    "stephen", "theodore", "thomas", "thutmose", "tutankhamun", "umberto", "urban", "victor",
    "victoria", "walter", "wilhelm", "william", "xerxes",
))
# Sons are numbered, too, but "Jack I" is the end of one clause and the beginning of another.
_SONS = frozenset(("bob", "jack", "jim", "joe", "king", "mike", "queen", "sam", "tim", "tom",
                   "will"))
_TITLES = frozenset(("king", "queen", "pope", "emperor", "empress", "tsar", "czar", "kaiser",
                     "prince", "princess"))
# fmt: on
_NUMERAL = re.compile(
    r"(?<=[\w:] )(?P<numeral>[IVXLC]{1,7}|[ivx]{2,5})(?![\w&]|'(?!s\b)|-[A-Za-z]|\.\w)"
    r"|(?<![\w.'&-])(?P<alone>(?:X{0,3}(?:IX|VI{1,3}|I{2,3}|IV)|X{1,3}I{1,3})(?![\w&]|-[A-Za-z]|\.\w))"
)
# The marks of a list: "(ii) oats".
_LISTED = re.compile(r"(?<!\S)\((?P<numeral>i{1,3}|iv|vi{0,3}|ix)\)(?= )")
_VALID = re.compile(r"(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})|C{1,3}", re.I)
_WORDS_BEFORE = re.compile(r"(?:(?P<title>[\w']{1,20}) )?(?P<head>[\w']{1,20}):? $")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def read_roman(text: str) -> str:
    """Write Roman numerals in words: as ranks after the names of rulers, else as quantities."""
    text = _LISTED.sub(lambda match: f"({cardinal(_value(match['numeral']))})", text)
    return _NUMERAL.sub(_read, text)


def _read(match: re.Match[str]) -> str:
    numeral = match["numeral"] or match["alone"]
    before = _WORDS_BEFORE.search(match.string[max(0, match.start() - 44) : match.start()])
    head, title = (before["head"], (before["title"] or "").lower()) if before else ("", "")
    if _VALID.fullmatch(numeral):
        if _is_counted(head, numeral):
            return cardinal(_value(numeral))
        if _is_rank(head, title, numeral, match.string[match.end() : match.end() + 2]):
            return f"the {ordinal(_value(numeral))}"
        if match["alone"] or (len(numeral) > 1 and _is_small(numeral)):
            return cardinal(_value(numeral))
    return match[0]


def _is_counted(head: str, numeral: str) -> bool:
    # "In part I agree" is no part one; C and L are letters: "Plan C".
    is_named = head.lower() in _COUNTED or head.lower().removesuffix("s") in _COUNTED
    return is_named and numeral not in ("L", "C") and (numeral != "I" or head[0].isupper())


def _is_rank(head: str, title: str, numeral: str, after: str) -> bool:
    name = head.lower()
    if not head[:1].isupper() or not numeral.isupper() or numeral in ("L", "C", "X"):
        return False
    if numeral in ("I", "V"):
        # "Mary I love you": only a queen is "the first" where a verb may follow.
        is_clear = title in _TITLES or not re.match(r" [a-z]", after)
        return name in _RULERS and is_clear
    return name in _RULERS or name in _SONS


def _is_small(numeral: str) -> bool:
    """Return whether it can only be a numeral: "XX" are kisses, and "CC" is a copy."""
    return bool(re.fullmatch(r"X{0,3}(?:IX|VI{1,3}|I{2,3}|IV)|X{1,3}I{1,3}", numeral))


def _value(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral.upper()]
    after = [*values[1:], 0]
    return sum(-v if v < next_ else v for v, next_ in zip(values, after, strict=True))
