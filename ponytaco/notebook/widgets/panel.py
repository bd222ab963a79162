"""The live panel of a training: updated in place by time, with a Stop button."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ponytaco.config import TrainConfig
from ponytaco.notebook.widgets import panel_text
from ponytaco.notebook.widgets.budget import Budget
from ponytaco.notebook.widgets.events import show_live
from ponytaco.notebook.widgets.html import facts, headline, paragraph, player, png_bytes
from ponytaco.plotting import plot_history
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.metrics import StepReport
from ponytaco.training.validation import Validation

# Shares of the wall time; with the sounds and pictures of validations less than 2 % in all.
_EVENTS_SHARE, _TEXT_SHARE, _CURVES_SHARE = 0.003, 0.004, 0.01
_EVENTS_SECONDS, _TEXT_SECONDS, _CURVES_SECONDS = 0.2, 1.0, 5.0
# Points that a screen can show; more of them only cost time.
_MOST_POINTS = 600


class Panel:
    """What a user sees of a training.

    Args:
        run: whose pictures and samples are shown.
        settings: where the milestones are.
        events: handles the clicks that have arrived.
    """

    def __init__(self, run: Run, settings: TrainConfig, events: Callable[[], None]) -> None:
        import ipywidgets as widgets

        self.stopping = False
        self._run, self._settings, self._events = run, settings, events
        self._rows: list[dict[str, float]] = []
        self._report: StepReport | None = None
        self._steps_since = 0
        self._report_at = time.monotonic()
        self._shown = False
        self._curves_changed = False
        self._polls = Budget(_EVENTS_SHARE, _EVENTS_SECONDS)
        self._texts = Budget(_TEXT_SHARE, _TEXT_SECONDS)
        self._curves = Budget(_CURVES_SHARE, _CURVES_SECONDS)
        self.overhead_seconds = 0.0
        """Of validations' pictures and sounds; the rest is in the budgets."""

        self.title = widgets.HTML()
        self.bar = widgets.IntProgress(min=0, max=settings.max_steps, layout=_wide(widgets))
        self.stop = widgets.Button(
            description="Stop and save",
            button_style="warning",
            icon="stop",
            tooltip="Finishes the step, saves and stops. Run the cell again to go on.",
        )
        self.stop.on_click(self._on_stop)
        self.milestones = widgets.HTML()
        self.numbers = widgets.HTML()
        self.picture = _hidden_image(widgets)
        self.curves = _hidden_image(widgets)
        self.sample = widgets.HTML()
        head = widgets.HBox([self.bar, self.stop], layout=widgets.Layout(align_items="center"))
        self.box = widgets.VBox(
            [self.title, head, self.milestones, self.numbers, self.sample, self.picture,
             self.curves]
        )  # fmt: skip

    @property
    def spent_seconds(self) -> float:
        """What showing all this has taken."""
        budgets = (self._polls, self._texts, self._curves)
        return self.overhead_seconds + sum(budget.spent for budget in budgets)

    def poll(self) -> bool:
        """After every step: show what is due, and say whether to stop."""
        self._steps_since += 1
        if not self._shown:
            self._begin()
        if self._polls.ready:
            with self._polls.spending():
                self._events()
        if self._texts.ready:
            with self._texts.spending():
                self._show_text()
        if self._curves_changed and self._curves.ready:
            with self._curves.spending():
                self._show_curves()
        return self.stopping

    def on_step(self, report: StepReport) -> None:
        """Take a report of the last few steps."""
        self._report, self._steps_since = report, 0
        self._rows.append({"step": report.step, **report.losses})
        self._curves_changed = True

    def on_validation(self, validation: Validation) -> None:
        """Take a validation; its picture and sample lie in the run's folder."""
        started = time.monotonic()
        self._rows.append({"step": validation.step, **validation.history_row()})
        self._curves_changed = True
        if not self._shown:
            self._begin()
        _set_image(self.picture, self._run.picture(validation.step).read_bytes())
        self.sample.value = player(
            self._run.sample(validation.step).read_bytes(),
            f"A sentence it does not learn from, spoken at step {validation.step:,}:",
        )
        self._show_text()
        self.overhead_seconds += time.monotonic() - started

    def close(self, outcome: str) -> None:
        """Show the last state.

        Args:
            outcome: in a few words, for the title.
        """
        if not self._shown:
            return
        started = time.monotonic()
        self._show_text()
        if self._rows:
            self._show_curves()
        self.title.value = self._title(outcome)
        self.stop.disabled = True
        self.stop.description = "Stopped"
        self.milestones.value = ""
        self.overhead_seconds += time.monotonic() - started

    def _begin(self) -> None:
        """Appear; not before the first step, so that it stands below what was said before it."""
        self._shown = True
        # By now the history has been cut to where a resumed run goes on.
        self._rows = [*read_history(self._run.history), *self._rows]
        _show_newest(self._run, self.picture)
        show_live(self.box)

    def _show_text(self) -> None:
        report, settings = self._report, self._settings
        if report is None:
            self.title.value = self._title("the first steps")
            self.milestones.value = paragraph("Numbers appear after the first ten steps.")
            return
        step = report.step + self._steps_since
        self.bar.value = step
        state = "stopping after this step" if self.stopping else "training"
        self.title.value = self._title(f"{state}, step {step:,} of {settings.max_steps:,}")
        check = panel_text.next_check(step, settings.validate_every, settings.max_steps)
        check_left = panel_text.time_left(step, check, report.seconds_per_step)
        end_left = panel_text.time_left(step, settings.max_steps, report.seconds_per_step)
        self.milestones.value = paragraph(
            f"Next picture and sample at step {check:,}, {check_left}; "
            f"step {settings.max_steps:,} {end_left}."
        )
        self.numbers.value = facts(panel_text.numbers(report, self._rows))

    def _show_curves(self) -> None:
        self._curves_changed = False
        if len({row["step"] for row in self._rows}) < 2:
            return  # one point is no curve
        _set_image(self.curves, png_bytes(plot_history(thinned(self._rows, _MOST_POINTS))))

    def _title(self, state: str) -> str:
        return headline(self._run.folder.name, state, large=True)

    def _on_stop(self, event: Any) -> None:
        self.stopping = True
        self.stop.disabled = True
        self.stop.description = "Stopping …"


class TextPanel:
    """The same as plain lines, for a terminal.

    Args:
        run: the run.
        least_seconds: from one line to the next.
    """

    def __init__(self, run: Run, least_seconds: float = 10.0) -> None:
        self._run = run
        self._lines = Budget(1.0, least_seconds)
        self._rows: list[dict[str, float]] = []
        self.spent_seconds = 0.0

    def poll(self) -> bool:
        """Never asks to stop: a terminal has Ctrl-C."""
        return False

    def on_step(self, report: StepReport) -> None:
        """Print a report, if the last one is a while ago."""
        if not self._lines.ready:
            return
        with self._lines.spending():
            rows = [*read_history(self._run.history), *self._rows]
            shown = panel_text.numbers(report, rows)
            values = ", ".join(f"{name} {value}" for name, value in shown)
            print(f"step {report.step:,} of {report.max_steps:,}: {values}", flush=True)

    def on_validation(self, validation: Validation) -> None:
        """Print what a validation found."""
        self._rows.append({"step": validation.step, **validation.history_row()})
        picture = self._run.picture(validation.step)
        print(
            f"step {validation.step:,}: voice {validation.score:.2f} of 1, {validation.free}; "
            f"see {picture}",
            flush=True,
        )

    def close(self, outcome: str) -> None:
        """Nothing is left to show: the training has said it."""


def thinned(rows: list[dict[str, float]], most: int) -> list[dict[str, float]]:
    """At most so many rows of reports, evenly chosen; those of validations all stay."""
    plain = [i for i, row in enumerate(rows) if "val_loss" not in row]
    stride = max(1, -(-len(plain) // most))
    # Counted from the end, so that the newest point always stays.
    kept = set(plain[::-1][::stride])
    return [row for i, row in enumerate(rows) if i in kept or "val_loss" in row]


def _show_newest(run: Run, image: Any) -> None:
    """Show the last session's last picture until there is a new one."""
    pictures = sorted(run.alignments.glob("step-*.png"))
    if pictures and run.resumable:
        _set_image(image, pictures[-1].read_bytes())


def _set_image(image: Any, png: bytes) -> None:
    image.value = png
    image.layout.display = ""


def _hidden_image(widgets: Any) -> Any:
    """An image that takes no room until it has a picture."""
    return widgets.Image(format="png", layout=widgets.Layout(display="none", max_width="900px"))


def _wide(widgets: Any) -> Any:
    return widgets.Layout(width="min(600px, 70%)")
