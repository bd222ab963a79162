"""The history of a run, history.csv: losses and scores by step."""

from __future__ import annotations

import codecs
import contextlib
import csv
import enum
import errno
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO, TypeAlias

from ponytaco.io.atomic import atomic_write


class Column(enum.StrEnum):
    """The columns of history.csv; a row fills those of a report, of a validation, or of both."""

    STEP = "step"
    # Of a report: means over its steps.
    EPOCH = "epoch"
    SECONDS = "seconds"
    LEARNING_RATE = "learning_rate"
    LOSS = "loss"
    MEL = "mel"
    MEL_POSTNET = "mel_postnet"
    GATE = "gate"
    MI = "mi"
    GAF = "gaf"
    GUIDANCE = "guidance"
    GUIDANCE_WEIGHT = "guidance_weight"
    GRAD_NORM = "grad_norm"
    # While the postnet is trained against a discriminator.
    ADVERSARIAL = "adversarial"
    DISCRIMINATOR = "discriminator"
    SKIPPED_STEPS = "skipped_steps"
    MICRO_BATCHES = "micro_batches"
    # Of a validation, teacher-forced.
    VAL_LOSS = "val_loss"
    FOCUS = "focus"
    COVERAGE = "coverage"
    FORWARD = "forward"
    IN_ORDER = "in_order"
    DIAGONALITY = "diagonality"
    LONGEST_STALL = "longest_stall"
    END_REACHED = "end_reached"
    FORCED_ALIGNED = "forced_aligned"
    # Of a validation, free-running.
    FREE_FOCUS = "free_focus"
    FREE_COVERAGE = "free_coverage"
    FREE_FORWARD = "free_forward"
    FREE_IN_ORDER = "free_in_order"
    FREE_DIAGONALITY = "free_diagonality"
    FREE_LONGEST_STALL = "free_longest_stall"
    FREE_END_REACHED = "free_end_reached"
    FREE_STOPPED = "free_stopped"
    FREE_LENGTH = "free_length"
    MEL_CEPSTRAL_DISTORTION = "mel_cepstral_distortion"
    SCORE = "score"
    ALIGNED = "aligned"
    # Of a listening: what the judges find in the voice, and in the clips through the same vocoder.
    UNDERSTOOD = "understood"
    MOS = "mos"
    LIKENESS = "likeness"
    CLIPS_UNDERSTOOD = "clips_understood"
    CLIPS_MOS = "clips_mos"
    CLIPS_LIKENESS = "clips_likeness"
    LISTENING_SHARE = "listening_share"


HistoryRow: TypeAlias = Mapping[str, float]
"""Values by ``Column``; every row has a step."""

_INTEGERS = frozenset({
    Column.STEP, Column.EPOCH, Column.SKIPPED_STEPS, Column.MICRO_BATCHES, Column.FORCED_ALIGNED,
    Column.ALIGNED,
})  # fmt: skip

_HEADING = ",".join(column.value for column in Column).encode()
_NO_LIMIT = 2**63

# 20,000 steps take about 0.5 MB; bytes beyond this are not read.
_MOST_HISTORY_BYTES = 32 * 2**20


def append_history(path: Path, row: HistoryRow) -> None:
    """Append a row to a history.

    Args:
        path: the CSV file; made with its heading if missing.
        row: the row's values; floats are written with 6 digits.
    """
    is_new = not path.exists() or not path.stat().st_size
    if not is_new and not _is_ours(path):  # a spreadsheet has saved it
        cut_history(path, _NO_LIMIT)
        is_new = not path.exists()
    text = io.StringIO(newline="")
    _write(text, [row], heading=is_new)
    content = text.getvalue().encode()
    with path.open("ab", buffering=0) as file:
        end = file.seek(0, io.SEEK_END)
        # A full disk takes a part: the next row would continue it.
        if file.write(content) < len(content):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def read_history(path: Path) -> list[HistoryRow]:
    """Read a history's rows without their empty cells; an empty list if there is no file.

    Rows that a disconnect cut short are left out, and so are columns of other versions. What a
    spreadsheet saves is read, too: semicolons or tabs, decimal commas, and UTF-16 or a byte order
    mark.
    """
    if not path.is_file():
        return []
    rows: list[HistoryRow] = []
    with path.open("rb") as file:
        content = file.read(_MOST_HISTORY_BYTES)
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return rows
        except csv.Error:  # bytes that are not text, as an interrupted sync leaves them
            continue
        with contextlib.suppress(ValueError, TypeError):
            numbers = {
                key: float(value.replace(",", ".")) for key, value in cells.items() if key and value
            }
            is_complete = None not in cells.values()
            if is_complete and 0 <= numbers.get(Column.STEP, -1) < _NO_LIMIT:
                rows.append({name: numbers[name] for name in Column if name in numbers})


def cut_history(path: Path, step: int) -> None:
    """Drop the rows after a step, which a resumed run writes again.

    A file that holds something, but no rows, is renamed to ``history.unread.csv``.

    Args:
        path: the CSV file; nothing happens if it is missing.
        step: the last step to keep.
    """
    if not path.is_file():
        return
    found = read_history(path)
    rows = [row for row in found if row[Column.STEP] <= step]
    if not found and _has_rows(path):
        path.replace(path.with_name("history.unread.csv"))
        return
    if not rows:
        path.unlink()
        return
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        _write(file, rows, heading=True)


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline(len(_HEADING) + 2).rstrip(b"\r\n") == _HEADING


def _has_rows(path: Path) -> bool:
    """Whether a file has more than our heading."""
    with path.open("rb") as file:
        return bool(file.read(_MOST_HISTORY_BYTES).strip().removeprefix(_HEADING))


def _write(file: TextIO, rows: Iterable[HistoryRow], heading: bool) -> None:
    writer = csv.DictWriter(file, [column.value for column in Column])
    if heading:
        writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(name, value) for name, value in row.items()})


def _cell(name: str, value: float) -> str:
    return f"{value:.0f}" if name in _INTEGERS else f"{value:.6g}"
