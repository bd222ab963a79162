"""Saving and loading the full-size model, compared with torch.save and with raw bytes.

``python -m benchmarks.checkpoint [--quick] [--save]``
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import torch

from benchmarks.report import Report, options
from ponytaco.checkpoint.format import (
    Checkpoint,
    load_checkpoint,
    new_model,
    save_checkpoint,
    verified_checkpoint,
    write_checkpoint,
)
from ponytaco.io.store.files import Files, copy, digest
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS
from ponytaco.timing import take_turns
from ponytaco.training.resume import open_store


def main() -> None:
    """Print the table."""
    arguments = options(__doc__).parse_args()
    report = Report("benchmarks.checkpoint", "Saving and loading a run")
    name = "small" if arguments.quick else "full"
    checkpoint = _checkpoint(name)
    with tempfile.TemporaryDirectory() as folder:
        _measure(report, name, checkpoint, Path(folder), arguments.rounds)
    if arguments.save:
        report.save()


def _measure(report: Report, name: str, checkpoint: Checkpoint, folder: Path, rounds: int) -> None:
    path, plain, raw = folder / "ours", folder / "plain", folder / "raw"
    save_checkpoint(path, checkpoint)
    content = path.read_bytes()
    loaded = torch.load(path, weights_only=True)
    torch.save(loaded, plain)

    def write_raw() -> None:
        with raw.open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())

    write_raw()
    run = Run(folder / "run")
    run.folder.mkdir()
    store = open_store(run, print)

    def save_into_store() -> None:
        checkpoint.run_state.step += 1
        if not store.save(lambda p: write_checkpoint(p, checkpoint), checkpoint.run_state.step):
            raise RuntimeError(store.problem)

    timings = take_turns(
        {
            "raw": write_raw,
            "read": raw.read_bytes,
            "torch.save": lambda: torch.save(loaded, plain),
            "save_checkpoint": lambda: save_checkpoint(path, checkpoint),
            "store": save_into_store,
            "copy": lambda: copy(Files(), path, folder / "copy"),
            "shutil.copyfile": lambda: shutil.copyfile(path, folder / "copy"),
            "digest": lambda: digest(path),
            "torch.load": lambda: torch.load(path, weights_only=True),
            "load_checkpoint": lambda: load_checkpoint(path),
            "verified_checkpoint": lambda: verified_checkpoint(path),
            "store.load": store.load,
            "build": lambda: load_checkpoint(path).build_model(),
        },
        rounds,
    )
    report.log(
        f"Preset '{name}' with its optimizer: {len(content) / 1e6:.0f} MB, of which the median of "
        f"{rounds} raw writes, flushed to the disk, took {timings.median('raw'):.2f} s."
    )
    against = [
        ("save_checkpoint, flushed and whole", "save_checkpoint", "raw"),
        ("save_checkpoint", "save_checkpoint", "torch.save"),
        ("Store.save: written, verified, pointed to", "store", "raw"),
        ("Store.save", "store", "save_checkpoint"),
        ("copy, flushed", "copy", "raw"),
        ("digest (sha256)", "digest", "read"),
        ("load_checkpoint", "load_checkpoint", "torch.load"),
        ("verified_checkpoint: checksums, shapes, numbers", "verified_checkpoint", "torch.load"),
        ("Store.load", "store.load", "torch.load"),
        ("load_checkpoint and build_model", "build", "torch.load"),
    ]
    report.table(
        ["work", "against", "times as long", "seconds"],
        [
            [
                label,
                "the bytes written" if to == "raw" else "the bytes read" if to == "read" else to,
                timings.ratio(key, to=to),
                timings.median(key),
            ]
            for label, key, to in against
        ],
    )


def _checkpoint(name: str) -> Checkpoint:
    config = preset(name)
    model = new_model(config)
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # creates its state
    return Checkpoint(
        config=config,
        state_dict=model.state_dict(),
        symbols=SYMBOLS,
        ctc_symbols=CTC_SYMBOLS,
        mean_frame=torch.zeros(config.audio.n_mels),
        run_state=RunState(step=1000),
        trained={name: value.clone() for name, value in model.state_dict().items()},
        optimizer=optimizer.state_dict(),
    )


if __name__ == "__main__":
    main()
