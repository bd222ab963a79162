"""Values of a form's fields, as people type them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from ponytaco.formatting import shorten
from ponytaco.notebook.errors import NotebookError

_QUOTES = "\"'“”„‘’`"
_MOST_SHOWN = 40


def bare(value: Any) -> Any:
    """Return what a field means: without spaces and quotes around it; '' for an emptied one."""
    if value is None:
        return ""
    return (
        value.strip().strip(_QUOTES).strip().replace("\0", "") if isinstance(value, str) else value
    )


def whole_number(value: object) -> str:
    """Return a number without the signs that set off its thousands: '20,000' is 20000."""
    text = _plain(value)
    is_grouped = re.fullmatch(r"\d{1,3}([.,'’_\s])\d{3}(\1\d{3})*", text)
    return re.sub(r"\D", "", text) if is_grouped else text


def decimal(value: object) -> str:
    """Return a number with a decimal point: '0,001' is 0.001."""
    text = _plain(value)
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


def number(name: str, value: object, default: float) -> float:
    """Return a field's number, an int where the default is one; the default for an emptied field.

    Raises:
        NotebookError: it is no number.
    """
    text = decimal(value)
    if not text:
        return default
    try:
        found = float(text)
        return int(found) if isinstance(default, int) and found.is_integer() else found
    except ValueError:
        raise NotebookError(
            f"{name} cannot be '{shorten(text, _MOST_SHOWN)}': fill in a number."
        ) from None


def find_name(typed: str, names: Iterable[str]) -> str | None:
    """Return the name that a field means: the same, or the only one that differs in case alone."""
    known = list(names)
    if typed in known:
        return typed
    alike = [name for name in known if name.lower() == typed.lower()]
    return alike[0] if len(alike) == 1 else None


def _plain(value: object) -> str:
    """Return a number's text in ASCII, such as '-1' for a full-width one or a typeset minus."""
    return re.sub("[‐-―−]", "-", unicodedata.normalize("NFKC", str(bare(value))))
