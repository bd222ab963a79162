"""A run's history as curves: losses and scores by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ponytaco.runs.history import Column, HistoryRow


def plot_history(rows: Sequence[HistoryRow]) -> Figure:
    """Plot a run's losses and scores by step.

    Args:
        rows: a history, from ``read_history``.
    """
    is_heard = any(Column.LISTENING_SHARE in row for row in rows)
    figure = Figure(figsize=(9, 8 if is_heard else 6), dpi=110, layout="constrained")
    losses, scores, *heard = figure.subplots(2 + is_heard, 1, sharex=True)
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
    for axes in heard:
        _draw_heard(axes, rows)
    for axes in (losses, scores, *heard):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize="small")
        axes.grid(alpha=0.3)
    return figure


def _draw_heard(axes: Axes, rows: Sequence[HistoryRow]) -> None:
    """Draw what the judges find, and the clips' values as dashed lines of the same colour."""
    for column, clips, label, scale in (
        (Column.UNDERSTOOD, Column.CLIPS_UNDERSTOOD, "words understood", 1.0),
        (Column.MOS, Column.CLIPS_MOS, "MOS / 5", 0.2),
        (Column.LIKENESS, Column.CLIPS_LIKENESS, "likeness", 1.0),
    ):
        colour = _draw_series(axes, rows, column, label, scale)
        for ceiling in [row[clips] for row in rows if clips in row][-1:]:
            axes.axhline(scale * ceiling, color=colour, linestyle="--", linewidth=1)
    axes.set(title="as judges hear it; dashed: the clips", xlabel="step", ylim=(0, 1.02))


def _draw_series(
    axes: Axes, rows: Sequence[HistoryRow], column: Column, label: str, scale: float = 1.0
) -> Any:
    """Draw a column, and return its line's colour; None where there are no points."""
    points = [(row[Column.STEP], scale * row[column]) for row in rows if column in row]
    if not points:
        return None
    marker = "." if len(points) < 30 else ""
    (line,) = axes.plot(*zip(*points, strict=True), label=label, marker=marker)
    return line.get_color()
