"""A run's history as curves: losses and scores by step."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ponytaco.runs.history import Column, HistoryRow


def plot_history(rows: Sequence[HistoryRow]) -> Figure:
    """Plot a run's losses and scores by step.

    Args:
        rows: a history, from ``read_history``.
    """
    figure = Figure(figsize=(9, 6), dpi=110, layout="constrained")
    losses, scores = figure.subplots(2, 1, sharex=True)
    for column, label in (
        (Column.LOSS, "training"), (Column.VAL_LOSS, "validation"), (Column.GUIDANCE, "guidance"),
        (Column.MI, "MMI"),
    ):  # fmt: skip
        _draw_series(losses, rows, column, label)
    losses.set(title="losses", yscale="log")
    for column, label in (
        (Column.SCORE, "voice"), (Column.FOCUS, "focus, fed true frames"),
        (Column.FREE_FOCUS, "focus"),
        (Column.FREE_COVERAGE, "coverage"), (Column.FREE_FORWARD, "forward"),
    ):  # fmt: skip
        _draw_series(scores, rows, column, label)
    scores.set(
        title="voice and attention, speaking freely unless stated", xlabel="step", ylim=(0, 1.02)
    )
    for axes in (losses, scores):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize="small")
        axes.grid(alpha=0.3)
    return figure


def _draw_series(axes: Axes, rows: Sequence[HistoryRow], column: Column, label: str) -> None:
    points = [(row[Column.STEP], row[column]) for row in rows if column in row]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 30 else "")
