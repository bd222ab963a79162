"""What a folder has: archives, and recordings of characters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from data_prep.layouts.found import Found, Recording, RecordingsError
from data_prep.layouts.pairs import shares
from data_prep.layouts.recognise import find_recordings
from data_prep.sound_files import file_seconds
from data_prep.soundtools import ArchiveError, archive_seconds, index_archive
from ponytaco.io.names import as_argument
from ponytaco.io.strangers import LINK_OUTSIDE, inside
from ponytaco.printable import printable

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".tar.zst", ".zip", ".7z", ".rar")
_DRIVE_SHORTCUT = ".shortcut-targets-by-id"
"""Part of the path to which shortcuts in a Google Drive lead; nobody but its owner makes these."""


@dataclass(frozen=True)
class Archive:
    """Archive in a list."""

    path: Path
    description: str
    megabytes: float | None = None
    is_readable: bool = False


def archives_below(folder: Path) -> list[Archive]:
    """List the archives below a folder; compressed ones are named with what to do."""
    is_inside = inside(folder)
    archives = []
    for path in _files_below(folder):
        name = path.name.casefold()
        if name.endswith(_COMPRESSED):
            archives.append(Archive(path, f"compressed. Unpack it first: {_unpack(path)}"))
        elif path.is_dir():
            what = f"{LINK_OUTSIDE}: {os.path.realpath(path)}. List that folder itself"
            archives.append(Archive(path, what))
        elif not is_inside(path) and _DRIVE_SHORTCUT not in os.path.realpath(path):
            archives.append(Archive(path, LINK_OUTSIDE))
        elif path.is_file():
            description, is_readable = describe_archive(path)
            size = path.stat().st_size / 2**20
            archives.append(Archive(path, description, size, is_readable))
    return archives


def _files_below(folder: Path) -> Iterator[Path]:
    """Iterate over archives, and links to folders outside, in the order of their paths."""
    is_inside, found = inside(folder), []
    seen: set[str] = set()
    for place, subfolders, names in os.walk(folder, followlinks=True):
        entered = []
        for name in sorted(subfolders):
            path = Path(place, name)
            real = os.path.realpath(path)
            if path.is_symlink() and not is_inside(path) and _DRIVE_SHORTCUT not in real:
                found.append(path)
            elif real not in seen and not (path.is_symlink() and is_inside(path)):
                entered.append(name)
                seen.add(real)
        subfolders[:] = entered
        endings = (".tar", *_COMPRESSED)
        found += [Path(place, name) for name in names if name.casefold().endswith(endings)]
    return iter(sorted(found))


def _unpack(path: Path) -> str:
    program = "unzip" if path.suffix.casefold() == ".zip" else "tar -xf"
    return f"{program} {as_argument(path.name)}"


def describe_archive(path: Path) -> tuple[str, bool]:
    """Clips and minutes of an archive, or why it is unreadable; and whether it is readable."""
    try:
        index = index_archive(path)
        minutes = archive_seconds(index) / 60
    except ArchiveError as error:
        return f"unreadable: {str(error).removeprefix(f'{printable(path)}: ')}", False
    return f"{len(index.clips):6d} clips  {minutes:6.1f} minutes", True


def describe_recordings(folder: Path, program: str) -> list[str]:
    """Tell whose recordings a folder has, with minutes and the shares of noisy and sung ones.

    Args:
        folder: searched with its subfolders.
        program: as the user called it, for the next command.

    Returns:
        Lines; none if there are no recordings with texts.
    """
    try:
        found = find_recordings(folder)
    except RecordingsError as error:
        return [str(error)]
    if not found.recordings or any(recording.label for recording in found.recordings):
        return _soundtools(found, folder, program)
    names = [name for name, _ in found.characters.most_common()]
    width = max(len(name or "no name") for name in names)
    lines = [f"{printable(folder)}: {found.layout}."]
    bar = tqdm(found.recordings, desc="lengths", unit="clip", leave=False, disable=None)
    seconds = {id(recording): _seconds(recording) for recording in bar}
    for name in names:
        own = [r for r in found.recordings if r.character == name]
        minutes = sum(seconds[id(r)] for r in own) / 60
        noisy, very_noisy, sung = (f"{share:4.0%}" for share in shares(own))
        lines.append(
            f"{(name or 'no name').ljust(width)}  {len(own):6d} clips  {minutes:6.1f} minutes  "
            f"{noisy} noisy  {very_noisy} very noisy  {sung} singing"
        )
    who = f' --character "{names[0]}"' if names[0] else ""
    target = f"data/{names[0].replace(' ', '-')}" if names[0] else "data/NAME"
    lines.append(f"Next, for one of them: {program} prepare {as_argument(folder)} {target}{who}")
    return lines


def _soundtools(found: Found, folder: Path, program: str) -> list[str]:
    if not found.recordings:
        return []
    return [
        f"{printable(folder)}: {found.layout}, {len(found.recordings)} clips.",
        f"Next: {program} prepare {as_argument(folder)} data/NAME",
    ]


def _seconds(recording: Recording) -> float:
    if recording.span is not None:
        return recording.span[1] - recording.span[0]
    return file_seconds(recording.sound)
