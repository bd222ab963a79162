"""The share of training time that the notebook's live panel takes.

``python -m benchmarks.panel [--quick] [--save]``. Only the panel's own work is real: training steps
are skipped on its clock, so that minutes of training pass in seconds.
"""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from benchmarks.report import Report, options
from ponytaco.notebook.widgets import panel as panel_module
from ponytaco.notebook.widgets.budget import Budget
from ponytaco.notebook.widgets.panel import Panel
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.history import append_history
from ponytaco.training.loop import StepReport

_REPORT_EVERY = 10
# (seconds per step, steps before) of a T4, of a slow CPU, and of a long run with longer curves.
_CASES = ((0.05, 0), (0.5, 0), (0.05, 20_000))


class Clock:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() + self._skipped

    def skip(self, seconds: float) -> None:
        """Put the clock forward."""
        self._skipped += seconds


def main() -> None:
    """Print the table."""
    arguments = options(__doc__).parse_args()
    minutes, n_rounds = (2, 1) if arguments.quick else (5, arguments.rounds)
    report = Report("benchmarks.panel", "The live panel's share of a training's time")
    rows = []
    for step_seconds, n_steps_before in _CASES:
        shares = sorted(_share(step_seconds, n_steps_before, minutes) for _ in range(n_rounds))
        rows.append(
            [f"{step_seconds} s", f"{n_steps_before:,}", f"{shares[len(shares) // 2]:.2%}",
             f"{shares[-1]:.2%}"]
        )  # fmt: skip
    report.log(f"{minutes} minutes each, {n_rounds} times; there is no page to send to.")
    report.table(["a step", "steps before", "the panel's share", "largest"], rows)
    if arguments.save:
        report.save()


def _share(step_seconds: float, n_steps_before: int, minutes: float) -> float:
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(panel_module, "show_live"),
        mock.patch.object(panel_module, "Budget", functools.partial(Budget, clock=clock)),
        mock.patch.object(panel_module, "time", SimpleNamespace(monotonic=clock)),
    ):
        run = Run(Path(folder) / "run")
        run.prepare()
        for step in range(_REPORT_EVERY, n_steps_before, 10 * _REPORT_EVERY):
            append_history(run.history, {"step": step, **_losses(step)})
        panel = Panel(run, preset("full").train, lambda: None)
        step, started = n_steps_before, clock()
        while clock() - started < minutes * 60:
            clock.skip(step_seconds)
            step += 1
            if step % _REPORT_EVERY == 0:
                losses = _losses(step)
                panel.on_step(StepReport(step, 20_000, step // 20, step_seconds, 1e-3, losses, 0))
            panel.poll()
        return panel.spent_seconds / (clock() - started)


def _losses(step: int) -> dict[str, float]:
    names = ("loss", "mel", "mel_postnet", "gate", "mi", "gaf", "guidance", "grad_norm")
    return {name: 1 / (1 + step / (100 + 10 * i)) for i, name in enumerate(names)}


if __name__ == "__main__":
    main()
