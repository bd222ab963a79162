"""Recognition of a folder's layout, the plainest first."""

from __future__ import annotations

from pathlib import Path

from data_prep.labels import LabelError, parse_label
from data_prep.layouts.files import Files, walk, without_suffix
from data_prep.layouts.found import Found, LeftOut, Recording
from data_prep.layouts.pairs import find_pairs
from data_prep.layouts.ponysorter import find_ponysorter
from data_prep.layouts.table import find_tables, read_tables, refuse_unnamed
from data_prep.soundtools import AUDIO_STEM, LABEL_NAME, LARGEST_LABEL_BYTES
from ponytaco.io.strangers import open_regular


def find_recordings(folder: Path) -> Found:
    """Recognise the layout of a folder and read its texts; no sound is decoded.

    Args:
        folder: with the recordings.

    Returns:
        The recordings of all characters in the order of their names or of the table, and what is
        left out.

    Raises:
        RecordingsError: if the roles of a table's columns are in doubt, or it cannot be read.
    """
    files = walk(folder)
    if found := _find_soundtools(files):
        return found
    tables, unread = find_tables(files)
    if tables:
        return read_tables(files, tables, unread)
    if found := find_ponysorter(files):
        return found
    found = find_pairs(files)
    named = {entry.name for entry in unread}
    found.left_out = [e for e in found.left_out if e.name not in named] + unread
    return found


def nothing_found(folder: Path, found: Found) -> str:
    """Explain why a folder has no recording that can be packed."""
    left_out = found.left_out
    why = f" {len(left_out)} were left out, the first: {left_out[0]}" if left_out else ""
    why = refuse_unnamed(walk(folder), folder) or why
    return (
        f"{folder}: contains no recording with a text.{why} Put a .txt of the same name beside "
        "each sound, or a metadata.csv with rows `name|text` into the folder."
    )


def _find_soundtools(files: Files) -> Found | None:
    """Find an unpacked archive: folders with an audio and a label.json each."""
    labels = {p.parent: p for p in files.others if p.name.casefold() == LABEL_NAME}
    sounds = {s.parent: s for s in files.sounds if without_suffix(s.name).casefold() == AUDIO_STEM}
    both = [folder for folder in sounds if folder in labels]
    if not both:
        return None
    found = Found("an unpacked archive of soundtools", left_out=list(files.left_out))
    for folder in both:
        try:
            with open_regular(labels[folder]) as file:
                label = parse_label(file.read(LARGEST_LABEL_BYTES))
        except LabelError as error:
            found.left_out.append(LeftOut(folder.name, f"its label cannot be used: {error}"))
            continue
        except OSError as error:
            found.left_out.append(LeftOut(folder.name, f"its label: {error.strerror}"))
            continue
        found.recordings.append(
            Recording(
                sounds[folder], label.text, label.character, label.tags, label.noise,
                label=labels[folder],
            )
        )  # fmt: skip
    taken = {*sounds.values()} & {sounds[folder] for folder in both}
    for sound in files.sounds:
        if sound not in taken:
            found.without_text += 1
            found.left_out.append(LeftOut(sound.name, f"has no {LABEL_NAME} beside it"))
    return found
