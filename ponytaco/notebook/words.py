"""What a training is doing, in words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ponytaco.amounts import duration
from ponytaco.training import StepReport


def alignment_state(rows: Sequence[Mapping[str, float]]) -> str:
    """Whether a run is aligned, from its history.

    Args:
        rows: a history as ``run.read_history`` returns it.
    """
    checks = [(int(row["step"]), bool(row["aligned"])) for row in rows if "aligned" in row]
    if not checks:
        return "not checked yet"
    aligned_at = [step for step, aligned in checks if aligned]
    if not aligned_at:
        return "not aligned yet"
    if not checks[-1][1]:
        return f"aligned at step {aligned_at[0]:,}, lost it for now"
    return f"aligned at step {aligned_at[0]:,}"


def time_left(step: int, goal: int, seconds_per_step: float) -> str:
    """Time until a step, as 'in 12 min'."""
    return f"in {duration((goal - step) * seconds_per_step)}"


def next_check(step: int, validate_every: int, max_steps: int) -> int:
    """The step of the next validation."""
    return min(max_steps, (step // validate_every + 1) * validate_every)


def numbers(report: StepReport, aligned: str) -> list[tuple[str, str]]:
    """Names and values of a report, in the order people look at them."""
    shown = [
        ("attention", aligned),
        ("epoch", f"{report.epoch:,}"),
        ("speed", f"{report.seconds_per_step:.2f} s/step"),
        ("learning rate", f"{report.learning_rate:.2g}"),
    ]
    names = {
        "loss": "loss",
        "mel_postnet": "mel loss",
        "gate": "gate loss",
        "guidance": "guidance loss",
        "mi": "MMI loss",
        "gaf": "GAF",
    }
    shown += [(title, f"{report.losses[key]:.3f}") for key, title in names.items()
              if key in report.losses]  # fmt: skip
    if report.skipped_steps:
        shown.append(("steps skipped", f"{report.skipped_steps:,}"))
    return shown
