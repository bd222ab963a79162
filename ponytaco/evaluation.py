"""A finished run -> its scores on the validation clips."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ponytaco.checkpoint import load_checkpoint
from ponytaco.dataset import open_datasets
from ponytaco.filelists import FilelistError, read_dataset
from ponytaco.run import Run, write_whole
from ponytaco.training import choose_device
from ponytaco.validation import Validation, save_pictures, validate


@dataclass(frozen=True)
class Evaluation:
    """A run's scores, and where they are written."""

    validation: Validation
    n_clips: int
    report: Path


def evaluate(run: Run, dataset_folder: Path | None = None, device: str = "auto") -> Evaluation:
    """Score a run's voice on validation clips and write ``evaluation.json``.

    Args:
        run: what to score; its best checkpoint, or else its newest.
        dataset_folder: the clips; where the run was trained if left out.
        device: 'auto', 'cpu', 'cuda' ….

    Raises:
        RunError, CheckpointError: there is no usable checkpoint.
        FilelistError: the data set is not usable, or is no longer where it was.
    """
    checkpoint = load_checkpoint(run.voice())
    folder = dataset_folder or Path(checkpoint.dataset)
    if dataset_folder is None and not (checkpoint.dataset and folder.is_dir()):
        raise FilelistError(
            f"The run was trained on {folder}, which is not there now. "
            "Name the data set: ponytaco evaluate RUN --data FOLDER"
        )
    data = open_datasets(
        read_dataset(folder),
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
