"""Picking the character to train, and bringing its archive to the local disk."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ponytaco.formatting import duration, file_size
from ponytaco.io.download import FetchError
from ponytaco.notebook.character_notes import note, number, recall
from ponytaco.notebook.environment import friendly
from ponytaco.notebook.public_archives import (
    ADD_THE_SHORTCUT,
    PublicArchive,
    download_archive,
    list_public_archives,
)
from ponytaco.notebook.storage import Storage, StorageError, find_archives
from ponytaco.notebook.widgets.chooser import Countdown, Option, Picked, pick
from ponytaco.runs.history import read_history

_COPY_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Character:
    """A character that can be trained.

    Attributes:
        name: the archive's name without .tar; also the run's.
        archive: the archive on the storage; None when it is still to be downloaded.
        public: where it can be downloaded from.
        n_bytes: the archive's size, where known.
        minutes: of usable speech, where known.
        last_used: seconds since 1970; 0 if never.
        step: steps trained so far; None without a run.
        begin_with: the older run's weights to begin with, if chosen.
    """

    name: str
    archive: Path | None = None
    public: PublicArchive | None = None
    n_bytes: int | None = None
    minutes: float | None = None
    last_used: float = 0.0
    step: int | None = None
    begin_with: Path | None = None

    @property
    def label(self) -> str:
        """The name with what is known, for the list."""
        known = []
        if self.step is not None:
            known.append(f"trained to step {self.step:,}")
        if self.minutes is not None:
            known.append(f"{self.minutes:.0f} minutes of speech")
        if self.n_bytes is not None:
            known.append(file_size(self.n_bytes))
        if self.public is not None:
            known.append("to download")
        return f"{self.name} ({', '.join(known)})" if known else self.name


@friendly
def pick_character(storage: Storage, name: str = "", wait_seconds: float = 30) -> Character:
    """Let the user pick a character, and wait for it.

    When the last used character has a run to resume, it is picked by itself after a while, so
    that an unattended Run all goes on after a disconnect.

    Args:
        storage: of ``connect_storage``.
        name: picks this one without asking.
        wait_seconds: before the last used character goes on.

    Raises:
        NotebookError: there is no character, or none of that name.
    """
    characters = find_characters(storage) or _public_characters()
    by_name = {character.name: character for character in characters}
    if name:
        chosen = by_name.get(name.strip().removesuffix(".tar"))
        if chosen is None:
            raise StorageError(
                f"There is no archive of '{name}'. There are: {', '.join(by_name)}. "
                "Empty the field to choose from a list."
            )
    else:
        picked = _ask(storage, characters, wait_seconds)
        chosen = by_name[picked.name]
        if picked.ticked and chosen.step is None:
            chosen = replace(chosen, begin_with=storage.older_run)
    note(storage, chosen.name, last_used=time.time())
    print(f"Picked {chosen.label}.")
    return chosen


def find_characters(storage: Storage) -> list[Character]:
    """The characters on the storage, last used first, then by name."""
    known = recall(storage)
    found = [_describe(storage, path, known.get(path.stem, {})) for path in find_archives(storage)]
    return sorted(found, key=lambda c: (-c.last_used, c.name.lower()))


@friendly
def fetch_archive(character: Character, storage: Storage) -> Path:
    """Bring a character's archive to the local disk, where reading is fast.

    Args:
        character: of ``pick_character``.
        storage: of ``connect_storage``.

    Returns:
        The archive; where it lies already, away from Drive.

    Raises:
        NotebookError: the disk is full, or the download failed.
    """
    if character.archive is None:
        assert character.public is not None
        return download_archive(character.public, storage.disk / "archives")
    if storage.drive_mount is None:
        return character.archive
    return copy_whole(character.archive, storage.disk / "archives" / character.archive.name)


def copy_whole(source: Path, target: Path) -> Path:
    """Copy a large file with a bar, unless it is there; it appears only when it is complete.

    Raises:
        StorageError: there is no room.
    """
    size = source.stat().st_size
    if target.is_file() and target.stat().st_size == size:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise StorageError(
            f"{target.name} needs {file_size(size)}, and {target.parent} has {file_size(free)} "
            "free. Make room there, and run this cell again."
        )
    partial = target.with_name(f".{target.name}.partial")
    try:
        with (
            source.open("rb") as reader,
            partial.open("wb") as writer,
            tqdm(total=size, unit="B", unit_scale=True, desc=f"Copying {source.name}") as bar,
        ):
            while block := reader.read(_COPY_BYTES):
                writer.write(block)
                bar.update(len(block))
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _describe(storage: Storage, archive: Path, known: Mapping[str, Any]) -> Character:
    run = storage.run(archive.stem)
    rows = read_history(run.history) if run.resumable else []
    return Character(
        name=archive.stem,
        archive=archive,
        n_bytes=archive.stat().st_size,
        minutes=number(known.get("minutes")),
        # A run that was started elsewhere is known by its checkpoint alone.
        last_used=number(known.get("last_used"))
        or (run.current_model.stat().st_mtime if run.resumable else 0.0),
        step=(int(rows[-1]["step"]) if rows else 0) if run.resumable else None,
    )


def _public_characters() -> list[Character]:
    print("There are no soundtools archives on the storage; looking into the public folder …")
    try:
        archives = list_public_archives()
    except FetchError as error:
        raise StorageError(str(error)) from error
    if not archives:
        raise StorageError(f"The public soundtools folder seems to be empty. {ADD_THE_SHORTCUT}")
    print(ADD_THE_SHORTCUT)
    named = [Character(Path(archive.name).stem, public=archive) for archive in archives]
    return sorted(named, key=lambda character: character.name.lower())


def _ask(storage: Storage, characters: Sequence[Character], wait_seconds: float) -> Picked:
    first, countdown, question = characters[0], None, ""
    if first.step is not None:
        promise = f"{first.name} goes on at step {first.step:,}"
        countdown = Countdown(first.name, wait_seconds, promise)
    if storage.older_run is not None:
        age = duration(time.time() - storage.older_run.stat().st_mtime)
        question = (
            f"Begin a new voice with the older run's weights: colab/current_model ({age} old)"
        )
    return pick(
        [Option(character.name, character.label) for character in characters],
        "Which character shall speak?",
        "Use this character",
        countdown,
        question,
    )
