"""Safe replacement of dataset folders: all or nothing, and never over a user's own files."""

import csv
import errno
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ponytaco.errors import PonytacoError
from ponytaco.formatting import and_more
from ponytaco.io.strangers import open_regular
from ponytaco.printable import printable

MADE_BY = "ponytaco data_prep"
"""Mark in report.json; only folders that carry it are ever replaced."""

UNFINISHED = "unfinished.txt"

MOST_NAMED = 3
"""Files that an error lists by name."""

# Reasons with ten examples each are some kB.
_MOST_REPORT_BYTES = 16 * 2**20

_MOST = 10**9
_COUNTS = (
    "kept", "clips", "train", "val", "with_arpabet", "replaced_characters", "other_members",
)  # fmt: skip

# The content of a dataset folder; training keeps its mel cache beside these files.
_OURS = {
    "train.txt",
    "val.txt",
    "wavs",
    "alignments.jsonl",
    "suspicious.csv",
    "lexicon.txt",
    "report.json",
    "report.csv",
}


class PrepareError(PonytacoError):
    """Failed preparation; the message tells what, where and what to do next."""


def finished_report(folder: Path) -> dict | None:
    """Return the report of a complete dataset folder; None if any of its files is missing.

    It may come from a stranger: nothing but numbers, texts and counts is shown of it.
    """
    report = _read_report(folder)
    if report is None or not _is_complete(report):
        return None
    if not all((folder / name).is_file() for name in ("train.txt", "val.txt")):
        return None
    try:
        wavs = sum(entry.name.endswith(".wav") for entry in os.scandir(folder / "wavs"))
    except OSError:
        return None
    return report if wavs == report.get("kept") else None


def _is_complete(report: dict) -> bool:
    """Whether a report has what a summary shows."""
    reasons: Any = report.get("rejected")
    examples: Any = report.get("rejected_examples")
    aligned: Any = report.get("alignments")
    minutes: Any = report.get("minutes")
    if not all(isinstance(table, dict) for table in (reasons, examples, aligned)):
        return False
    counts: list[Any] = [report.get(name) for name in _COUNTS]
    counts += [aligned.get(name) for name in ("kept", "dropped", "without_phones")]
    # What older reports lack.
    counts += [aligned.get("found_here", 0), report.get("suspicious", 0)]
    suspicious: Any = report.get("suspicious_examples", [])
    return (
        all(type(count) is int and 0 <= count < _MOST for count in (*counts, *reasons.values()))
        and type(minutes) in (int, float)
        and 0 <= minutes < _MOST
        and isinstance(report.get("archive"), str)
        and isinstance(suspicious, list)
        and all(isinstance(example, str) for example in suspicious)
        and isinstance(report.get("options"), dict)
        and all(
            isinstance(examples.get(reason), list) and isinstance([*examples[reason], 0][0], str)
            for reason in reasons
        )
    )


def _read_report(folder: Path) -> dict | None:
    try:
        with open_regular(folder / "report.json") as file:
            report = json.loads(file.read(_MOST_REPORT_BYTES))
    # ValueError: besides its subclasses for JSON and UTF-8, an integer of thousands of digits.
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and report.get("made_by") == MADE_BY else None


def check_place(out: Path) -> None:
    """Refuse to replace anything but an empty folder or a dataset folder of ours.

    Raises:
        PrepareError: with what to do instead.
    """
    if not out.name:
        raise PrepareError(f"{out}: cannot name a dataset folder. Choose a name such as data/LJ.")
    if not os.path.lexists(out):
        return
    if not out.is_dir() or out.is_symlink():
        raise PrepareError(f"{out}: exists as a file or a link. Choose another folder name.")
    names = sorted(os.listdir(out))
    if names and _read_report(out) is None:
        raise PrepareError(
            f"{out}: contains files that were not prepared here, so it is left alone. "
            "Choose another folder, or empty this one."
        )
    # Other files, such as a voice that was trained into the folder; "mels-" is the mel cache.
    others = [name for name in names if name not in _OURS and not name.startswith((".", "mels-"))]
    if others:
        raise PrepareError(
            f"{out}: also contains {and_more(others, MOST_NAMED)}, so it is left alone. "
            "Choose another folder, or move these files elsewhere."
        )


def start_partial(partial: Path) -> None:
    """Create the temporary folder of a preparation, replacing that of an interrupted one.

    Raises:
        PrepareError: if the name is taken by something that is not ours.
        OSError: if the folder cannot be created.
    """
    if os.path.lexists(partial):
        ours = partial.is_dir() and not partial.is_symlink()
        if not ours or (any(partial.iterdir()) and not (partial / UNFINISHED).exists()):
            raise PrepareError(
                f"{partial}: is in the way and was not made here. Move it elsewhere."
            )
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    try:
        write_text(partial / UNFINISHED, "A preparation was interrupted; this can be deleted.\n")
        (partial / "wavs").mkdir()
    except OSError:
        discard(partial)
        raise


def finish(partial: Path, out: Path) -> None:
    """Rename a complete temporary folder to its final name, then delete the folder it replaces."""
    (partial / UNFINISHED).unlink()
    if not out.is_dir():
        os.replace(partial, out)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.replaced.", dir=out.parent))
    os.replace(out, aside / "old")
    try:
        os.replace(partial, out)
    except OSError:
        os.replace(aside / "old", out)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def discard(partial: Path) -> None:
    """Delete a temporary folder that was started here, as far as possible."""
    shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with LF line endings; lone surrogates become question marks."""
    path.write_bytes(text.encode("utf-8", "replace"))


def write_left_out(
    path: Path,
    rows: Iterable[tuple[str, str]],
    header: tuple[str, str] = ("left out", "reason"),
) -> None:
    """Write a table of everything that was left out, and why.

    Args:
        path: a csv.
        rows: names and reasons.
        header: what the columns are.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows((printable(name), printable(reason)) for name, reason in rows)
    write_text(path, file.getvalue())


def explain_os_error(error: OSError, place: Path) -> str:
    """Explain in one sentence why writing failed and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{place}: the disk is full. Free some space and run the same command again."
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{place}: a file is in the way where a folder must be. Choose another place."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place}: you may not write there. Choose another folder."
    return f"{place}: cannot be written ({error.strerror or error}). Choose another folder."
