"""A user's own recordings: finding and packing them, and saving the archive."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

from data_prep.layouts.found import Found, count_found, shown_columns
from data_prep.recordings import Packed, check_character, pack, understand
from ponytaco.formatting import counted, shorten
from ponytaco.notebook.errors import NotebookError, explain_errors
from ponytaco.notebook.fields import bare
from ponytaco.notebook.storage import Storage, copy_with_progress
from ponytaco.notebook.widgets.html import paragraph, show_html, table
from ponytaco.printable import say

_MOST_REASONS = 12
_LONGEST_CELL = 80


@explain_errors
def locate_recordings(storage: Storage, folder_or_tar: str, character: str) -> Path:
    """Find the recordings that a form names.

    Args:
        storage: from ``connect_storage``.
        folder_or_tar: such as 'my recordings' or 'archives/Me.tar', relative to the storage.
        character: name of the voice.

    Returns:
        The folder or the tar.

    Raises:
        PonytacoError: a field is empty or wrong, or there is no such folder or tar.
    """
    check_character(character)
    if not bare(folder_or_tar):
        raise NotebookError(
            "Fill in where the recordings are: a folder with a .txt beside each sound, a folder "
            f"with a metadata.csv, or a soundtools .tar, seen from {storage.root}."
        )
    path = storage.resolve(folder_or_tar)
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".tar"):
        return path
    if path.is_file():
        raise NotebookError(
            f"{path} is neither a folder nor a .tar. Unpack it into a folder first."
        )
    raise NotebookError(
        f"There is no {path}. Check the name; on Drive, capital and small letters differ."
    )


@explain_errors
def pack_recordings(storage: Storage, recordings: Path, character: str) -> Path:
    """Pack a folder of recordings into an archive; show what was packed and what was left out.

    Args:
        storage: from ``connect_storage``.
        recordings: from ``locate_recordings``.
        character: name of the voice.

    Returns:
        The archive on the local disk; a tar is returned as it is.

    Raises:
        PonytacoError: no clip can be packed, or the disk is full.
    """
    if not recordings.is_dir():
        return recordings
    archive = storage.disk / f"{character}.tar"
    found = understand(recordings, character)
    show_found(found)
    show_packed(pack(recordings, archive, character, overwrite=True, progress=True, found=found))
    return archive


def show_found(found: Found) -> None:
    """Show how a folder was understood: two rows with their columns, who speaks, and the counts."""
    columns = shown_columns(found)
    examples = zip_longest(*(cells for _, *cells in columns), fillvalue="")
    rows = [[shorten(cell, _LONGEST_CELL) for cell in row] for row in examples]
    html = paragraph(f"Understood as {found.layout}.", bold=True)
    html += table(rows, [role for role, *_ in columns])
    show_html(html + "".join(map(paragraph, count_found(found))))


def show_packed(packed: Packed) -> None:
    """Show what was packed, and why the rest was left out."""
    html = paragraph(
        f"Packed {counted(packed.clips, 'clip')}, {packed.seconds / 60:.1f} minutes.", bold=True
    )
    html += "".join(paragraph(f"Left out: {why}") for why in packed.left_out[:_MOST_REASONS])
    html += "".join(map(paragraph, packed.notes))
    if len(packed.left_out) > _MOST_REASONS:
        html += paragraph(f"Left out {len(packed.left_out) - _MOST_REASONS:,} more.")
    if packed.report is not None:
        html += paragraph(f"{packed.report} lists everything that was left out.")
    show_html(html)


@explain_errors
def save_archive(storage: Storage, archive: Path, character: str) -> Path:
    """Save an archive where the training notebook finds it.

    Args:
        storage: from ``connect_storage``.
        archive: from ``pack_recordings``.
        character: name of the voice.

    Returns:
        Its path in the storage.

    Raises:
        PonytacoError: the storage is full.
    """
    target = storage.archives / f"{character}.tar"
    if target != archive:
        # Another archive of the same size would otherwise count as copied already.
        target.unlink(missing_ok=True)
        copy_with_progress(archive, target)
    say(f"Saved as {target}. Now open Training.ipynb, run all, and choose {character}.")
    return target
