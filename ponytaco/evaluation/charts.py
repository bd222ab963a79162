"""Charts embedded in an HTML page: curves as SVG, matrices as PNG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import matplotlib.image
import numpy as np
import numpy.typing as npt

from ponytaco.printable import escape

_WIDTH, _HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 24
# More points than a screen has columns would only make the page large.
_MOST_POINTS = 500

Curve = tuple[str, Sequence[tuple[float, float]]]
"""A label and its points (step, value)."""


def line_chart(curves: Sequence[Curve], logarithmic: bool = False) -> str:
    """Draw curves over steps in the page's colours; '' where there are no points.

    Args:
        curves: drawn in the style's classes c0, c1, …; points that are not finite are left out.
        logarithmic: whether the values' axis is; for losses, which fall quickly first.
    """
    usable = [(label, _usable(points, logarithmic)) for label, points in curves]
    drawn = [(i, label, points) for i, (label, points) in enumerate(usable) if points]
    if not drawn:
        return ""
    values = [y for _, _, points in drawn for _, y in points]
    last = max(max(x for _, _, points in drawn for x, _ in points), 1.0)
    low, high = (min(values), max(values)) if logarithmic else (0.0, max(*values, 1.0))
    if low == high:
        low, high = low / 2, high * 2 + 1e-9

    def scale(value: float) -> float:
        return math.log(value) if logarithmic else value

    def x_of(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / last

    def y_of(value: float) -> float:
        share = (scale(value) - scale(low)) / (scale(high) - scale(low))
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    parts = []
    for value in _ticks(low, high, logarithmic):
        y = y_of(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" '
                     f'y2="{y:.1f}"/>')  # fmt: skip
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for share in (0, 0.5, 1):
        anchor = ("start", "middle", "end")[round(2 * share)]
        parts.append(f'<text x="{x_of(share * last):.1f}" y="{_HEIGHT - 6}" '
                     f'text-anchor="{anchor}">{share * last:,.0f}</text>')  # fmt: skip
    for i, _, points in drawn:
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="c{i}" points="{path}"/>')
        if len(points) == 1:
            parts.append(f'<circle class="c{i}" r="3" cx="{x_of(points[0][0]):.1f}" '
                         f'cy="{y_of(points[0][1]):.1f}"/>')  # fmt: skip
    legend = "".join(f'<span><i class="c{i}"></i>{escape(label)}</span>' for i, label, _ in drawn)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'
        f'<p class="legend">{legend}</p>'
    )


def heatmap(values: npt.NDArray[np.floating], label: str) -> str:
    """Draw a matrix (height, width), its first row at the bottom."""
    file = io.BytesIO()
    finite = np.nan_to_num(np.asarray(values, dtype=np.float64))
    matplotlib.image.imsave(file, finite, cmap="magma", origin="lower", format="png")
    return (
        f'<img alt="{escape(label)}" src="data:image/png;base64,'
        f'{base64.b64encode(file.getvalue()).decode()}">'
    )


def _usable(points: Sequence[tuple[float, float]], logarithmic: bool) -> list[tuple[float, float]]:
    numbers = [
        (x, y) for x, y in points if math.isfinite(x + y) and x >= 0 and (y > 0 or not logarithmic)
    ]
    stride = -(-len(numbers) // _MOST_POINTS) or 1
    return numbers[::-1][::stride][::-1]  # from the end, so that the newest point stays


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if not logarithmic:
        return [low + (high - low) * share / 4 for share in range(5)]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**e for e in decades for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    return ticks[:: -(-len(ticks) // 6)] if ticks else [low, high]
