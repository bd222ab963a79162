"""Names of files that every system accepts, made of any text."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

_LONGEST_READ = 1000
# Windows takes these for devices, whatever follows a dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(?= *(\.|$))", re.IGNORECASE)


def safe_name(
    text: str,
    taken: set[str] | None = None,
    *,
    any_letters: bool = False,
    most_bytes: int = 100,
    otherwise: str = "unnamed",
) -> str:
    """Make a name for a file or a folder of any text; one that is such a name stays as it is.

    Args:
        text: a clip's ref, a character, a voice, ….
        taken: the names given so far, in small letters; the new one is added, and differs from
            them by more than its case.
        any_letters: keep letters of all scripts, spaces, apostrophes and parentheses, as in
            names for people; else only A-Z, a-z, 0-9, `_`, `.` and `-`.
        most_bytes: limit of its length in UTF-8; file systems allow 255 with the suffix.
        otherwise: the name where nothing is left of the text.

    Returns:
        A name without suffix that is empty on no system, begins with no dot or hyphen, and ends
        with no dot or space.
    """
    # Composed letters, for macOS decomposes them; and a superscript digit is one for Windows.
    composed = unicodedata.normalize("NFKC", text[:_LONGEST_READ])
    kept = "".join(char if _is_kept(char, any_letters) else "_" for char in composed)
    base = _fitted(kept, most_bytes) or otherwise
    if taken is None:
        return base
    name, count = base, 1
    while name.casefold() in taken:
        count += 1
        name = f"{_fitted(base, most_bytes - 8)}-{count}"
    taken.add(name.casefold())
    return name


def as_argument(path: Path | str) -> str:
    """Write a path for a command line, where one that begins with a hyphen would be an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _is_kept(char: str, any_letters: bool) -> bool:
    if char.isascii() or not any_letters:
        return char.isascii() and (char.isalnum() or char in ("_.- '()" if any_letters else "_.-"))
    return unicodedata.category(char)[0] in "LMN"


def _fitted(name: str, most_bytes: int) -> str:
    name = re.sub(r"^[ .\-]+", "", name)
    name = _DEVICE.sub(r"\1_", name, count=1) if _DEVICE.match(name) else name
    return name.encode()[:most_bytes].decode(errors="ignore").rstrip(" .")
