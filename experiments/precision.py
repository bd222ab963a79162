"""Does a run in bfloat16 learn what a run in float32 does? Both, with the same seed and data.

The two train side by side, one thread each, so that this takes as long as one of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.report import Report, options
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history

_PRECISIONS = ("float32", "bfloat16")
_COLUMNS = ("mel_postnet", "gate", "mi", "guidance")


def train(dataset: Path, folder: Path, steps: int) -> dict[str, list[dict[str, float]]]:
    """Train, or resume, both runs and return their histories by precision."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "ponytaco", "train", str(dataset), str(folder / precision),
             "--preset", "small", "--precision", precision, "--max-steps", str(steps)],
            env=environment, stdout=subprocess.DEVNULL,
        )
        for precision in _PRECISIONS
    ]  # fmt: skip
    if any([process.wait() for process in processes]):
        raise SystemExit("A run failed.")
    return {p: read_history(Run(folder / p).history) for p in _PRECISIONS}


def draw(histories: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Draw the loss curves."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, column in zip(figure.subplots(1, len(_COLUMNS)), _COLUMNS, strict=True):
        for precision, style in zip(_PRECISIONS, ("-", "--"), strict=True):
            rows = [row for row in histories[precision] if column in row]
            axes.plot(
                [row["step"] for row in rows], [row[column] for row in rows], style, label=precision
            )
        axes.set_title(column, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=7)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train, print and draw."""
    parser = options(__doc__)
    parser.add_argument("dataset", type=Path, help="a prepared character")
    parser.add_argument("folder", type=Path, help="where the runs are kept")
    parser.add_argument("--steps", type=int, default=300, help="of each run (300)")
    arguments = parser.parse_args()
    histories = train(arguments.dataset, arguments.folder, arguments.steps)
    report = Report("experiments.precision", "A run in bfloat16 beside one in float32")
    report.log(
        f"Preset small, {arguments.dataset.name}, {arguments.steps} steps, the same seed. Each "
        "number is the mean of ten steps; the last column the ratio of bfloat16 to float32."
    )
    rows = []
    ours, theirs = (
        {row["step"]: row for row in histories[p] if "loss" in row} for p in _PRECISIONS
    )
    for step in sorted(theirs):
        if step % (arguments.steps // 6) == 0 and step in ours:
            a, b = ours[step], theirs[step]
            rows.append(
                (int(step), *(v for c in _COLUMNS for v in (a[c], b[c])), b["loss"] / a["loss"])
            )
    header = [f"{c}, {p[:2]}{p[-2:]}" for c in _COLUMNS for p in _PRECISIONS]
    report.table(("step", *header, "loss ratio"), rows)
    validations = [
        [row["val_loss"] for row in histories[p] if "val_loss" in row] for p in _PRECISIONS
    ]
    report.table(
        ("validation", *_PRECISIONS, "ratio"),
        [(n + 1, a, b, b / a) for n, (a, b) in enumerate(zip(*validations, strict=True))],
    )
    if arguments.save:
        draw(histories, report.folder / "precision.png")
        report.log("![Loss curves](precision.png)")
        report.save()


if __name__ == "__main__":
    main()
