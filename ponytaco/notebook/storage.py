"""Storage of voices and archives: Google Drive on Colab, a folder elsewhere."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ponytaco.formatting import file_size
from ponytaco.io.atomic import atomic_write
from ponytaco.notebook.environment import in_colab
from ponytaco.notebook.errors import NotebookError, explain_errors
from ponytaco.printable import printable, say
from ponytaco.runs.folder import Run

# The machine's own disk on Colab; tests move it by this environment variable.
_CONTENT = "PONYTACO_CONTENT", "/content"

# Where soundtools archives lie, relative to the folder that has the soundtools folder; best first.
_PLACES = (
    "soundtools/data/audio-trimmed-22khz",
    "soundtools/audio-trimmed-22khz",
    "data/audio-trimmed-22khz",
    "audio-trimmed-22khz",
    "soundtools",
)

_COPY_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Storage:
    """Where a notebook keeps its files.

    Attributes:
        root: lasting storage: the top level of Drive on Colab, a folder elsewhere.
        disk: fast local disk, for what can be made again.
        drive_mount: mount point of Drive; None without Drive.
    """

    root: Path
    disk: Path
    drive_mount: Path | None = None

    @property
    def runs(self) -> Path:
        """Folder with the run folders of all voices."""
        return self.root / "colab"

    @property
    def older_run(self) -> Path | None:
        """Checkpoint of the older, flat layout, ``colab/current_model``, if there is one."""
        path = self.runs / "current_model"
        return path if path.is_file() else None

    @property
    def archives(self) -> Path:
        """Folder for the user's own archives."""
        return self.root / _PLACES[0]

    def run(self, character: str) -> Run:
        """Return a character's run; with Drive, saves are written to the local disk first."""
        scratch = self.disk / "saves" / character if self.drive_mount else None
        return Run(self.runs / character, scratch)

    def dataset(self, character: str) -> Path:
        """Return a character's dataset folder, on the local disk: Drive is slow with many files."""
        return self.disk / "datasets" / character

    def resolve(self, path: str) -> Path:
        """Return the path that a form's field names, relative to the root."""
        return self.root / Path(path.strip()).expanduser()


@explain_errors
def connect_storage(folder: str = "~/ponytaco") -> Storage:
    """Mount Google Drive on Colab; elsewhere use a folder, and make it if it is missing.

    Args:
        folder: ignored on Colab.

    Raises:
        NotebookError: access to Drive was refused, or the folder cannot be made.
    """
    local = Path(folder).expanduser()
    storage = _mount_drive() if in_colab() else Storage(root=local, disk=local)
    try:
        storage.runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotebookError(
            f"Cannot make the folder {storage.runs}: {error.strerror}. "
            "Is the disk full, or is there a file of that name?"
        ) from error
    kept = "colab in your Drive" if storage.drive_mount else str(storage.runs)
    say(f"Connected. Voices are kept in {kept}.")
    return storage


def drive_root(mount: Path) -> Path:
    """Return the top level of a mounted Drive, whose name has changed over the years.

    Raises:
        NotebookError: there is none.
    """
    for name in ("MyDrive", "My Drive"):
        if (mount / name).is_dir():
            return mount / name
    raise NotebookError(
        f"Google Drive is mounted at {mount}, but has no folder MyDrive. "
        "Choose Runtime > Disconnect and delete runtime, then Run all."
    )


def find_archives(storage: Storage) -> list[Path]:
    """Find soundtools archives in the usual places: own folders, shared drives, shortcuts.

    Returns:
        One archive per name, from the first place that has it, sorted by name.
    """
    found: dict[str, Path] = {}
    for holder in _holders(storage):
        for place in _PLACES:
            for path in _tars(holder / place):
                found.setdefault(path.stem, path)
    for path in _tars(storage.root):
        found.setdefault(path.stem, path)
    return [found[name] for name in sorted(found, key=str.lower)]


def copy_with_progress(source: Path, target: Path) -> None:
    """Copy a large file with a progress bar, unless the target has its size already.

    The target appears only when it is complete.

    Raises:
        NotebookError: there is not enough room.
    """
    size = source.stat().st_size
    if target.is_file() and target.stat().st_size == size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise NotebookError(
            f"{target.name} needs {file_size(size)}, but {target.parent} has only "
            f"{file_size(free)} left. Make room there, then run this cell again."
        )
    name = printable(source.name)
    with (
        atomic_write(target) as partial,
        source.open("rb") as reader,
        partial.open("wb") as writer,
        tqdm(total=size, unit="B", unit_scale=True, desc=f"Copying {name}") as bar,
    ):
        while block := reader.read(_COPY_BYTES):
            writer.write(block)
            bar.update(len(block))


def _holders(storage: Storage) -> Iterator[Path]:
    """Yield the folders that may hold a soundtools folder."""
    yield storage.root
    if storage.drive_mount is not None:
        # Drive mounts the target of a shortcut under the target's id, beside MyDrive.
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
    """Return the entries of a folder by name; none if there is no such folder."""
    for attempt in (1, 2):
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            # Drive's first listing of a large folder times out (Errno 5); the next one succeeds.
            if attempt == 2:
                say(f"Could not look into {folder}: {error.strerror}. It is skipped.")
            time.sleep(1)
    return []


def _mount_drive() -> Storage:
    from google.colab import drive

    content = Path(os.environ.get(_CONTENT[0], _CONTENT[1]))
    mount = content / "drive"
    try:
        drive.mount(str(mount))
    except Exception as error:  # of several classes, when access is refused or times out
        raise NotebookError(
            f"Google Drive was not connected ({error}). Run this cell again and allow access in "
            "the window that opens: your voices are kept on your Drive."
        ) from error
    return Storage(root=drive_root(mount), disk=content, drive_mount=mount)
