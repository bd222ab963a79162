"""What the notebook's live panel takes of a training's time.

``python -m benchmarks.panel [--quick] [--save]``. A training of the demo's size is pretended: its
steps only wait, so that the panel's own work is all that is added.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from unittest import mock

from benchmarks.report import Report, options
from ponytaco.config import preset
from ponytaco.notebook import panel as panel_module
from ponytaco.notebook.panel import Panel
from ponytaco.run import Run, append_history
from ponytaco.training import StepReport

_REPORT_EVERY = 10
# Of a T4's step, of a slow processor's, and of a run that is already long: its curves are dearer.
_CASES = ((0.05, 0), (0.5, 0), (0.05, 20_000))


def main() -> None:
    """Print the table."""
    arguments = options(__doc__).parse_args()
    seconds, n_rounds = (5.0, 1) if arguments.quick else (20.0, arguments.rounds)
    report = Report("panel", "The live panel's share of a training's time")
    rows = []
    for step_seconds, n_steps_before in _CASES:
        shares, n_updates = zip(
            *(_share(step_seconds, n_steps_before, seconds) for _ in range(n_rounds)),
            strict=True,
        )
        middle = sorted(shares)[len(shares) // 2]
        rows.append(
            [f"{step_seconds} s", f"{n_steps_before:,}", f"{middle:.2%}", f"{max(shares):.2%}",
             sorted(n_updates)[len(n_updates) // 2] / seconds]
        )  # fmt: skip
    report.say(
        f"Each for {seconds:g} s, {n_rounds} times; there is no page to send to. The first curves "
        "cost the most, so that a longer run spends less."
    )
    report.table(["a step", "steps before", "share", "largest", "texts a second"], rows)
    if arguments.save:
        report.save()


def _share(step_seconds: float, n_steps_before: int, seconds: float) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run")
        run.prepare()
        for step in range(_REPORT_EVERY, n_steps_before, 10 * _REPORT_EVERY):
            append_history(run.history, {"step": step, **_losses(step)})
        with mock.patch.object(panel_module, "show_live"):
            return _train(Panel(run, preset("full").train, lambda: None), run, step_seconds,
                          n_steps_before, seconds)  # fmt: skip


def _train(
    panel: Panel, run: Run, step_seconds: float, step: int, seconds: float
) -> tuple[float, int]:
    started, n_updates, shown = time.monotonic(), 0, ""
    while time.monotonic() - started < seconds:
        time.sleep(step_seconds)
        step += 1
        if step % _REPORT_EVERY == 0:
            panel.on_step(
                StepReport(step, 20_000, step // 20, step_seconds, 1e-3, _losses(step), 0)
            )
        panel.poll()
        n_updates += panel.title.value != shown
        shown = panel.title.value
    return panel.spent_seconds / (time.monotonic() - started), n_updates


def _losses(step: int) -> dict[str, float]:
    names = ("loss", "mel", "mel_postnet", "gate", "mi", "gaf", "guidance", "grad_norm")
    return {name: 1 / (1 + step / (100 + 10 * i)) for i, name in enumerate(names)}


if __name__ == "__main__":
    main()
