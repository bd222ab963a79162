"""Puts a dataset folder in its place: all of it or nothing, and never over a user's own files."""

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path

from data_prep.errors import sentence_alone

MADE_BY = "ponytaco data_prep"
"""Written into report.json; only folders that say so are ever replaced."""

UNFINISHED = "unfinished.txt"

# Reasons with ten examples each are some kB.
_MOST_REPORT_BYTES = 16 * 2**20

# What a dataset folder holds: our files, and the cache of mels that training keeps beside them.
_OURS = {"train.txt", "val.txt", "wavs", "alignments.jsonl", "lexicon.txt", "report.json"}


class PrepareError(Exception):
    """A preparation that failed; its text says what, where and what next."""

    _render_traceback_ = sentence_alone


def finished_report(folder: Path) -> dict | None:
    """Report of a complete dataset folder, None if there is none or files of it are missing."""
    report = _read_report(folder)
    if report is None or not all((folder / name).is_file() for name in ("train.txt", "val.txt")):
        return None
    try:
        wavs = sum(entry.name.endswith(".wav") for entry in os.scandir(folder / "wavs"))
    except OSError:
        return None
    return report if wavs == report.get("kept") else None


def _read_report(folder: Path) -> dict | None:
    try:
        with open(folder / "report.json", "rb") as file:
            report = json.loads(file.read(_MOST_REPORT_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and report.get("made_by") == MADE_BY else None


def check_place(out: Path) -> None:
    """Refuse to prepare over anything that is not a dataset folder of ours.

    Raises:
        PrepareError: with what to do instead.
    """
    if not out.name:
        raise PrepareError(f"{out}: not a name for a dataset folder. Give a new one, as data/LJ.")
    if not os.path.lexists(out):
        return
    if not out.is_dir() or out.is_symlink():
        raise PrepareError(
            f"{out}: there is something else of this name. Give a new folder's name."
        )
    if any(out.iterdir()) and _read_report(out) is None:
        raise PrepareError(
            f"{out}: holds files that were not prepared here, which are left alone. "
            "Give a new folder's name, or empty this one."
        )
    for name in sorted(os.listdir(out)):
        is_cache = name.startswith((".", "mels-"))
        if name not in _OURS and not is_cache:  # a voice that was trained into it, say
            raise PrepareError(
                f"{out}: holds other files ({name}), which are left alone. "
                "Give a new folder's name, or move them elsewhere."
            )


def start_partial(partial: Path) -> None:
    """Make the temporary folder of a preparation, in place of one that was interrupted.

    Raises:
        PrepareError: if its name is taken by something that is not ours.
        OSError: if it cannot be made.
    """
    if os.path.lexists(partial):
        ours = partial.is_dir() and not partial.is_symlink()
        if not ours or (any(partial.iterdir()) and not (partial / UNFINISHED).exists()):
            raise PrepareError(
                f"{partial}: is in the way, and was not made here. Move it elsewhere."
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
    """Rename a complete temporary folder to its name; what it replaces is deleted after that."""
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
    """Write UTF-8 with plain line ends; what UTF-8 cannot hold becomes a question mark."""
    path.write_bytes(text.encode("utf-8", "replace"))


def explain_os_error(error: OSError, place: Path) -> str:
    """Say in one sentence why writing failed and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{place}: the disk is full. Free some space and run the same command again."
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{place}: a file is in the way where a folder must be. Choose another place."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place}: may not be written there. Choose another folder."
    return f"{place}: cannot be written ({error.strerror or error}). Choose another folder."
