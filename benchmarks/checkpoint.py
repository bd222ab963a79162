"""Saving and loading a run: time, memory and size, compared with torch's format and raw bytes.

``python -m benchmarks.checkpoint [--quick] [--save]``
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from ponytaco.config import Config
from ponytaco.formatting import file_size
from ponytaco.io.store.files import Files, copy, digest
from ponytaco.io.tensor_file.file import open_tensor_file
from ponytaco.io.torchfile.reader import load_torch_file
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS
from ponytaco.timing import Timings, take_turns
from ponytaco.training.resume import open_store


def main() -> None:
    """Print the tables."""
    arguments = options(__doc__).parse_args()
    report = Report("benchmarks.checkpoint", "Saving and loading a run")
    for name in ("small",) if arguments.quick else ("small", "full"):
        with tempfile.TemporaryDirectory() as folder:
            _measure(report, name, _checkpoint(preset(name)), Path(folder), arguments.rounds)
    if arguments.save:
        report.save()


def _measure(report: Report, name: str, checkpoint: Checkpoint, folder: Path, rounds: int) -> None:
    path, plain, raw = folder / "ours", folder / "plain", folder / "raw"
    save_checkpoint(path, checkpoint)
    content = _content(path)
    bytes_of_it = path.read_bytes()
    run = Run(folder / "run")
    run.folder.mkdir()
    store = open_store(run, print)

    def write_raw() -> None:
        with raw.open("wb") as file:
            file.write(bytes_of_it)
            os.fsync(file.fileno())

    def write_torch() -> None:
        with plain.open("wb") as file:
            torch.save(content, file)

    def save_into_store() -> None:
        checkpoint.run_state.step += 1
        if not store.save(lambda p: write_checkpoint(p, checkpoint), checkpoint.run_state.step):
            raise RuntimeError(store.problem)

    write_raw()
    timings = take_turns(
        {
            "raw": write_raw,
            "read": raw.read_bytes,
            "torch.save": write_torch,
            "write_checkpoint": lambda: write_checkpoint(path, checkpoint),
            "save_checkpoint": lambda: save_checkpoint(path, checkpoint),
            "store": save_into_store,
            "copy": lambda: copy(Files(), path, folder / "copy"),
            "shutil.copyfile": lambda: shutil.copyfile(path, folder / "copy"),
            "digest": lambda: digest(path),
            "torch.load": lambda: torch.load(plain, weights_only=True),
            "load_torch_file": lambda: load_torch_file(plain),
            "load_checkpoint": lambda: load_checkpoint(path),
            "verified_checkpoint": lambda: verified_checkpoint(path),
            "store.load": store.load,
            "build": lambda: load_checkpoint(path).build_model(),
        },
        rounds,
    )
    report.log(
        f"Preset '{name}' with its optimizer: {file_size(path.stat().st_size)}, in torch's format "
        f"{file_size(plain.stat().st_size)}. The median of {rounds} raw writes of it, flushed to "
        f"the disk, took {timings.median('raw'):.2f} s."
    )
    _table(report, timings)
    peaks = {load: _peak(load, at) for load, at in ((load_checkpoint, path), (_torch_load, plain))}
    ours, theirs = peaks[load_checkpoint], peaks[_torch_load]
    report.log(
        f"Peak memory of loading, above what the process had before: {file_size(ours)}, "
        f"torch.load {file_size(theirs)} ({ours / theirs:.2f} times)."
    )


def _table(report: Report, timings: Timings) -> None:
    against = [
        ("write_checkpoint", "write_checkpoint", "torch.save"),
        ("save_checkpoint, flushed and whole", "save_checkpoint", "raw"),
        ("Store.save: written, verified, pointed to", "store", "raw"),
        ("Store.save", "store", "save_checkpoint"),
        ("copy, flushed", "copy", "raw"),
        ("digest (sha256)", "digest", "read"),
        ("load_checkpoint", "load_checkpoint", "torch.load"),
        ("load_checkpoint", "load_checkpoint", "load_torch_file"),
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


def _content(path: Path) -> dict[Any, Any]:
    with open_tensor_file(path) as file:
        content = file.content()
        file.read(verify=True)
    return content


def _torch_load(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def _peak(load: Callable[[Path], object], path: Path) -> int:
    """Measure the memory in bytes that a load adds to a new process, at its peak."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_growth, (load, path))


def _growth(load: Callable[[Path], object], path: Path) -> int:
    before = _memory("VmRSS")
    load(path)
    return _memory("VmHWM") - before


def _memory(name: str) -> int:
    """Return a line of what Linux tells of this process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _checkpoint(config: Config) -> Checkpoint:
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
