"""Storage of voices and archives: Google Drive on Colab, a folder elsewhere."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ponytaco.formatting import file_size
from ponytaco.io.atomic import atomic_write
from ponytaco.notebook.environment import in_colab
from ponytaco.notebook.errors import NotebookError, explain_errors
from ponytaco.notebook.fields import bare
from ponytaco.printable import printable, say
from ponytaco.runs.folder import Run

# The machine's own disk on Colab; tests move it by this environment variable.
_CONTENT = "PONYTACO_CONTENT", "/content"

ARCHIVES = "soundtools/data/audio-trimmed-22khz"
"""Where the user's own archives are kept, seen from the root."""

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
        return self.root / ARCHIVES

    def require_connected(self) -> None:
        """Check that Drive is there: a voice begun anew in its empty mount point is lost.

        Raises:
            NotebookError: it is not.
        """
        if self.drive_mount is not None and not self.root.is_dir():
            raise NotebookError(
                "Google Drive is not connected any more, and your voices are there. Run the cell "
                "'2. Connect storage' again, then this one."
            )

    def run(self, character: str) -> Run:
        """Return a character's run; with Drive, saves are written to the local disk first."""
        scratch = self.disk / "saves" / character if self.drive_mount else None
        return Run(self.runs / character, scratch)

    def dataset(self, character: str) -> Path:
        """Return a character's dataset folder, on the local disk: Drive is slow with many files."""
        return self.disk / "datasets" / character

    def resolve(self, path: str) -> Path:
        """Return the path that a form's field names, relative to the root.

        It may stand in quotes, and begin with Drive's own name, as in 'MyDrive/soundtools'.
        """
        path = bare(path)
        if self.drive_mount is not None:
            path = re.sub(r"^/?(content/)?(drive/)?My ?Drive(/|$)", "", path)
        return self.root / os.path.expanduser(path)


@explain_errors
def connect_storage(folder: str = "~/ponytaco") -> Storage:
    """Mount Google Drive on Colab; elsewhere use a folder, and make it if it is missing.

    Args:
        folder: ignored on Colab.

    Raises:
        NotebookError: access to Drive was refused, or the folder cannot be made.
    """
    local = Path(os.path.expanduser(bare(folder) or "~/ponytaco"))
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
