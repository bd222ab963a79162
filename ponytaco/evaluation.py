"""A finished run -> its scores on the validation clips."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ponytaco.checkpoint import load_checkpoint
from ponytaco.dataset import open_datasets
from ponytaco.device import choose_device
from ponytaco.filelists import FilelistError, listed, read_datasets
from ponytaco.run import Run, write_whole
from ponytaco.validation import Validation, save_pictures, validate


@dataclass(frozen=True)
class Evaluation:
    """A run's scores, and where they are written."""

    validation: Validation
    n_clips: int
    report: Path


def evaluate(
    run: Run, dataset_folder: Path | Sequence[Path] | None = None, device: str = "auto"
) -> Evaluation:
    """Score a run's voice on validation clips and write ``evaluation.json``.

    Args:
        run: what to score; its best checkpoint, or else its newest.
        dataset_folder: the clips, in one or several folders; where the run was trained if left
            out.
        device: 'auto', 'cpu', 'cuda' ….

    Raises:
        RunError, CheckpointError: there is no usable checkpoint.
        FilelistError: the data set is not usable, or is no longer where it was.
    """
    checkpoint = load_checkpoint(run.voice())
    folders = checkpoint.dataset_folders
    if dataset_folder is not None:
        folders = listed(dataset_folder)
    elif not folders or not all(folder.is_dir() for folder in folders):
        gone = next((folder for folder in folders if not folder.is_dir()), "an unknown data set")
        raise FilelistError(
            f"The run was trained on {gone}, which is not there now. "
            "Name the data set: ponytaco evaluate RUN --data FOLDER"
        )
    data = open_datasets(
        read_datasets(folders),
        checkpoint.config.audio,
        checkpoint.symbols,
        checkpoint.config.train.cleaner,
    )
    chosen = choose_device(device)
    model = checkpoint.build_model().to(chosen)
    validation = validate(model, data.val, checkpoint.config, checkpoint.progress.step, chosen)
    save_pictures(validation, run, checkpoint.config.audio)
    report = run.folder / "evaluation.json"
    content = {
        "step": validation.step,
        "clips": len(data.val),
        "loss": validation.loss,
        "teacher_forced": dataclasses.asdict(validation.teacher_forced),
        "free": dataclasses.asdict(validation.free),
        "aligned": validation.free.aligned,
        "stopped": validation.stopped,
        "first_aligned": checkpoint.progress.first_aligned,
    }
    write_whole(report, json.dumps(content, indent=2) + "\n")
    return Evaluation(validation, len(data.val), report)
