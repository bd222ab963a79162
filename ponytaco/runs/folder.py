"""A run's folder: what is where, its history, and whether there is something to resume."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ponytaco.errors import PonytacoError
from ponytaco.io.atomic import atomic_write


class RunError(PonytacoError):
    """A folder is not a run's, or cannot be one."""


@dataclass(frozen=True)
class Run:
    """Where a run keeps its files; making one touches nothing.

    Attributes:
        folder: local, or on Drive as ``colab/<Character>``.
        scratch: a folder of this run alone on the local disk, where ``folder`` is on Drive:
            saves are written there and copied beside training.
    """

    folder: Path
    scratch: Path | None = None

    @property
    def current_model(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "current_model"

    @property
    def best_model(self) -> Path:
        """The checkpoint that validated best."""
        return self.folder / "best_model"

    @property
    def saves(self) -> Path:
        """The save before the newest, and what a session left that was cut off."""
        return self.folder / "saves"

    @property
    def config(self) -> Path:
        """The run's settings, as json, for people to read; the checkpoint has them too."""
        return self.folder / "config.json"

    @property
    def history(self) -> Path:
        """Losses and scores by step."""
        return self.folder / "history.csv"

    @property
    def alignments(self) -> Path:
        """Pictures of the attention, one a validation."""
        return self.folder / "alignments"

    @property
    def samples(self) -> Path:
        """Spoken samples, one a validation."""
        return self.folder / "samples"

    @property
    def evaluation(self) -> Path:
        """What ``ponytaco evaluate`` wrote: pages and reports."""
        return self.folder / "evaluation"

    @property
    def evaluation_report(self) -> Path:
        """The evaluation, for programs."""
        return self.evaluation / "report.json"

    @property
    def quick_report(self) -> Path:
        """The same of a first look."""
        return self.evaluation / "quick.json"

    def picture(self, step: int) -> Path:
        """A validation's picture."""
        return self.alignments / f"step-{step:06d}.png"

    def sample(self, step: int) -> Path:
        """A validation's spoken sample."""
        return self.samples / f"step-{step:06d}.wav"

    @property
    def resumable(self) -> bool:
        """Whether there is something to resume."""
        return self.current_model.is_file() or bool(self._other_saves())

    def _other_saves(self) -> list[Path]:
        """Saves that are not (yet) current, the newest first."""
        folders = [folder for folder in (self.saves, self.scratch) if folder is not None]
        paths = [path for folder in folders for path in folder.glob("step-*") if path.is_file()]
        return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)

    def require_apart_from(self, datasets: Sequence[Path]) -> None:
        """Refuse to lie in a data set, where the run's files would be among its clips.

        Raises:
            RunError: naming the data set.
        """
        here = self.folder.resolve()
        for dataset in datasets:
            if dataset.resolve() in here.parents:
                raise RunError(
                    f"The run's folder {self.folder} lies in the data set {dataset}. Give the run "
                    f"a folder of its own, as runs/{dataset.resolve().name}."
                )

    def prepare(self) -> None:
        """Make the folder and those inside it.

        Raises:
            RunError: they cannot be made, or the folder is a data set's.
        """
        if (self.folder / "train.txt").is_file():
            raise RunError(
                f"{self.folder} is a dataset folder. Give the run a folder of its own, as "
                f"runs/{self.folder.name}."
            )
        try:
            for folder in (self.folder, self.alignments, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"Cannot make the run's folder {self.folder}: {error.strerror}. "
                "Choose another folder."
            ) from None

    def voices(self) -> list[Path]:
        """The checkpoints to speak with, the best first, then the newest and those before it.

        Raises:
            RunError: there is none.
        """
        paths = (self.best_model, self.current_model, *self._other_saves())
        found = [path for path in paths if path.is_file()]
        if not found:
            raise RunError(_why_no_voice(self))
        return found

    def voice(self) -> Path:
        """The checkpoint to speak with: the best, or else the newest.

        Raises:
            RunError: there is neither.
        """
        return self.voices()[0]


def voice_files(path: Path) -> list[Path]:
    """The files to speak with that a path names, the best first.

    Args:
        path: a checkpoint or a shared voice, which is the only one then; or a run's folder.

    Raises:
        RunError: there is none; the text says what is there instead.
    """
    return [path] if path.is_file() else Run(path).voices()


def _why_no_voice(run: Run) -> str:
    """What is in place of a run that can speak, and what to do."""
    folder = run.folder
    if folder.is_file():
        return f"{folder} is a file. Give the folder that ponytaco train made."
    if not folder.is_dir():
        found = f"There is nothing at {folder}."
        names = _voices_in(folder.parent)
        if not names and folder.suffix in (".pt", ".pth", ".voice"):  # meant to be a file
            return f"{found} Check the name."
        if not names:
            return f"{found} Check the name, or train a voice: ponytaco train DATASET {folder}"
        close = difflib.get_close_matches(folder.name, names, n=1)
        meant = f" Did you mean {folder.parent / close[0]}?" if close else ""
        return f"{found}{meant} The voices in {folder.parent} are: {_few(names)}."
    if (folder / "train.txt").is_file():
        return (
            f"{folder} is a data set: clips, and no voice. Train one with: "
            f"ponytaco train {folder} runs/{folder.name}"
        )
    names = _voices_in(folder)
    if names:
        return f"{folder} is no voice, but has these: {_few(names)}. Give {folder / names[0]}."
    if run.config.is_file():
        return (
            f"The run in {folder} has saved no voice yet. Train it longer: "
            f"ponytaco train DATASET {folder}"
        )
    return f"There is no trained voice in {folder}. Train one with: ponytaco train DATASET {folder}"


def _voices_in(folder: Path) -> list[str]:
    """Names of the runs that can speak and of the shared voices in a folder."""
    try:
        return sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix == ".voice"
            or (path / "current_model").is_file()
            or (path / "best_model").is_file()
        )
    except OSError:  # there is no such folder, or it is not ours to read
        return []


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


# Voices that one message names.
_MOST_NAMED = 12


def write_text(path: Path, text: str) -> None:
    """Write a text file; it is there whole or as it was before."""
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"Cannot write {path}: {error.strerror}. Is the disk full?") from None
