"""Texts of recordings, read or refused by name."""

from __future__ import annotations

import re
from pathlib import Path

from data_prep.labels import LONGEST_TEXT
from data_prep.layouts.found import RecordingsError
from data_prep.transcripts import clean_text, is_speakable
from ponytaco.io.text_files import read_text

LARGEST_TEXT_BYTES = 64 * 2**20
"""Limit of a table or a text; LJSpeech's table of 24 hours has 3 MB."""

_MANGLED = re.compile("[ÂÃâð][^\x00-\x7f]")

# The start of a text -> what it is instead.
_OTHER_KINDS = (
    (r"\{\\rtf", "an RTF document. Save it as plain text"),
    (r"<(!doctype|html|\?xml|tt |smil|sami)", "a page or XML. Save it as plain text"),
    (r"\[script info\]", "a file of subtitles (ASS). Save them as SRT"),
    (r'file type = "ootextfile|"?ootextfile', "a TextGrid of Praat. Save its text alone"),
    (r"(\[[a-z]+:.*\]\s*)*\[\d+:\d\d(\.\d+)?\]", "a file of lyrics (LRC). Save its text alone"),
    (r"[\[{]\s*[\[{\"]", "JSON. Save its text alone"),
    (r"%PDF|PK\x03\x04", "a document. Save it as plain text"),
)


def read_any_text(path: Path) -> str:
    """Read a text in UTF-8 or, failing that, in the encoding of older Windows editors.

    Raises:
        RecordingsError: if it is no text, or one in another encoding.
    """
    return _unmangled(read_text(path, RecordingsError, LARGEST_TEXT_BYTES, fallback="cp1252"))


def _unmangled(text: str) -> str:
    """Undo that a program took UTF-8 for cp1252 and saved the result: `CafÃ©` is `Café`."""
    if not _MANGLED.search(text):
        return text
    try:
        content = b"".join(
            char.encode("latin-1") if "\x80" <= char <= "\x9f" else char.encode("cp1252")
            for char in text
        )
        return content.decode("utf-8")
    except UnicodeError:
        return text


_TIME_STAMP = re.compile(r"\W*\d{1,2}:\d\d(:\d\d)?([.,]\d+)?\W*(\s|$)")


def _has_time_stamps(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    stamped = sum(_TIME_STAMP.match(line) is not None for line in lines)
    return stamped > 1 and stamped >= len(lines) / 2


def check_text(text: str) -> str:
    """Return why a text cannot be that of a clip, as a clause; '' if it can."""
    for start, kind in _OTHER_KINDS:
        if re.match(start, text.lstrip(), re.IGNORECASE):
            return f"its text is {kind}"
    if _has_time_stamps(text):
        return "its text has time stamps. Save the text alone, or labels as Audacity exports them"
    if len(text) > LONGEST_TEXT:
        return f"the text has {len(text):,} characters, more than {LONGEST_TEXT:,}"
    if "\ufffd" in text:
        return "its text has characters (\ufffd) that a program before could not read"
    cleaned = clean_text(text)[0]
    if not cleaned:
        return "its text is empty"
    return "" if is_speakable(cleaned) else f"its text “{cleaned[:40]}” has no letter or digit"


def without_name(text: str, stem: str) -> str:
    """Remove a clip's own name from the start of its text: `id|text|text`, or `id text`."""
    cells = [cell.strip() for cell in text.split("|")]
    if len(cells) in (2, 3) and cells[0].casefold() == stem.casefold():
        return next(cell for cell in (*reversed(cells[1:]), text) if cell)
    # A name with `_` or digits is no word that someone says, but a short number may be.
    if re.search(r"[\d_]", stem) and not re.fullmatch(r"[1-9]\d{0,3}", stem):
        found = re.match(re.escape(stem) + r"[\s:,;|]+(?=\S)", text, re.IGNORECASE)
        if found:
            return text[found.end() :]
    return text
