"""Picking a character to train, and copying its archive to the local disk."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ponytaco.formatting import and_more, duration, file_size
from ponytaco.notebook.archive_search import find_archives, find_archives_at
from ponytaco.notebook.character_notes import add_notes, number_or_none, read_notes
from ponytaco.notebook.errors import NotebookError, explain_errors
from ponytaco.notebook.fields import bare, find_name, number
from ponytaco.notebook.public_archives import (
    ADD_THE_SHORTCUT,
    PublicArchive,
    download_archive,
    list_public_archives,
)
from ponytaco.notebook.storage import Storage, copy_with_progress
from ponytaco.notebook.widgets.chooser import Choice, Countdown, Option, choose
from ponytaco.printable import say
from ponytaco.runs.folder import Run, RunError
from ponytaco.runs.history import Column, read_history

_MOST_NAMED = 12


@dataclass(frozen=True)
class Character:
    """A character that can be trained.

    Attributes:
        name: of the archive, without .tar, and of the run.
        archive: in the storage; None if it is still to be downloaded.
        public: the public archive to download.
        n_bytes: size of the archive, if known.
        minutes: of usable speech, if known.
        last_used: seconds since 1970; 0 if never.
        step: last step of its run; None without a run.
        warm_start: weights of the older run, if the user chose to start from them.
    """

    name: str
    archive: Path | None = None
    public: PublicArchive | None = None
    n_bytes: int | None = None
    minutes: float | None = None
    last_used: float = 0.0
    step: int | None = None
    warm_start: Path | None = None

    @property
    def label(self) -> str:
        """Line of the list: the name and what is known of it."""
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


@explain_errors
def pick_character(
    storage: Storage, name: str = "", wait_seconds: float = 30, archives: str = ""
) -> Character:
    """Let the user pick a character, and wait for it.

    If the character used last has a run, it is picked by itself after a while, so that an
    unattended Run all resumes training after a disconnect.

    Args:
        storage: from ``connect_storage``.
        name: of a character to pick without asking; empty to ask.
        wait_seconds: until the last one is picked.
        archives: folder of the archives, or a .tar; empty to look for them.

    Raises:
        PonytacoError: there are no characters, or none of that name.
    """
    characters = find_characters(storage, archives) or _public_characters()
    by_name = {character.name: character for character in characters}
    if name := bare(name):
        found = find_name(name, by_name) or find_name(name.removesuffix(".tar"), by_name)
        if found is None:
            names = and_more(list(by_name), _MOST_NAMED)
            raise NotebookError(
                f"There is no archive of '{name}', only of: {names}. "
                "Empty the field 'name' to choose from a list, or fill in the archive's folder in "
                "the field 'archives'."
            )
        picked = by_name[found]
    else:
        choice = _ask(storage, characters, number("wait_seconds", wait_seconds, 30))
        picked = by_name[choice.name]
        if choice.checked and picked.step is None:
            picked = replace(picked, warm_start=storage.older_run)
    found_in = {"folder": str(picked.archive.parent)} if picked.archive else {}
    add_notes(storage, picked.name, last_used=time.time(), **found_in)
    say(f"Picked {picked.label}.")
    return picked


def find_characters(storage: Storage, archives: str = "") -> list[Character]:
    """Return the characters in the storage, last used first, then by name.

    Args:
        storage: from ``connect_storage``.
        archives: folder of the archives, or a .tar; empty to look for them.

    Raises:
        NotebookError: there are none in the folder.
    """
    notes = read_notes(storage)
    if bare(archives):
        paths = find_archives_at(storage, archives)
    else:
        folders = {facts["folder"] for facts in notes.values() if _is_path(facts.get("folder"))}
        remembered = [Path(folder) for folder in sorted(folders)[:_MOST_NAMED]]
        paths = find_archives(storage, remembered)
    runs = _names_in(storage.runs)
    found = [_describe(storage, path, notes.get(path.stem, {}), runs) for path in paths]
    return sorted(found, key=lambda c: (-c.last_used, c.name.lower()))


@explain_errors
def fetch_archive(storage: Storage, character: Character) -> Path:
    """Download a character's archive, or copy it from Drive, to the local disk.

    Args:
        storage: from ``connect_storage``.
        character: from ``pick_character``.

    Returns:
        The archive on a local disk.

    Raises:
        PonytacoError: the disk is full, or the download failed.
    """
    if character.archive is None:
        assert character.public is not None
        return download_archive(character.public, storage.disk / "archives")
    if storage.drive_mount is None:
        return character.archive
    target = storage.disk / "archives" / character.archive.name
    copy_with_progress(character.archive, target)
    return target


def _describe(
    storage: Storage, archive: Path, notes: Mapping[str, Any], runs: set[str]
) -> Character:
    # Most characters have no run: to look for each one's files would take Drive long.
    is_trained = archive.stem in runs
    trained_at, step = _progress(storage.run(archive.stem)) if is_trained else (0.0, None)
    return Character(
        name=archive.stem,
        archive=archive,
        n_bytes=archive.stat().st_size,
        minutes=number_or_none(notes.get("minutes")),
        # A run from another machine has no notes, only its checkpoint.
        last_used=number_or_none(notes.get("last_used")) or trained_at,
        step=step,
    )


def _names_in(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _progress(run: Run) -> tuple[float, int | None]:
    """Return when a run was trained last (seconds since 1970), and its last step."""
    if not run.resumable:
        return 0.0, None
    trained_at, step = 0.0, 0
    # Drive may refuse to read what only shows.
    with contextlib.suppress(OSError, RunError):
        trained_at = max(path.stat().st_mtime for path in run.voices())
    with contextlib.suppress(OSError, IndexError):
        step = int(read_history(run.history)[-1][Column.STEP])
    return trained_at, step


def _public_characters() -> list[Character]:
    say("There are no soundtools archives in the storage; looking into the public folder …")
    archives = list_public_archives()
    if not archives:
        raise NotebookError(f"The public soundtools folder seems to be empty. {ADD_THE_SHORTCUT}")
    say(ADD_THE_SHORTCUT)
    named = [Character(Path(archive.name).stem, public=archive) for archive in archives]
    return sorted(named, key=lambda character: character.name.lower())


def _ask(storage: Storage, characters: Sequence[Character], wait_seconds: float) -> Choice:
    last, countdown, checkbox = characters[0], None, ""
    if last.step is not None:
        announcement = f"{last.name} continues from step {last.step:,}"
        countdown = Countdown(last.name, wait_seconds, announcement)
    if storage.older_run is not None:
        age = duration(time.time() - storage.older_run.stat().st_mtime)
        checkbox = f"Start a new voice from the older run, colab/current_model ({age} old)"
    return choose(
        [Option(character.name, character.label) for character in characters],
        "Which character do you want to train?",
        "Use this character",
        countdown,
        checkbox,
    )
