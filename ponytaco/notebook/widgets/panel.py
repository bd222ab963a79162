"""The live panel of a training, updated in place, with a Stop button."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from ponytaco.config import TrainConfig
from ponytaco.notebook.widgets import panel_text
from ponytaco.notebook.widgets.budget import Budget
from ponytaco.notebook.widgets.events import show_live
from ponytaco.notebook.widgets.html import facts, headline, paragraph, player, png_bytes
from ponytaco.printable import say
from ponytaco.runs.curves import plot_history
from ponytaco.runs.folder import Run
from ponytaco.runs.history import Column, HistoryRow, read_history
from ponytaco.training.metrics import StepReport
from ponytaco.training.validation import Validation

# Shares of the wall time: less than 2 % in all, with the sounds and pictures of validations.
_EVENTS_SHARE, _TEXT_SHARE, _CURVES_SHARE = 0.003, 0.004, 0.01
_EVENTS_SECONDS, _TEXT_SECONDS, _CURVES_SECONDS = 0.2, 1.0, 5.0
# A screen shows no more points; they would only cost time.
_MOST_POINTS = 600


class Panel:
    """Widgets that show a training.

    Args:
        run: folder with the pictures and the history of the sessions before.
        settings: of the training, for its milestones.
        events: handles the clicks that have arrived.
    """

    def __init__(self, run: Run, settings: TrainConfig, events: Callable[[], None]) -> None:
        import ipywidgets as widgets

        self.stopping = False
        self._run, self._settings, self._events = run, settings, events
        self._rows: list[HistoryRow] = []
        self._report: StepReport | None = None
        self._steps_since = 0
        self._report_at = time.monotonic()
        self._shown = False
        self._curves_changed = False
        self._polls = Budget(_EVENTS_SHARE, _EVENTS_SECONDS)
        self._texts = Budget(_TEXT_SHARE, _TEXT_SECONDS)
        self._curves = Budget(_CURVES_SHARE, _CURVES_SECONDS)
        self.overhead_seconds = 0.0
        """Time for the pictures and sounds of validations; the budgets have the rest."""

        self.title = widgets.HTML()
        self.bar = widgets.IntProgress(min=0, max=settings.max_steps, layout=_wide(widgets))
        self.stop = widgets.Button(
            description="Stop and save",
            button_style="warning",
            icon="stop",
            tooltip="Finishes the step, saves and stops. Run the cell again to continue.",
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
        """Time that the panel has taken so far."""
        budgets = (self._polls, self._texts, self._curves)
        return self.overhead_seconds + sum(budget.spent for budget in budgets)

    def poll(self) -> bool:
        """Show what is due; call it after every step. Return whether to stop."""
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
        """Show a report of the last few steps."""
        self._report, self._steps_since = report, 0
        while self._rows and self._rows[-1][Column.STEP] >= report.step:
            self._rows.pop()  # the run has rolled back
        self._rows.append({Column.STEP: report.step, **report.losses})
        self._curves_changed = True

    def on_validation(self, validation: Validation) -> None:
        """Show a validation, with its picture and sample."""
        started = time.monotonic()
        self._rows.append({Column.STEP: validation.step, **validation.history_row()})
        self._curves_changed = True
        if not self._shown:
            self._begin()
        if validation.picture:
            _set_image(self.picture, validation.picture)
        if validation.sample:
            self.sample.value = player(
                validation.sample,
                f"A sentence it never trains on, spoken at step {validation.step:,}:",
            )
        self._show_text()
        self.overhead_seconds += time.monotonic() - started

    def close(self, outcome: str) -> None:
        """Show the last state.

        Args:
            outcome: a few words for the title.
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
        """Appear, at the first step: then the panel stands below what was printed before it."""
        self._shown = True
        show_live(self.box)
        # By now the history of a resumed run has been cut to its last save.
        self._rows = [*_earlier_rows(self._run), *self._rows]
        if picture := _newest_picture(self._run):
            _set_image(self.picture, picture)

    def _show_text(self) -> None:
        report, settings = self._report, self._settings
        if report is None:
            self.title.value = self._title("first steps")
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
            f"finished at step {settings.max_steps:,}, {end_left}."
        )
        self.numbers.value = facts(panel_text.numbers(report, self._rows))

    def _show_curves(self) -> None:
        self._curves_changed = False
        if len({row[Column.STEP] for row in self._rows}) < 2:
            return  # a single point is not a curve
        _set_image(self.curves, png_bytes(plot_history(thinned(self._rows, _MOST_POINTS))))

    def _title(self, state: str) -> str:
        return headline(self._run.folder.name, state, large=True)

    def _on_stop(self, event: Any) -> None:
        self.stopping = True
        self.stop.disabled = True
        self.stop.description = "Stopping …"


class TextPanel:
    """Live panel for a terminal: plain lines.

    Args:
        run: with history and pictures.
        least_seconds: between two lines.
    """

    def __init__(self, run: Run, least_seconds: float = 10.0) -> None:
        self.stopping = False
        self._run = run
        self._lines = Budget(1.0, least_seconds)
        self._rows: list[HistoryRow] = []
        self.spent_seconds = 0.0

    def poll(self) -> bool:
        """Return False: a terminal has Ctrl-C to stop."""
        return False

    def on_step(self, report: StepReport) -> None:
        """Print a report, unless there was one just before."""
        if not self._lines.ready:
            return
        with self._lines.spending():
            rows = [*_earlier_rows(self._run), *self._rows]
            shown = panel_text.numbers(report, rows)
            values = ", ".join(f"{name} {value}" for name, value in shown)
            say(f"step {report.step:,} of {report.max_steps:,}: {values}")

    def on_validation(self, validation: Validation) -> None:
        """Print the scores of a validation."""
        self._rows.append({Column.STEP: validation.step, **validation.history_row()})
        picture = self._run.picture(validation.step)
        say(
            f"step {validation.step:,}: voice {validation.score:.2f} of 1, {validation.free}; "
            f"see {picture}"
        )
        if validation.heard:
            say(f"step {validation.step:,}: {validation.heard}")

    def close(self, outcome: str) -> None:
        """Do nothing: training prints its outcome."""


def thinned(rows: list[HistoryRow], most: int) -> list[HistoryRow]:
    """Return evenly chosen rows of reports, at most ``most``, and all rows of validations."""
    plain = [i for i, row in enumerate(rows) if Column.VAL_LOSS not in row]
    stride = max(1, -(-len(plain) // most))
    # Counted from the end, so that the newest row always stays.
    kept = set(plain[::-1][::stride])
    return [row for i, row in enumerate(rows) if i in kept or Column.VAL_LOSS in row]


def _earlier_rows(run: Run) -> list[HistoryRow]:
    """Return the rows of the history; none if Drive cannot read it, for new ones will come."""
    try:
        return read_history(run.history)
    except OSError:
        return []


def _newest_picture(run: Run) -> bytes:
    """Return the last session's last picture, to show until there is a new one; b'' for none."""
    with contextlib.suppress(OSError):
        if run.resumable:
            pictures = sorted(run.alignments.glob("step-*.png"))
            return pictures[-1].read_bytes() if pictures else b""
    return b""


def _set_image(image: Any, png: bytes) -> None:
    image.value = png
    image.layout.display = ""


def _hidden_image(widgets: Any) -> Any:
    """Return an image that takes no space until it has a picture."""
    return widgets.Image(format="png", layout=widgets.Layout(display="none", max_width="900px"))


def _wide(widgets: Any) -> Any:
    return widgets.Layout(width="min(600px, 70%)")
