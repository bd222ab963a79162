"""Own recordings: finding them on the storage, and putting the finished archive there."""

from __future__ import annotations

import re
from pathlib import Path

from ponytaco.notebook.characters import copy_whole
from ponytaco.notebook.environment import friendly
from ponytaco.notebook.storage import Storage, StorageError


@friendly
def own_recordings(storage: Storage, place: str, character: str) -> Path:
    """The folder or the tar that a form names.

    Args:
        storage: of ``connect_storage``.
        place: as 'my recordings' or 'my recordings/Me.tar'; counts from the storage's root.
        character: how the voice will be called.

    Raises:
        NotebookError: a field is empty or wrong, or there is no such thing.
    """
    if not re.fullmatch(r"[\w][\w .'()-]*", character) or character != character.strip():
        raise StorageError(
            f"'{character}' cannot name a voice. Use letters, digits, spaces, and . ' ( ) -"
        )
    if not place.strip():
        raise StorageError(
            "Fill in where the recordings are: a folder with a .txt beside each .wav or .flac, a "
            f"folder with a metadata.csv, or a soundtools .tar. It counts from {storage.root}."
        )
    path = storage.root / Path(place.strip()).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix.lower() == ".tar"):
        return path
    if path.is_file():
        raise StorageError(f"{path} is neither a folder nor a .tar. Unpack it into a folder first.")
    raise StorageError(f"There is no {path}. Check the name; on Drive, small and capital letters.")


@friendly
def save_archive(storage: Storage, archive: Path, character: str) -> Path:
    """Put an archive where the training notebook finds it.

    Args:
        storage: of ``connect_storage``.
        archive: the finished tar, on the local disk.
        character: how the voice will be called.

    Returns:
        Its place on the storage.

    Raises:
        NotebookError: there is no room.
    """
    target = storage.archives / f"{character}.tar"
    if target != archive:
        # Another archive of the same size would otherwise count as copied already.
        target.unlink(missing_ok=True)
        copy_whole(archive, target)
    print(f"Saved as {target}. Now open Training.ipynb, run all, and choose {character}.")
    return target
