"""Styles by name: ``[happy] Hello!`` is spoken with the sign that stands for Happy."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Sequence

from ponytaco.text.errors import TextError
from ponytaco.text.symbols import STYLE_SIGNS

NO_STYLE = "Neutral"
"""The name that ends a style; it has no sign."""

_BRACKETS = re.compile(r"\[([^\[\]\n]{1,60})\]")
# Likeness from which a name is a slip of a style's; '[door]' is not one of 'Bored'.
_ALIKE = 0.8


class StyleError(TextError):
    """A style does not exist."""


def find_style(name: str, known: Sequence[str] | None = None) -> str:
    """Return a style's proper name.

    Args:
        name: in any case, '_' or '-' for spaces.
        known: the styles that the voice knows; None where there is no voice yet.

    Raises:
        StyleError: the style does not exist.
    """
    style = match_style(name)
    if style is None:
        hint = "" if known is not None and not known else _hint(name)
        raise StyleError(f"There is no style '{name}'.{hint} {known_styles(known)}")
    return style


def match_style(name: str) -> str | None:
    """Return a style's proper name, as ``find_style``; None where it does not exist."""
    return {_plain(style): style for style in (NO_STYLE, *STYLE_SIGNS)}.get(_plain(name))


def name_style(text: str) -> str:
    """Write the sign before a clip's text as the style's name: ``☻Hello`` is ``[Happy] Hello``."""
    style = next((style for style, sign in STYLE_SIGNS.items() if text.startswith(sign)), "")
    return f"[{style}] {text[len(STYLE_SIGNS[style]) :]}" if style else text


def known_styles(known: Sequence[str] | None) -> str:
    """List in a sentence the styles that a voice knows; None where there is no voice yet."""
    if known is None:
        return (
            "Styles are words such as happy, sad or whispering; a voice knows those that its clips "
            "were prepared with."
        )
    if not known:
        return "This voice knows no styles: its clips were prepared without style signs."
    return f"This voice knows: {', '.join([*known, NO_STYLE])}."


def split_styles(
    text: str, style: str = NO_STYLE, known: Sequence[str] | None = None
) -> tuple[list[tuple[str, str]], list[str]]:
    """Cut a text where its style changes.

    A style holds until the next one; ``[neutral]`` ends it.

    Args:
        text: with style names in brackets.
        style: the style at its beginning.
        known: as in ``find_style``.

    Returns:
        (style, text) of each stretch, in order, the last text possibly empty; and the contents of
        other brackets, which stay in the text.

    Raises:
        StyleError: a name in brackets looks like a misspelt style.
    """
    stretches: list[tuple[str, str]] = []
    others: list[str] = []
    stretch = ""
    end = 0
    for brackets in _BRACKETS.finditer(text):
        stretch += text[end : brackets.start()]
        end = brackets.end()
        named = match_style(brackets[1])
        if named is not None:
            stretches.append((style, stretch))
            style, stretch = named, ""
            continue
        if _hint(brackets[1]):
            find_style(brackets[1], known)
        others.append(brackets[1])
        stretch += brackets[0]
    stretches.append((style, stretch + text[end:]))
    return [*_spoken(stretches[:-1]), stretches[-1]], others


def _spoken(stretches: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return (part for part in stretches if any(character.isalnum() for character in part[1]))


@functools.lru_cache(1000)
def _hint(name: str) -> str:
    names = {_plain(style): style for style in (NO_STYLE, *STYLE_SIGNS)}
    close = difflib.get_close_matches(_plain(name), names, n=1, cutoff=_ALIKE)
    return f" Did you mean {names[close[0]]}?" if close else ""


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip())).casefold()
