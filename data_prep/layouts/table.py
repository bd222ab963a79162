"""Tables of names and texts, as other programs write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.layouts.cells import Cells, Row, split_table
from data_prep.layouts.columns import (
    DoubtError,
    Roles,
    header_roles,
    roles_by_content,
    roles_by_header,
)
from data_prep.layouts.files import Files, SoundIndex, read_head
from data_prep.layouts.found import Found, LeftOut, Recording, RecordingsError
from data_prep.layouts.label_files import is_label_file
from data_prep.layouts.texts import check_text, read_any_text
from data_prep.vocabulary import full_name, noise_level, split_tags
from ponytaco.formatting import and_more, shorten
from ponytaco.io.strangers import LINK_OUTSIDE

SUFFIXES = frozenset(
    {".csv", ".tsv", ".psv", ".txt", ".list", ".lst", ".jsonl", ".json", ".tab", ".filelist"}
)

_SPREADSHEETS = frozenset({".xlsx", ".xls", ".ods", ".numbers", ".parquet", ".arrow"})

_KALDI = frozenset({"text", "transcripts"})
"""Names of lists without a suffix."""

_SEPARATOR_NAMES = {
    "\t": "tabs",
    " ": "spaces",
    ";": "semicolons",
    ",": "commas",
    "|": "|",
    "JSON": "JSON",
}

_MOST_UNEVEN = 0.4
"""Share of rows with another number of cells up to which the others tell the columns."""


@dataclass
class Table:
    """Table that names sounds of the folder."""

    path: Path
    cells: Cells
    index: SoundIndex
    roles: Roles
    width: int
    has_header: bool

    @property
    def rows(self) -> list[Row]:
        """Rows without the header."""
        return self.cells.rows[self.has_header and not self.cells.names :]


def find_tables(files: Files) -> tuple[list[Table], list[LeftOut]]:
    """Find the tables that name sounds, and read their columns.

    Returns:
        The tables, and spreadsheets or tables that name none of the sounds.

    Raises:
        RecordingsError: if the roles of a table's columns are in doubt.
    """
    tables, left_out = [], []
    indices: dict[Path, SoundIndex] = {}
    for path in files.outside:
        if path.suffix.casefold() in SUFFIXES - {".txt"}:
            raise RecordingsError(f"{path} {LINK_OUTSIDE}. Put the file itself there.")
    has_sound = {sound.with_suffix("") for sound in files.sounds}
    for path in files.others:
        suffix = path.suffix.casefold()
        if suffix in _SPREADSHEETS:
            reason = "is not read. Save it as a table of text: CSV in UTF-8"
            left_out.append(LeftOut(path.name, reason))
        if path.name.casefold() in _KALDI:
            suffix = ".txt"
        if suffix not in SUFFIXES or (suffix == ".txt" and path.with_suffix("") in has_sound):
            continue
        if suffix == ".txt" and not _looks_like_table(path):
            continue
        if suffix == ".json" and b'"labels"' in read_head(path, 4096):
            continue  # PonySorter's
        index = indices.setdefault(path.parent, SoundIndex(files, path.parent))
        table = _read_table(path, index)
        if table is not None:
            tables.append(table)
        elif suffix not in (".txt", ".json"):  # texts are named where they are looked at as such
            left_out.append(LeftOut(path.name, _names_nothing(path)))
    return tables, left_out


def _looks_like_table(path: Path) -> bool:
    head = read_head(path, 4096)
    return b"\n" in head.strip() or any(sign in head for sign in (b"|", b"\t", b";"))


def _names_nothing(path: Path) -> str:
    line = shorten(next(iter(read_any_text(path).strip().splitlines()), "").strip(), 80)
    return f"names none of the sounds beside it, so it is not read; it begins: {line}"


def _read_table(path: Path, index: SoundIndex) -> Table | None:
    content = read_any_text(path)
    if not index.count or is_label_file(content):
        return None
    known: dict[str, bool] = {}

    def is_sound(cell: str) -> bool:
        cell = cell.strip()
        if cell not in known:
            known[cell] = bool(cell) and (index.find(cell) is not None)
        return known[cell]

    cells = split_table(content, is_sound)
    if cells is None or not any(is_sound(cell) for row in cells.rows for cell in row.cells):
        return None
    first = cells.names or cells.rows[0].cells
    named = {} if not cells.names and any(map(is_sound, first)) else header_roles(first)
    rows = cells.rows if cells.names or not named else cells.rows[1:]
    good = [row for row in rows if not row.problem]
    try:
        if named:
            return Table(
                path, cells, index,
                roles_by_header(named, [row.cells for row in good], is_sound), len(first), True,
            )  # fmt: skip
        width = _width(good, cells.separator)
        even = [[cell.strip() for cell in r.cells] for r in good if len(r.cells) == width]
        if not even:  # texts with commas, without quotation marks
            even = [_joined(row.cells, width, 1, cells.separator) for row in good]
        roles = roles_by_content(even, is_sound, cells.separator == "|")
    except DoubtError as error:
        raise RecordingsError(_in_doubt(path, rows, str(error))) from None
    return Table(path, cells, index, roles, width, False)


def _width(rows: Sequence[Row], separator: str) -> int:
    """Return the number of columns of most rows.

    Raises:
        DoubtError: if the rows have no such number.
    """
    counts = Counter(len(row.cells) for row in rows)
    width, most = counts.most_common(1)[0]
    if separator == ",":
        # A comma within a text is followed by a space, and one between cells is not.
        spaced = sum(c.startswith(" ") for row in rows for c in row.cells[2:])
        if spaced > sum(len(row.cells) - 2 for row in rows) / 2 or 2 in counts:
            return 2
    if most < (1 - _MOST_UNEVEN) * len(rows) and min(counts) != width:
        raise DoubtError(f"its rows have {and_more(sorted(map(str, counts)), 5)} cells")
    return width


def _in_doubt(path: Path, rows: Sequence[Row], why: str) -> str:
    shown = " and ".join(
        f"“{shorten(' | '.join(cell.strip() for cell in row.cells), 120)}”" for row in rows[:2]
    )
    return (
        f"{path}: it is not plain which column is what: {why}. Its first rows: {shown}. Write a "
        "header above them, such as file|text or file|text|speaker."
    )


def _joined(cells: Sequence[str], width: int, text: int, separator: str) -> list[str]:
    """Join the cells of a text that has commas of its own."""
    surplus = max(0, len(cells) - width)
    joined = separator.join(cells[text : text + surplus + 1])
    row = [*cells[:text], joined, *cells[text + surplus + 1 :]]
    return [cell.strip() for cell in row]


def read_tables(files: Files, tables: list[Table], unread: list[LeftOut]) -> Found:
    """Take the recordings that tables name.

    Raises:
        RecordingsError: if two tables give one sound different texts.
    """
    found = Found(_layout(tables), left_out=[*files.left_out, *unread])
    taken: dict[Path, tuple[str, Table]] = {}
    for table in tables:
        own: set[Path] = set()
        for row in table.rows:
            where = f"{table.path.name}, row {row.number}"
            recording, problem = _read_row(table, row)
            if recording is None:
                found.without_sound += problem.startswith("there is no audio file")
                found.left_out.append(LeftOut(where, problem))
                continue
            sound = recording.sound
            if sound in taken and taken[sound][1] is not table:
                _refuse_another_text(recording, *taken[sound], table)
            elif sound in own:
                name = row.cells[table.roles.sound].strip()
                found.left_out.append(LeftOut(where, f"{name} already has a text"))
            else:
                found.recordings.append(recording)
                own.add(sound)
                taken[sound] = recording.text, table
    _refuse_false_friends(tables, found)
    named = {s for t in tables for r in t.rows if (s := _sound_of(t, r)) is not None}
    names = and_more(sorted({table.path.name for table in tables}), 3)
    for sound in files.sounds:
        if sound not in named:
            found.without_text += 1
            found.left_out.append(LeftOut(sound.name, f"no row of {names} names it"))
    found.columns = _columns(tables[0])
    return found


def _layout(tables: Sequence[Table]) -> str:
    first = tables[0]
    header = "with a header" if first.has_header else "without a header"
    names = and_more([table.path.name for table in tables], 3)
    separator = _SEPARATOR_NAMES[first.cells.separator]
    kind = "a table" if len(tables) == 1 else "tables"
    return f"{kind}, {names}, {header}, cells parted by {separator}"


def _sound_of(table: Table, row: Row) -> Path | None:
    if len(row.cells) <= table.roles.sound:
        return None
    return table.index.find(row.cells[table.roles.sound])


def _read_row(table: Table, row: Row) -> tuple[Recording | None, str]:
    """Read a row as a recording, or tell in a clause why not."""
    roles = table.roles
    if row.problem:
        return None, row.problem
    cells = [cell.strip() for cell in row.cells]
    if len(cells) > table.width:
        if table.cells.separator != "," or len(roles.texts) > 1 or roles.sound > roles.texts[0]:
            return None, (
                f"has {len(cells)} cells where others have {table.width}. Take out the surplus "
                f"{table.cells.separator.strip() or 'tabs'}"
            )
        cells = _joined(row.cells, table.width, roles.texts[0], ",")
    cells += [""] * (table.width - len(cells))
    name = cells[roles.sound]
    text = next((cells[i] for i in roles.texts if cells[i]), "")
    if not name or not text:
        return None, "has no name or no text"
    sound = table.index.find(name)
    if sound is None:
        return None, table.index.why_none(name)
    if table.index.is_outside(sound):
        return None, f"{name} leads out of the folder"
    if "\n" in text:
        return None, "its text has line breaks. Write it on one line"
    if problem := check_text(text):
        return None, problem
    return Recording(
        sound, text,
        character="" if roles.character is None else full_name(cells[roles.character]),
        tags=() if roles.tags is None else split_tags(cells[roles.tags]),
        noise="" if roles.noise is None else noise_level(cells[roles.noise]) or "",
    ), ""  # fmt: skip


def _refuse_another_text(recording: Recording, text: str, before: Table, table: Table) -> None:
    if text != recording.text:
        raise RecordingsError(
            f"{before.path.name} and {table.path.name} give {recording.sound.name} different "
            f"texts: “{shorten(text, 60)}” and “{shorten(recording.text, 60)}”. Take one of the "
            "tables out of the folder."
        )


def _refuse_false_friends(tables: Sequence[Table], found: Found) -> None:
    """Leave out sounds to which paths of different folders lead: a/1 and b/1, where 1 is there."""
    folders: dict[Path, set[str]] = {}
    for table in tables:
        for row in table.rows:
            sound = _sound_of(table, row)
            if sound is not None:
                name = row.cells[table.roles.sound].strip().replace("\\", "/")
                parent = name.rpartition("/")[0].rpartition("/")[2].casefold()
                folders.setdefault(sound, set()).add(parent)
    for recording in list(found.recordings):
        several = sorted(folders.get(recording.sound, set()) - {"", ".", "wavs", "wav", "audio"})
        if len(several) > 1:
            found.recordings.remove(recording)
            reason = f"rows name it in several folders, {and_more(several, 3)}"
            found.left_out.append(LeftOut(recording.sound.name, reason))


def _columns(table: Table) -> list[tuple[str, ...]]:
    """Return the roles of a table's columns with the cells of two rows."""
    roles = table.roles
    of = {roles.sound: "sound"} | {i: "text, unless there is a better one" for i in roles.texts}
    of[roles.texts[0]] = "text"
    for role in ("character", "tags", "noise", "phones"):
        column = getattr(roles, role)
        if column is not None:
            of[column] = "phones, not read" if role == "phones" else role
    read = list(_good_rows(table))
    return [
        (f"column {i + 1}: {of.get(i, 'not read')}", *[row[i] for row in read[:2]])
        for i in range(table.width)
    ]


def _good_rows(table: Table) -> Iterator[list[str]]:
    for row in table.rows:
        if not row.problem and len(row.cells) >= table.width:
            text = table.roles.texts[0] if table.cells.separator == "," else table.width - 1
            yield _joined(row.cells, table.width, text, table.cells.separator)


def refuse_unnamed(files: Files, folder: Path) -> str:
    """Explain why a table leads to nothing, or return '': the only table names no sound."""
    tables = [p for p in files.others if p.suffix.casefold() in SUFFIXES - {".txt", ".json"}]
    if not tables or not files.sounds:
        return ""
    lines = read_any_text(tables[0]).strip().splitlines()[:2]
    shown = " and ".join(f"“{shorten(line.strip(), 100)}”" for line in lines)
    sounds = and_more([str(s.relative_to(folder)) for s in files.sounds], 2)
    return f" {tables[0].name} names none of the sounds. Its rows: {shown}; the sounds: {sounds}."
