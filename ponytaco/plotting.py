"""Plots: arrays to matplotlib figures, without pyplot's globals and screen."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ponytaco.printable import printable

_DPI = 110
_LONGEST_TITLE = 500
_HOW_TO_READ = (
    "A voice that reads its text shows one sharp line\nfrom the lower left to the upper right, "
    "also when\nit speaks freely. The gate should rise at the end."
)


def plot_validation(
    title: str,
    teacher_forced: npt.NDArray[np.floating],
    free: npt.NDArray[np.floating],
    target_mel: npt.NDArray[np.floating],
    predicted_mel: npt.NDArray[np.floating],
    gate: npt.NDArray[np.floating],
) -> Figure:
    """Plot a clip's validation: attention twice, both mels, and the gate.

    Args:
        title: above the plots.
        teacher_forced: (T_steps, T_text) attention when fed the true frames.
        free: (T_steps, T_text) attention when fed its own frames.
        target_mel: (n_mels, T_mel) of the real clip.
        predicted_mel: (n_mels, T_mel) as spoken freely.
        gate: (T_mel,) probability of the end, as spoken freely.
    """
    figure = Figure(figsize=(11, 7.5), dpi=_DPI, layout="constrained")
    figure.suptitle(_title(title), parse_math=False)
    axes = figure.subplots(3, 2, height_ratios=(3, 2, 1))
    draw_alignment(axes[0, 0], teacher_forced, "attention, fed the true frames")
    draw_alignment(axes[0, 1], free, "attention, speaking freely")
    limits = (float(target_mel.min()), float(target_mel.max()))
    draw_mel(axes[1, 0], target_mel, "mel of the clip", limits)
    draw_mel(axes[1, 1], predicted_mel, "mel, speaking freely", limits)
    axes[2, 0].axis("off")
    axes[2, 0].text(0, 0.9, _HOW_TO_READ, va="top", fontsize="medium", alpha=0.8)
    axes[2, 1].plot(gate)
    axes[2, 1].set(title="gate: probability of the end", xlabel="frame", ylim=(-0.05, 1.05))
    axes[2, 1].set_xlim(0, max(1, len(gate) - 1))
    return figure


def plot_alignment(weights: npt.NDArray[np.floating], title: str = "") -> Figure:
    """Plot an attention matrix.

    Args:
        weights: (T_steps, T_text).
        title: above it.
    """
    figure = Figure(figsize=(6, 4), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    draw_alignment(axes, weights, "")
    wrapped = "\n".join(textwrap.fill(line, 70) for line in _title(title).split("\n"))
    axes.set_title(wrapped, fontsize="small", parse_math=False)
    return figure


def plot_mel(mel: npt.NDArray[np.floating], title: str = "") -> Figure:
    """Plot a mel spectrogram.

    Args:
        mel: (n_mels, T_mel).
        title: above it.
    """
    figure = Figure(figsize=(7, 2.4), dpi=_DPI, layout="constrained")
    draw_mel(figure.subplots(), mel, title)
    return figure


def plot_lengths(seconds: Sequence[float]) -> Figure:
    """Plot a histogram of clips' durations.

    Args:
        seconds: each clip's duration, at least one.
    """
    figure = Figure(figsize=(6, 2.4), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    axes.hist(seconds, bins=min(30, max(5, len(seconds) // 3)))
    axes.set(title="lengths of the clips", xlabel="seconds", ylabel="clips")
    return figure


def draw_alignment(axes: Axes, weights: npt.NDArray[np.floating], title: str) -> None:
    """Draw an attention matrix (T_steps, T_text), time to the right and text upwards."""
    axes.imshow(weights.T, origin="lower", aspect="auto", interpolation="none", vmin=0)
    axes.set_title(_title(title), parse_math=False)
    axes.set(xlabel="decoder step", ylabel="symbol")


def draw_mel(
    axes: Axes, mel: npt.NDArray[np.floating], title: str, limits: tuple[float, float] | None = None
) -> None:
    """Draw a log-mel spectrogram (n_mels, T_mel)."""
    low, high = limits or (None, None)
    axes.imshow(mel, origin="lower", aspect="auto", interpolation="none", vmin=low, vmax=high)
    axes.set_title(_title(title), parse_math=False)
    axes.set(xlabel="frame", ylabel="mel band")


def _title(text: str) -> str:
    """Return a title of one or several lines, each printable and short enough to be drawn.

    It is drawn with ``parse_math=False``, for a `$` in a clip's name begins no formula.
    """
    return "\n".join(printable(line[:_LONGEST_TITLE]) for line in text.split("\n"))
