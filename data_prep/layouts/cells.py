"""Rows and cells of a table's text, whatever parts them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from data_prep.layouts.columns import header_roles

_SEPARATORS = (("|", False), ("|", True), ("\t", False), ("\t", True), (";", True), (",", True))
"""Characters between cells, and whether cells may stand in quotation marks, likelier ones first."""

_TRIED = 200
"""Rows from which the separator is judged."""


@dataclass(frozen=True)
class Row:
    """Row of a table."""

    number: int
    """Of its line, from 1."""

    cells: tuple[str, ...]
    """As they stand, with the spaces around them."""

    problem: str = ""
    """Why it cannot be read; a clause."""


@dataclass(frozen=True)
class Cells:
    """Table as rows of cells."""

    separator: str
    rows: list[Row]
    names: tuple[str, ...] = ()
    """Names of the columns, of a jsonl file."""


def split_table(content: str, is_sound: Callable[[str], bool]) -> Cells | None:
    """Split a table by the separator with which most of its rows name a sound.

    Args:
        content: text of the file.
        is_sound: whether a cell names a sound that is there.

    Returns:
        The rows; None if no row names one, whatever the separator.
    """
    lines = re.split(r"\r\n?|\n", content)
    if content.lstrip().startswith(("{", "[")):
        entries = _read_json(content, lines)
        return _from_entries(entries) if entries else None
    best, most = None, 0
    for separator, quoted in _SEPARATORS:
        if separator not in content:
            continue
        rows = list(_rows(lines[:_TRIED], separator, quoted, is_sound))
        named = sum(any(is_sound(cell) for cell in r.cells) for r in rows if len(r.cells) > 1)
        evident = quoted and named == most and best == (separator, False) and _is_quoted(lines)
        if named > most or (evident and named):
            best, most = (separator, quoted), named
    if best is None:
        return _split_at_spaces(lines, is_sound)
    return Cells(best[0], list(_rows(lines, *best, is_sound)))


def _is_quoted(lines: list[str]) -> bool:
    """Whether cells in quotation marks have these doubled inside, as programs write them."""
    return any(re.search(r'(^|[|\t])"[^"]*""[^"]', line) for line in lines[:_TRIED])


def _rows(
    lines: list[str], separator: str, quoted: bool, is_sound: Callable[[str], bool]
) -> Iterator[Row]:
    place = 0
    while place < len(lines):
        number, line = place + 1, lines[place]
        place += 1
        if not line.strip():
            continue
        if not quoted:
            yield Row(number, tuple(line.split(separator)))
            continue
        cells, is_open = split_line(line, separator)
        if len(cells) == 1 and not is_open and separator in cells[0]:
            cells, is_open = split_line(cells[0], separator)  # Excel quotes lines with `|` whole
        if not is_open:
            yield Row(number, tuple(cells))
            continue
        end = _end_of_cell(lines, place, separator, is_sound)
        reason = "its text has line breaks" if end > place else "a quotation mark is never closed"
        yield Row(number, tuple(cells), f"{reason}. Write the text on one line and close its marks")
        place = end


def _end_of_cell(
    lines: list[str], place: int, separator: str, is_sound: Callable[[str], bool]
) -> int:
    """Return the line after that with the closing mark, or the same if a row comes before it."""
    for end in range(place, len(lines)):
        cells, _ = split_line(lines[end], separator)
        if len(cells) > 1 and any(is_sound(cell) for cell in cells):
            return place
        if lines[end].count('"') % 2:
            return end + 1
    return place


def split_line(line: str, separator: str) -> tuple[list[str], bool]:
    """Split a line into cells, which may stand in quotation marks; these are doubled inside.

    Returns:
        The cells, and whether a mark is open at the end.
    """
    cells, place = [], 0
    quoted = re.compile(r'[ ]*"((?:[^"]|"")*)("?)([^' + re.escape(separator) + "]*)")
    while True:
        match = quoted.match(line, place)
        if match:
            cells.append(match[1].replace('""', '"') + match[3])
            if not match[2]:
                return cells, True
            end = match.end()
        else:
            end = line.find(separator, place)
            end = len(line) if end < 0 else end
            cells.append(line[place:end])
        if end >= len(line):
            return cells, False
        place = end + 1


def _split_at_spaces(lines: list[str], is_sound: Callable[[str], bool]) -> Cells | None:
    """Split lists of `name text`, as Kaldi's, where every line begins with another sound."""
    rows = [
        Row(number, tuple(line.strip().split(None, 1)))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    names = {row.cells[0] for row in rows if len(row.cells) == 2 and is_sound(row.cells[0])}
    return Cells(" ", rows) if len(rows) > 1 and len(names) == len(rows) else None


def _read_json(content: str, lines: list[str]) -> list[tuple[int, dict]]:
    """Read objects with their numbers: one a line, a list of them, or texts by name."""
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, list):
        return [(n, e if isinstance(e, dict) else {}) for n, e in enumerate(whole, start=1)]
    if isinstance(whole, dict) and len(whole) > 1 and _are_texts_by_name(whole):
        return [
            (n, {"file": name} | (entry if isinstance(entry, dict) else {"text": entry}))
            for n, (name, entry) in enumerate(whole.items(), start=1)
        ]
    entries: list[tuple[int, dict]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        entries.append((number, entry if isinstance(entry, dict) else {}))
    return entries


def _are_texts_by_name(whole: dict) -> bool:
    values = list(whole.values())
    are_texts = all(isinstance(value, str) for value in values)
    return (are_texts and not header_roles(list(whole))) or all(
        isinstance(value, dict) for value in values
    )


def _from_entries(entries: list[tuple[int, dict]]) -> Cells | None:
    names = tuple(dict.fromkeys(name for _, entry in entries for name in entry))
    rows = [
        Row(
            number,
            tuple(_as_text(entry.get(name)) for name in names),
            "" if entry else "is not a JSON object",
        )
        for number, entry in entries
    ]
    return Cells("JSON", rows, names) if names else None


def _as_text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
