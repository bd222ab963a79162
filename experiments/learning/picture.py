"""The runs' curves over steps, one colour per recipe, and when each was aligned."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from experiments.learning.summary import Outcome

# Columns of the history that are drawn, with their titles.
_CURVES = {
    "free_focus": "focus, speaking freely",
    "free_in_order": "in order, speaking freely",
    "focus": "focus, fed the true frames",
    "val_loss": "validation loss",
}


def draw(outcomes: Sequence[Outcome]) -> Figure:
    """Draw all runs' curves: thin lines for the seeds, thick ones for their medians.

    Args:
        outcomes: at least one; those without a check have no curve.
    """
    recipes = list(dict.fromkeys(o.recipe for o in outcomes))
    ten = matplotlib.colormaps["tab10"]
    colours = {recipe: ten(i % ten.N) for i, recipe in enumerate(recipes)}
    n_steps = max(o.n_steps for o in outcomes)
    figure = Figure(figsize=(10, 6.4 + 0.24 * len(recipes)), dpi=110, layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(3, 3, 0.5 + 0.26 * len(recipes)))
    for n, (column, title) in enumerate(_CURVES.items()):
        axes = figure.add_subplot(grid[n // 2, n % 2])
        for recipe in recipes:
            _draw(axes, [o for o in outcomes if o.recipe == recipe], column, colours[recipe])
        axes.set(title=title, xlim=(0, n_steps))
        if column == "val_loss":
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            axes.yaxis.set_minor_locator(NullLocator())
        else:
            axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.3)
    axes = figure.add_subplot(grid[2, :])
    _draw_first_steps(axes, outcomes, recipes, colours, n_steps)
    lines = [Line2D([], [], color=colours[recipe], lw=2, label=recipe) for recipe in recipes]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines), frameon=False)
    return figure


def _draw(axes: Axes, seeds: Sequence[Outcome], column: str, colour: Any) -> None:
    known = [[(r["step"], r[column]) for r in o.checks if column in r] for o in seeds]
    curves = [points for points in known if points]
    for points in curves:
        alone = len(curves) == 1
        axes.plot(*zip(*points, strict=True), color=colour, lw=2 if alone else 0.7,
                  alpha=1 if alone else 0.5, marker="." if len(points) == 1 else "")  # fmt: skip
    if len(curves) > 1:
        at = [dict(points) for points in curves]
        steps = sorted(set.intersection(*map(set, at)))
        axes.plot(steps, [statistics.median(c[s] for c in at) for s in steps], color=colour, lw=2)


def _draw_first_steps(
    axes: Axes,
    outcomes: Sequence[Outcome],
    recipes: Sequence[str],
    colours: dict[str, Any],
    n_steps: int,
) -> None:
    """Draw a line per recipe: rings where seeds are first aligned when fed, dots when free."""
    labels = []
    for y, recipe in enumerate(recipes):
        ours = [o for o in outcomes if o.recipe == recipe]
        for n, o in enumerate(ours):
            height = y + 0.5 * ((n + 0.5) / len(ours) - 0.5) * (len(ours) > 1)
            style: dict[str, Any] = {"color": colours[recipe], "ls": "", "clip_on": False}
            if math.isfinite(o.forced_aligned):
                axes.plot(o.forced_aligned, height, marker="o", mfc="none", ms=8, **style)
            if math.isfinite(o.aligned):
                axes.plot(o.aligned, height, marker="o", ms=5, **style)
                lost = [r["step"] for r in o.checks
                        if r["step"] > o.aligned and not r.get("aligned")]  # fmt: skip
                if lost:  # empty lines take room in the layout
                    axes.plot(lost, [height] * len(lost), marker="x", ms=4, **style)
        labels.append(f"{recipe}: {sum(math.isfinite(o.aligned) for o in ours)} of {len(ours)}")
    axes.set_yticks(range(len(recipes)), labels)
    axes.set(xlim=(0, n_steps), ylim=(len(recipes) - 0.5, -0.5), xlabel="step")
    axes.set_title(
        "first aligned: ring when fed the true frames, dot when speaking freely (how many); "
        "× lost again",
        fontsize="medium",
    )
    axes.grid(alpha=0.3)
