"""A run's folder: the names of its files, and the checkpoints to resume and to speak with."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ponytaco.errors import PonytacoError, disk_problem
from ponytaco.formatting import and_more
from ponytaco.io.atomic import atomic_write
from ponytaco.io.store.files import attempts, files_named, is_there

# Seconds to wait before asking again whether there are models: Drive needs a few now and then.
_DELAYS = (1.0, 5.0)
# Voices that one message names.
_MOST_NAMED = 12

# What people give by mistake instead of a voice.
_OTHER_FILES = frozenset(
    {".wav", ".flac", ".mp3", ".txt", ".csv", ".json", ".toml", ".png", ".gif", ".zip", ".html"}
)


class RunError(PonytacoError):
    """A folder does not hold a run, or cannot hold one."""


@dataclass(frozen=True)
class Run:
    """The paths of a run's files. Creating a ``Run`` touches nothing on the disk.

    Attributes:
        folder: the run's folder, local or on Drive, such as ``colab/<Character>``.
        scratch: if ``folder`` is on Drive, a folder on the local disk for this run alone: saves
            are written there and copied in the background.
    """

    folder: Path
    scratch: Path | None = None

    @property
    def current_model(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "current_model"

    @property
    def best_model(self) -> Path:
        """The checkpoint of the best validation."""
        return self.folder / "best_model"

    @property
    def earlier_best(self) -> Path:
        """The best model of before the data set changed or the adversarial training began."""
        return self.folder / "best_model.before"

    @property
    def saves(self) -> Path:
        """The folder of the save before the newest, and of those left by a killed session."""
        return self.folder / "saves"

    @property
    def config(self) -> Path:
        """The run's settings as JSON, for people to read; the checkpoint has them, too."""
        return self.folder / "config.json"

    @property
    def history(self) -> Path:
        """Losses and scores by step."""
        return self.folder / "history.csv"

    @property
    def alignments(self) -> Path:
        """The folder of the attention pictures, one per validation."""
        return self.folder / "alignments"

    @property
    def samples(self) -> Path:
        """The folder of the spoken samples, one per validation."""
        return self.folder / "samples"

    @property
    def evaluation(self) -> Path:
        """The folder of the pages and reports of ``ponytaco evaluate``; beside a voice's file."""
        if self.folder.is_file():
            return self.folder.with_name(f"{self.folder.stem}_evaluation")
        return self.folder / "evaluation"

    @property
    def evaluation_report(self) -> Path:
        """The evaluation as JSON."""
        return self.evaluation / "report.json"

    @property
    def quick_report(self) -> Path:
        """The quick evaluation as JSON."""
        return self.evaluation / "quick.json"

    def picture(self, step: int) -> Path:
        """Return the path of a validation's picture."""
        return self.alignments / f"step-{step:06d}.png"

    def sample(self, step: int) -> Path:
        """Return the path of a validation's spoken sample."""
        return self.samples / f"step-{step:06d}.wav"

    @property
    def resumable(self) -> bool:
        """Whether there is a save to resume from: any model that a new run would replace.

        Raises:
            OSError: if the disk does not tell.
        """
        return bool(self.models() or self._saves_named("best-step-*", "unread-*", ".old-best"))

    def models(self) -> list[Path]:
        """List the checkpoints: the best, the newest, then older ones; none before the first.

        Raises:
            OSError: if the disk does not tell.
        """

        def models() -> list[Path]:
            newest = [path for path in (self.best_model, self.current_model) if is_there(path)]
            return [*newest, *self._saves_named("step-*")]

        return attempts(models, _DELAYS)

    def _saves_named(self, *patterns: str) -> list[Path]:
        """List the files of these names among the saves, the newest first."""
        folders = [folder for folder in (self.saves, self.scratch) if folder is not None]
        files = [path for folder in folders for name in patterns
                 for path in files_named(folder, name)]  # fmt: skip
        return sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)

    def require_apart_from(self, datasets: Sequence[Path]) -> None:
        """Refuse a run's folder inside a dataset, where its files would be among the clips.

        Raises:
            RunError: if the folder lies in one of the datasets.
        """
        here = self.folder.resolve()
        for dataset in datasets:
            if dataset.resolve() in here.parents:
                raise RunError(
                    f"The run's folder {self.folder} lies in the dataset {dataset}. Give the run "
                    f"a folder of its own, such as runs/{dataset.resolve().name}."
                )

    def prepare(self) -> None:
        """Make the run's folder, and the folders inside as far as the disk lets it.

        Raises:
            RunError: if it cannot be made, is a dataset, or has a folder in a model's place.
        """
        if (self.folder / "train.txt").is_file():
            raise RunError(
                f"{self.folder} is a dataset folder. Give the run a folder of its own, such as "
                f"runs/{self.folder.name}."
            )
        for path in (self.current_model, self.best_model):
            if path.is_dir():
                raise RunError(f"{path} is a folder, where the voice must go. Move it elsewhere.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"Cannot make the run's folder {self.folder}: {error.strerror}. "
                "Choose another folder."
            ) from None
        for folder in (self.alignments, self.samples):
            with contextlib.suppress(OSError):  # said when a picture cannot be written
                folder.mkdir(exist_ok=True)

    def keep_earlier_best(self) -> None:
        """Move the best model aside, to ``earlier_best``, before another takes its place.

        The only model of a run is copied instead: one must be left to resume from.

        Raises:
            OSError: if it cannot be moved or copied.
        """
        if not self.best_model.is_file():
            return
        # Emptied first: what is replaced or removed lies in Drive's trash at its full size.
        if self.earlier_best.is_file():
            os.truncate(self.earlier_best, 0)
        if self.current_model.is_file():
            os.replace(self.best_model, self.earlier_best)
        else:
            with atomic_write(self.earlier_best, durable=True) as temporary:
                shutil.copyfile(self.best_model, temporary)

    def voices(self) -> list[Path]:
        """List the checkpoints as ``models``, to speak with.

        Raises:
            RunError: if there is none.
        """
        found = self.models()
        if not found:
            raise RunError(_why_no_voice(self))
        return found

    def voice(self) -> Path:
        """Return the checkpoint to speak with: the best, or else the newest.

        Raises:
            RunError: if there is none.
        """
        return self.voices()[0]


def voice_files(path: Path) -> list[Path]:
    """List the files to speak with at a path, the best first.

    Args:
        path: a checkpoint or a shared voice, then the only one; or a run's folder.

    Raises:
        RunError: if there is none; the message names what is there instead.
    """
    if path.is_file() and path.suffix.lower() == ".tar":
        raise RunError(
            f"{path} is an archive of clips, not a voice. Make one of it first: ponytaco prepare "
            f"{path} data/{path.stem}"
        )
    if path.is_file() and path.suffix.lower() in _OTHER_FILES:
        raise RunError(
            f"{path} is not a voice. Give a run's folder, a checkpoint, or a shared X.voice."
        )
    return [path] if path.is_file() else Run(path).voices()


def _why_no_voice(run: Run) -> str:
    """Return what is there instead of a run that can speak, and what to do next."""
    folder = run.folder
    if folder.is_file():
        return f"{folder} is a file. Give the folder that ponytaco train made."
    if not folder.is_dir():
        found = f"There is nothing at {folder}."
        names = voices_in(folder.parent)
        if not names and folder.suffix in (".pt", ".pth", ".voice"):  # meant to be a file
            return f"{found} Check the name."
        if not names:
            return f"{found} Check the name, or train a voice: ponytaco train DATASET {folder}"
        close = difflib.get_close_matches(folder.name, names, n=1)
        meant = f" Did you mean {folder.parent / close[0]}?" if close else ""
        return f"{found}{meant} The voices in {folder.parent} are: {and_more(names, _MOST_NAMED)}."
    if (folder / "train.txt").is_file():
        return (
            f"{folder} is a dataset, not a voice. Train a voice with: "
            f"ponytaco train {folder} runs/{folder.name}"
        )
    names = voices_in(folder)
    if names:
        these = and_more(names, _MOST_NAMED)
        return f"{folder} is a folder of voices: {these}. Give one, such as {folder / names[0]}."
    if run.config.is_file():
        return (
            f"The run in {folder} has not saved a voice yet. Train it longer: "
            f"ponytaco train DATASET {folder}"
        )
    return f"There is no trained voice in {folder}. Train one with: ponytaco train DATASET {folder}"


def voices_in(folder: Path) -> list[str]:
    """List the names of the runs that can speak and of the shared voices in a folder."""
    try:
        return sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix == ".voice"
            or (path / "current_model").is_file()
            or (path / "best_model").is_file()
        )
    except OSError:  # the folder does not exist or is not readable
        return []


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        RunError: if it cannot be written.
    """
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"Cannot write {path}: {disk_problem(error)}") from None
