"""A run's history.csv: losses and scores by step."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The columns of history.csv; a row has those of its kind and leaves the others empty.
HISTORY_COLUMNS = (
    "step", "epoch", "seconds", "learning_rate", "loss", "mel", "mel_postnet", "gate", "mi", "gaf",
    "guidance", "guidance_weight", "grad_norm", "skipped_steps", "parts",
    "val_loss", "focus", "coverage", "forward", "in_order", "diagonality", "longest_stall",
    "end_reached", "forced_aligned",
    "free_focus", "free_coverage", "free_forward", "free_in_order", "free_diagonality",
    "free_longest_stall", "free_end_reached", "free_stopped",
    "free_length", "distortion", "score", "aligned",
)  # fmt: skip

# 20,000 steps are about 0.5 MB; what comes after this is of no run.
_MOST_HISTORY_BYTES = 32 * 2**20


def append_history(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a history.

    Args:
        path: the csv; made with its heading when missing.
        row: values by ``HISTORY_COLUMNS``; numbers are written with 6 digits.
    """
    is_new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def read_history(path: Path) -> list[dict[str, float]]:
    """A history's rows, empty cells left out; none when there is no file.

    A row that a disconnect cut short is left out.
    """
    if not path.is_file():
        return []
    rows: list[dict[str, float]] = []
    with path.open("rb") as file:
        text = file.read(_MOST_HISTORY_BYTES).decode("utf-8", "replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return rows
        except csv.Error:  # bytes that were never text, as a torn sync leaves them
            continue
        with contextlib.suppress(ValueError, TypeError):
            numbers = {key: float(value) for key, value in row.items() if key and value}
            if None not in row.values() and "step" in numbers:
                rows.append(numbers)


def cut_history(path: Path, step: int) -> None:
    """Drop the rows after a step: a resumed run writes them again.

    Args:
        path: the csv; nothing happens when it is missing.
        step: the last step to keep.
    """
    known = {*HISTORY_COLUMNS}
    rows = [
        {name: value for name, value in row.items() if name in known}
        for row in read_history(path)
        if row["step"] <= step
    ]
    if not path.is_file():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    for row in rows:
        whole = {"step", "epoch", "skipped_steps", "parts", "aligned", "forced_aligned"}
        append_history(temporary, {k: int(v) if k in whole else v for k, v in row.items()})
    if rows:
        os.replace(temporary, path)
    else:
        path.unlink()
