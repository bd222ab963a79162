"""Steps until a new voice is aligned, from scratch and with a warm start.

``python -m experiments.warm_start FOLDER`` makes clips of two synthetic speakers with different
sentences, trains the first on many clips, and then the second on a few: once from scratch, once
from the first one's weights, with all else equal. After an interruption the same command continues.
``--source`` and ``--target`` take prepared characters instead.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report import Report
from data_prep.dataset_writer import prepare
from data_prep.demo.espeak import write_demo_archive
from data_prep.options import ClipOptions
from ponytaco import presets
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.loop import train

_SOURCE_SEED, _TARGET_SEED = 1234, 5678
_TARGET_VOICE = "en-us+m3"
_SCRATCH, _WARM = "from scratch", "warm start"
# Columns of the history that are drawn, with their titles.
_CURVES = {
    "val_loss": "validation loss",
    "focus": "focus, fed the true frames",
    "free_forward": "forward, speaking freely",
}

Rows = Sequence[Mapping[str, float]]


def main() -> None:
    """Train the runs that are not finished, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for data sets and runs; kept to continue from")
    parser.add_argument("--source", type=Path, help="a prepared character to learn from first")
    parser.add_argument("--target", type=Path, help="the prepared character that is measured")
    parser.add_argument("--preset", default="small", choices=presets.PRESETS)
    parser.add_argument("--source-steps", type=int, default=300)
    parser.add_argument("--steps", type=int, default=300, help="of either run of the target (300)")
    parser.add_argument("--every", type=int, default=25, help="steps from check to check (25)")
    parser.add_argument("--clips", type=int, default=100, help="of the demo's second speaker (100)")
    parser.add_argument("--save", action="store_true", help="write experiments/results")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    source = arguments.source or _demo(folder / "Source", 400, _SOURCE_SEED)
    target = arguments.target or _demo(
        folder / "Target", arguments.clips, _TARGET_SEED, _TARGET_VOICE
    )

    base = presets.preset(arguments.preset).replace(p_arpabet=1.0, validate_every=arguments.every)
    first = Run(folder / "runs" / "source")
    if not _is_done(first, arguments.source_steps):
        settings = base.replace(max_steps=arguments.source_steps, validate_every=100)
        train(source, first, settings)
    histories = {}
    for name, begin_with in ((_SCRATCH, None), (_WARM, first.current_model)):
        run = Run(folder / "runs" / name.replace(" ", "_"))
        if not _is_done(run, arguments.steps):
            settings = base.replace(max_steps=arguments.steps)
            train(target, run, settings, warm_start_from=begin_with)
        histories[name] = [row for row in read_history(run.history) if "val_loss" in row]

    report = _report(histories, arguments, read_history(first.history))
    if arguments.save:
        report.save()
        _plot(histories).savefig(report.folder / "warm_start.png")


def _demo(folder: Path, n_clips: int, seed: int, voice: str | None = None) -> Path:
    archive = folder.with_suffix(".tar")
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        write_demo_archive(archive, n_clips, seed, **({"voice": voice} if voice else {}))
    return prepare(archive, folder, ClipOptions()).folder


def _is_done(run: Run, n_steps: int) -> bool:
    rows = read_history(run.history) if run.resumable else []
    return bool(rows) and rows[-1]["step"] >= n_steps


def _report(histories: Mapping[str, Rows], arguments: argparse.Namespace, source: Rows) -> Report:
    scratch, warm = histories[_SCRATCH], histories[_WARM]
    aligned = {name: _first(rows, "aligned", 1.0) for name, rows in histories.items()}
    last_loss = min(row["val_loss"] for row in scratch)
    reached = _first(warm, "val_loss", last_loss, falling=True)
    report = Report("experiments.warm_start", "A warm start against a start from scratch")
    report.log(
        f"Preset {arguments.preset}, {int(source[-1]['step'])} steps on "
        f"{_data(arguments.source, 'first', 400)}, then {arguments.steps} on "
        f"{_data(arguments.target, 'second', arguments.clips)}."
    )
    report.log(
        "The demo's speakers differ in voice and sentences, but share one vocabulary: a character "
        "with other words gains less."
    )
    rows = []
    for row in warm:
        others = {name: _at(of_one, row["step"]) for name, of_one in histories.items()}
        values = [others[name].get(key, math.nan) for key in _CURVES for name in histories]
        rows.append([int(row["step"]), *values])
    titles = [f"{title}: {name}" for title in _CURVES.values() for name in histories]
    report.table(["step", *titles], rows)
    first = ", ".join(f"{name} {_step(step, arguments.steps)}" for name, step in aligned.items())
    report.log(f"Aligned for the first time, by the one rule, speaking freely: {first}.")
    report.log(
        f"The best validation loss of the run from scratch ({last_loss:.3f}) is reached by the "
        f"warm start {_step(reached, arguments.steps)}."
    )
    return report


def _data(path: Path | None, which: str, n_clips: int) -> str:
    return path.name if path else f"{n_clips} clips of the demo's {which} speaker"


def _step(step: int | None, n_steps: int) -> str:
    return f"at step {step}" if step else f"not within {n_steps} steps"


def _first(rows: Rows, name: str, limit: float, falling: bool = False) -> int | None:
    for row in rows:
        if row.get(name) is not None and (row[name] <= limit if falling else row[name] >= limit):
            return int(row["step"])
    return None


def _at(rows: Rows, step: float) -> Mapping[str, float]:
    return next((row for row in rows if row["step"] == step), {})


def _plot(histories: Mapping[str, Rows]) -> Figure:
    figure = Figure(figsize=(11, 3.6), dpi=110, layout="constrained")
    all_axes: Sequence[Axes] = figure.subplots(1, len(_CURVES))
    for axes, (key, title) in zip(all_axes, _CURVES.items(), strict=True):
        for name, rows in histories.items():
            points = [(row["step"], row[key]) for row in rows if key in row]
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        if key == "val_loss":
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.02)
    all_axes[0].legend()
    return figure


if __name__ == "__main__":
    main()
