"""Where things are kept: Google Drive on Colab, a folder elsewhere; and where archives lie."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ponytaco.errors import PonytacoError
from ponytaco.notebook.environment import friendly, in_colab
from ponytaco.runs.folder import Run

# The machine's own disk on Colab. The tests of the notebooks put it elsewhere.
_CONTENT = "PONYTACO_CONTENT", "/content"

# Where a soundtools folder has its archives, seen from the folder that holds it, best first.
_PLACES = (
    "soundtools/data/audio-trimmed-22khz",
    "soundtools/audio-trimmed-22khz",
    "data/audio-trimmed-22khz",
    "audio-trimmed-22khz",
    "soundtools",
)


class StorageError(PonytacoError):
    """Drive or the folder cannot be used."""


@dataclass(frozen=True)
class Storage:
    """Where a notebook keeps and finds things.

    Attributes:
        root: what stays: Drive's own root on Colab, or a folder.
        disk: a fast local disk for what can be made again.
        drive_mount: where Drive is mounted; None without Drive.
    """

    root: Path
    disk: Path
    drive_mount: Path | None = None

    @property
    def runs(self) -> Path:
        """The folder with a folder for each voice, under the name the seed gave it."""
        return self.root / "colab"

    @property
    def older_run(self) -> Path | None:
        """The checkpoint of an older, flat layout, ``colab/current_model``, if there is one."""
        path = self.runs / "current_model"
        return path if path.is_file() else None

    @property
    def archives(self) -> Path:
        """Where our own archives go."""
        return self.root / _PLACES[0]

    @property
    def place(self) -> str:
        """In words, for messages."""
        return "your Drive" if self.drive_mount else str(self.root)

    def run(self, character: str) -> Run:
        """A character's run; beside Drive, its saves are written to the local disk first."""
        scratch = self.disk / "saves" / character if self.drive_mount else None
        return Run(self.runs / character, scratch)

    def dataset(self, character: str) -> Path:
        """A character's prepared clips; on the local disk, for Drive is slow with many files."""
        return self.disk / "datasets" / character


@friendly
def connect_storage(folder: str = "~/ponytaco") -> Storage:
    """Mount Google Drive on Colab; elsewhere use a folder, made when missing.

    Args:
        folder: used away from Colab only.

    Raises:
        NotebookError: Drive was not allowed, or the folder cannot be made.
    """
    storage = _mount_drive() if in_colab() else _local_folder(Path(folder).expanduser())
    try:
        storage.runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot make the folder {storage.runs}: {error.strerror}. "
            "Is the disk full, or is something else of that name there?"
        ) from error
    kept = "colab in your Drive" if storage.drive_mount else str(storage.runs)
    print(f"Connected. Voices are kept in {kept}.")
    return storage


def drive_root(mount: Path) -> Path:
    """Drive's own root below its mount point; its name has changed over the years.

    Raises:
        StorageError: there is none.
    """
    for name in ("MyDrive", "My Drive"):
        if (mount / name).is_dir():
            return mount / name
    raise StorageError(
        f"Google Drive is mounted at {mount}, but has no folder MyDrive. "
        "Choose Runtime > Disconnect and delete runtime, and run all again."
    )


def find_archives(storage: Storage) -> list[Path]:
    """The characters' archives, in the usual places: own folders, shared ones, shortcuts.

    Returns:
        One archive a name, the first place winning, sorted by name.
    """
    found: dict[str, Path] = {}
    for holder in _holders(storage):
        for place in _PLACES:
            for path in _tars(holder / place):
                found.setdefault(path.stem, path)
    for path in _tars(storage.root):
        found.setdefault(path.stem, path)
    return [found[name] for name in sorted(found, key=str.lower)]


def _holders(storage: Storage) -> Iterator[Path]:
    """Folders that may hold a soundtools folder."""
    yield storage.root
    if storage.drive_mount is not None:
        # A shortcut to a shared folder shows up by its target's id, beside MyDrive.
        yield from _folders(storage.drive_mount / ".shortcut-targets-by-id")
        yield from _folders(storage.drive_mount / "Shareddrives")
        yield from _folders(storage.root / ".shortcut-targets-by-id")
    yield from _folders(storage.root)


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _listing(folder) if entry.is_dir()]


def _tars(folder: Path) -> list[Path]:
    return [
        Path(entry.path)
        for entry in _listing(folder)
        if entry.name.lower().endswith(".tar") and not entry.name.startswith(".")
        and entry.is_file()
    ]  # fmt: skip


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    """A folder's entries; none where there is no such folder."""
    for attempt in (1, 2):
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            # Drive's first listing of a large folder times out (Errno 5); the next one succeeds.
            if attempt == 2:
                print(f"Could not look into {folder}: {error.strerror}. It is left out.")
            time.sleep(1)
    return []


def _mount_drive() -> Storage:
    from google.colab import drive

    content = Path(os.environ.get(_CONTENT[0], _CONTENT[1]))
    mount = content / "drive"
    try:
        drive.mount(str(mount))
    except Exception as error:  # Colab raises several kinds, when access is refused or times out
        raise StorageError(
            f"Google Drive was not connected ({error}). Run this cell again and allow the access "
            "that the window asks for: the voice is kept on your Drive."
        ) from error
    return Storage(root=drive_root(mount), disk=content, drive_mount=mount)


def _local_folder(folder: Path) -> Storage:
    return Storage(root=folder, disk=folder)
