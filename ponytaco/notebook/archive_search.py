"""Search for soundtools archives: the usual places first, then others, within limits.

Drive takes up to a second to list a folder, and some people keep thousands of folders there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from ponytaco.notebook.errors import NotebookError
from ponytaco.notebook.public_archives import PUBLIC_FOLDERS
from ponytaco.notebook.storage import ARCHIVES, Storage
from ponytaco.printable import say

# Where archives lie, seen from the folder that has the soundtools folder; best first.
_PLACES = tuple(
    PurePosixPath(place)
    for place in (
        ARCHIVES,
        "soundtools/audio-trimmed-22khz",
        "data/audio-trimmed-22khz",
        "audio-trimmed-22khz",
        "soundtools",
        "ponytaco",
    )
)
# Shared drives, and shortcuts, that are looked into at once.
_MOST_SHARED = 12
# Limits of the search beyond the usual places.
_MOST_FOLDERS, _MOST_SECONDS = 300, 30.0
# Folders that are looked into first there have one of these in their names.
_LIKELY = ("sound", "pony", "ponies", "mlp", "taco", "voice", "audio", "clip", "data")

_PROGRESS_SECONDS = 5.0
# Seconds to wait before listing a folder again.
_DELAYS = (1.0, 5.0)


def find_archives(
    storage: Storage,
    remembered: Sequence[Path] = (),
    clock: Callable[[], float] = time.monotonic,
) -> list[Path]:
    """Find soundtools archives: in the usual places, or else in as many folders as time allows.

    Args:
        storage: from ``connect_storage``.
        remembered: folders in which archives were found before.
        clock: returns seconds.

    Returns:
        One archive per name, from the first place that has it, sorted by name.
    """
    say(f"Looking for soundtools archives in {storage.root} …")
    search = _Search(clock)
    own = search.folders(storage.root)
    for holder in _usual_holders(storage, search):
        search.look_around(holder)
    for folder in remembered:
        search.take_tars(folder)
    search.take_tars(storage.root)
    if not search.found:
        search.look_into_all(own)
    return search.sorted()


def find_archives_at(
    storage: Storage, place: str, clock: Callable[[], float] = time.monotonic
) -> list[Path]:
    """Find the archives at a place that the user names: a folder, with its subfolders, or a .tar.

    Args:
        storage: from ``connect_storage``.
        place: as a form has it.
        clock: returns seconds.

    Returns:
        As ``find_archives``.

    Raises:
        NotebookError: there is no such place, or no archive.
    """
    path = storage.resolve(place)
    if path.is_file() and path.suffix.lower() == ".tar":
        return [path]
    if not path.is_dir():
        raise NotebookError(
            f"There is no folder {path}. Correct the field 'archives', or empty it: then the usual "
            "places are looked into. Capital and small letters differ."
        )
    search = _Search(clock)
    search.take_tars(path)
    search.look_around(path)
    if not search.found:
        search.look_into_all(search.folders(path), with_tars=True)
    if not search.found:
        raise NotebookError(
            f"There is no archive (.tar) in {path}. Fill in another folder in the field 'archives'."
        )
    return search.sorted()


def _usual_holders(storage: Storage, search: _Search) -> Iterator[Path]:
    """Yield the folders that often hold a soundtools folder."""
    yield storage.root
    if storage.drive_mount is None:
        return
    # Drive mounts the target of a shortcut under the target's id, beside MyDrive.
    shortcuts = storage.drive_mount / ".shortcut-targets-by-id"
    public = [shortcuts / folder for folder in PUBLIC_FOLDERS]
    yield from (folder for folder in public if folder.is_dir())
    for parent in (
        shortcuts,
        storage.drive_mount / "Shareddrives",
        storage.root / ".shortcut-targets-by-id",
    ):
        yield from [f for f in search.folders(parent) if f not in public][:_MOST_SHARED]


class _Search:
    """Archives found so far, one a name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.found: dict[str, Path] = {}
        self._clock = clock
        self._listed: dict[Path, list[os.DirEntry[str]]] = {}

    def sorted(self) -> list[Path]:
        """Return the archives by name."""
        return [self.found[name] for name in sorted(self.found, key=str.lower)]

    def folders(self, folder: Path) -> list[Path]:
        """Return the folders in a folder by name."""
        return [Path(entry.path) for entry in self._listing(folder) if entry.is_dir()]

    def take_tars(self, folder: Path) -> None:
        """Add the archives in a folder."""
        for entry in self._listing(folder):
            name = entry.name
            if name.lower().endswith(".tar") and not name.startswith(".") and entry.is_file():
                self.found.setdefault(Path(name).stem, Path(entry.path))

    def look_around(self, holder: Path) -> None:
        """Add the archives in the places below a folder, of which only those there are listed."""
        names = {folder.name for folder in self.folders(holder)}
        for place in _PLACES:
            if place.parts[0] in names:
                self.take_tars(holder / place)

    def look_into_all(self, holders: Sequence[Path], with_tars: bool = False) -> None:
        """Look around in many folders, the likely ones first, within limits; report on it.

        Args:
            holders: the folders.
            with_tars: take every .tar in them for an archive, too.
        """
        if not holders:
            return
        say(
            f"None in the usual places; looking into {len(holders):,} more, for at most "
            f"{_MOST_SECONDS:.0f} seconds …",
        )
        started = reported = self._clock()
        for number, holder in enumerate(sorted(holders, key=_likely_first)):
            now = self._clock()
            if number >= _MOST_FOLDERS or now - started > _MOST_SECONDS:
                say(
                    f"Stopped after {number:,} folders. Are your archives in another one? Fill in "
                    "its name in the field 'archives', and run this cell again."
                )
                return
            if now - reported > _PROGRESS_SECONDS:
                reported = now
                say(f"{number:,} folders so far, {len(self.found):,} archives …")
            self.look_around(holder)
            if with_tars:
                self.take_tars(holder)

    def _listing(self, folder: Path) -> list[os.DirEntry[str]]:
        """Return the entries of a folder by name; none if there is no such folder."""
        if folder not in self._listed:
            self._listed[folder] = _entries(folder)
        return self._listed[folder]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    for delay in (*_DELAYS, None):
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            # Drive's first listing of a large folder times out (Errno 5); a later one succeeds.
            if delay is None:
                say(f"Could not look into {folder}: {error.strerror}. It is skipped.")
            else:
                time.sleep(delay)
    return []


def _likely_first(folder: Path) -> tuple[bool, str]:
    name = folder.name.lower()
    return not any(word in name for word in _LIKELY), name
