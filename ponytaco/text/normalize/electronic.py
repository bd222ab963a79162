"""Mail and web addresses: twilight@ponyville.com -> twilight at ponyville dot com."""

from __future__ import annotations

import re

from ponytaco.text.normalize.words import digit_by_digit, letters, set_apart

# Endings that are no words, so that a full stop without a space is not taken for an address's.
_DOMAINS = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|tv|fm|gg|app|dev|xyz|abc|co|uk|de|fr|es|nl|eu|ru|jp"
    "|ca|au|br|pl|ch|se|dk|fi|cz|kr|cn|tw|nz|ie|sm|html?|pdf|txt|mp3|mp4|wav|png|jpe?g|gif|zip|exe"
    "|py|js|json|csv|docx?"
)
_PATH = r"(?:[/?#][\w./?#&=%~+:@-]{0,500})?"
_ADDRESS = re.compile(
    r"(?<![\w.@-])(?:"
    rf"(?:https?|ftp|file)://[^\s<>\"'()]{{1,800}}"
    rf"|www\.[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,6}}{_PATH}"
    rf"|[\w+-]{{1,64}}(?:\.[\w+-]{{1,64}}){{0,4}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,6}}{_PATH}"
    rf"|[A-Za-z0-9][\w-]{{0,62}}(?:\.[a-z0-9][\w-]{{0,62}}){{0,4}}\.(?:{_DOMAINS})\b(?![\w-]){_PATH}"
    r")",
)
_DOT = re.compile(r"[.@][\w-]|://")
_END_MARKS = re.compile(r"[.,;:!?\"')\]]+$")
_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|.", re.DOTALL)
_SIGNS = {
    ".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", ":": "colon",
    "?": "question mark", "=": "equals", "&": "and", "#": "hash", "%": "percent", "+": "plus",
    "~": "tilde",
}  # fmt: skip
_WORDS = frozenset(("com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "app", "dev",
                    "zip", "wav", "gif"))  # fmt: skip
_SPELLED = frozenset(("www", "http", "https", "ftp", "html", "io", "ai", "tv", "abc", "exe", "mp"))
_VOWELS = frozenset("aeiouyAEIOUY")


def read_addresses_online(text: str) -> str:
    """Write mail and web addresses as they are dictated."""
    if not _DOT.search(text):
        return text
    return _ADDRESS.sub(_read_address, text)


def _read_address(match: re.Match[str]) -> str:
    address = match[0]
    end = _END_MARKS.search(address)
    marks = end[0] if end else ""
    body = address[: end.start()] if end else address
    after_at = body.rpartition("@")[2].partition("://")[2] or body.rpartition("@")[2]
    domain_end = body.find("/", body.find(after_at))
    ending = body[: domain_end if domain_end >= 0 else None].rpartition(".")[2]
    words = [_piece(piece, ending) for piece in _PIECE.findall(body)]
    return set_apart(match, " ".join(word for word in words if word) + marks)


def _piece(piece: str, ending: str) -> str:
    if piece.isdecimal():
        return digit_by_digit(piece)
    if not piece[0].isalpha():
        return _SIGNS.get(piece, "")
    lower = piece.lower()
    is_ending = piece == ending and (len(piece) < 3 or lower not in _WORDS) and len(piece) <= 3
    is_consonants = len(piece) > 1 and not _VOWELS & set(piece)
    if lower in _SPELLED or is_ending or is_consonants:
        return letters(piece)
    return lower
