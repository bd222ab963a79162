"""What is typed around words: tags, entities, emphasis, hashtags, marks without their spaces."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]{0,20}(?:\s[^<>]{0,200})?/?>")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_HASHTAG = re.compile(r"(?<![\w&])#(?=[A-Za-z])")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TAG_WORD = re.compile(r"(?<![\w&])#(?P<word>[A-Za-z]\w{0,60})")
_SHARP = re.compile(r"\b(?P<letter>[CFGDA])#(?!\w)")
# "Hello.How are you?Fine": a mark of a sentence's end between words.
_GLUED_DOT = re.compile(r"(?<=[a-z]{2})(?P<marks>\.{1,3}[\"')]?)(?=[A-Z][A-Za-z']*(?:\W|$))")
_GLUED_DOTS = re.compile(
    r"(?<=\w)(?P<marks>\.{2,5})(?=[A-Za-z])|(?<=[0-9])(?P<item>\.)(?=[A-Z][a-z])"
)
_GLUED_MARK = re.compile(r"(?<=\w)(?P<marks>[!?]+)(?=\w)")
# A comma is glued only to words, "1,000".
_GLUED_COMMA = re.compile(r"(?<=[a-z])(?P<marks>[,;])(?=[A-Za-z])")
_UNSPOKEN_IN_WORD = re.compile(r"(?<=\w)(?P<signs>[\"*~|<>\[\]\\^`#]{1,20})(?=\w)")


def read_markup(text: str) -> str:
    """Remove tags, resolve entities, and put the spaces between words that were left out."""
    if "&" in text:
        text = _ENTITY.sub(_read_entity, text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "#" in text:
        text = _SHARP.sub(lambda match: f"{match['letter']} sharp", text)
        text = _TAG_WORD.sub(lambda m: "hashtag " + _CAMEL.sub(" ", m["word"]), text)
    return text


def part_sentences(text: str) -> str:
    """Add the space that is missing after the mark of a sentence's or a clause's end."""
    text = _GLUED_DOT.sub(r"\g<marks> ", text)
    text = _GLUED_DOTS.sub(r"\g<0> ", text)
    text = _GLUED_MARK.sub(r"\g<marks> ", text)
    return _GLUED_COMMA.sub(r"\g<marks> ", text)


def part_words(text: str) -> str:
    """Add a space where a sign that no voice speaks stands between two words."""
    return _UNSPOKEN_IN_WORD.sub(r"\g<signs> ", text)


def _read_entity(match: re.Match[str]) -> str:
    character = html.unescape(match[0])
    return " " if character == "\xa0" else character
