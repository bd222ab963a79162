"""Summaries of histories: when attention aligned, and how good the voice is at the end."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """The state of a run; unknown numbers are NaN."""

    recipe: str
    seed: int
    step: int
    """The last step; 0 before it begins."""
    n_steps: int
    """The number of steps to train."""
    checks: Sequence[Row] = field(repr=False)
    """Its validations at the steps that all runs share, and the one at its end."""
    wer: float = math.nan
    """Word error rate of new sentences spoken by its best voice."""
    ceiling: float = math.nan
    """Word error rate of the real clips, the best that a voice can reach."""
    heard_step: float = math.nan
    """The best voice's step."""

    @property
    def is_finished(self) -> bool:
        """Whether it has trained all steps."""
        return self.step >= self.n_steps

    @property
    def forced_aligned(self) -> float:
        """Step of the first check that is aligned when fed the true frames; inf so far."""
        return _first(self.checks, "forced_aligned")

    @property
    def aligned(self) -> float:
        """Step of the first check that is aligned when speaking freely; inf so far."""
        return _first(self.checks, "aligned")

    @property
    def lost(self) -> float:
        """Number of later checks that were not aligned; NaN before the first that was."""
        later = [row for row in self.checks if row["step"] > self.aligned]
        return (
            math.nan if math.isinf(self.aligned) else sum(not row.get("aligned") for row in later)
        )

    @property
    def n_later(self) -> int:
        """Number of checks after the first that was aligned."""
        return sum(row["step"] > self.aligned for row in self.checks)

    def last(self, column: str) -> float:
        """Return a column of the last check."""
        return self.checks[-1].get(column, math.nan) if self.checks else math.nan


def outcome(
    recipe: str,
    seed: int,
    rows: Sequence[Row],
    n_steps: int,
    every: int,
    heard: Mapping[str, Any] | None = None,
) -> Outcome:
    """Summarise a history.

    Args:
        recipe: the run's recipe.
        seed: the run's seed.
        rows: a history as ``read_history`` returns it; rows beyond ``n_steps`` are left out.
        n_steps: number of steps to train.
        every: steps between checks. Those at the end of a session do not count: a run of many
            sessions would find its first aligned step sooner.
        heard: content of an evaluation's report.json.
    """
    rows = [row for row in rows if row["step"] <= n_steps]
    step = int(rows[-1]["step"]) if rows else 0
    grid = range(every, n_steps + 1, every)
    checks = [
        row for row in rows if "val_loss" in row and (row["step"] in grid or row["step"] == n_steps)
    ]
    new, ceiling = (heard or {}).get("new", {}), (heard or {}).get("ceiling", {})
    return Outcome(
        recipe,
        seed,
        step,
        n_steps,
        checks,
        _number(new.get("word_error_rate")),
        _number(ceiling.get("word_error_rate")),
        _number((heard or {}).get("step")),
    )


_END_COLUMNS = {
    "val_loss": "validation loss", "free_focus": "focus", "free_coverage": "coverage",
    "free_forward": "forward", "free_in_order": "in order", "free_stopped": "stopped",
}  # fmt: skip


def details(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[object]]]:
    """Make a table's heading and its rows, one per run."""
    with_words = any(not math.isnan(o.wer) for o in outcomes)
    header = ["recipe", "seed", "steps", "aligned, fed", "aligned, free", "lost later"]
    header += [*_END_COLUMNS.values(), *["misheard", "of the best at"] * with_words]
    rows = []
    for o in outcomes:
        row: list[object] = [o.recipe, o.seed, o.step, _step(o.forced_aligned), _step(o.aligned)]
        row.append("–" if math.isnan(o.lost) else f"{o.lost:.0f} of {o.n_later}")
        row += [_text(o.last(column)) for column in _END_COLUMNS]
        row += [_percent(o.wer), _step(o.heard_step)] * with_words
        rows.append(row)
    return header, rows


def by_recipe(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[object]]]:
    """Make a table's heading and its rows, one per recipe: medians and ranges over the seeds."""
    with_words = any(not math.isnan(o.wer) for o in outcomes)
    header = ["recipe", "runs", "aligned, fed", "aligned, free", "lost later"]
    header += [*_END_COLUMNS.values(), *["misheard", "ceiling"] * with_words]
    rows: list[list[object]] = []
    for recipe in dict.fromkeys(o.recipe for o in outcomes):
        ours = [o for o in outcomes if o.recipe == recipe]
        unfinished = sum(not o.is_finished for o in ours)
        row: list[object] = [
            recipe,
            f"{len(ours)}{f', {unfinished} unfinished' * (unfinished > 0)}",
        ]
        for steps in ([o.forced_aligned for o in ours], [o.aligned for o in ours]):
            n = sum(map(math.isfinite, steps))
            row.append(f"{n} of {len(ours)}{f': {_spread(steps, _step)}' * (n > 0)}")
        row.append(_spread([o.lost for o in ours], lambda count: f"{count:g}"))
        row += [_spread([o.last(column) for o in ours], _text) for column in _END_COLUMNS]
        if with_words:
            row += [_spread([o.wer for o in ours], _percent)]
            row += [_spread([o.ceiling for o in ours], _percent)]
        rows.append(row)
    return header, rows


def _first(checks: Sequence[Row], column: str) -> float:
    if checks and all(column not in row for row in checks):
        return math.nan  # an old history without this column
    return next((row["step"] for row in checks if row.get(column)), math.inf)


def _spread(values: Sequence[float], text: Any) -> str:
    """Format the median and the range of the known values."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "–"
    low, middle, high = (text(f(known)) for f in (min, statistics.median, max))
    return middle if low == high else f"{middle} ({low} to {high})"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _step(step: float) -> str:
    if math.isnan(step):
        return "–"
    return "not yet" if math.isinf(step) else f"{step:,.0f}"


def _text(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"
