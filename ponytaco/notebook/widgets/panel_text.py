"""What a training is doing, in words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ponytaco.formatting import duration
from ponytaco.training.metrics import StepReport


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


def voice_state(rows: Sequence[Mapping[str, float]]) -> str:
    """How good the voice is that speaks freely, from its history; 1 would be the real clips.

    Args:
        rows: a history as ``run.read_history`` returns it.
    """
    scores = [(row["score"], bool(row.get("aligned")), int(row["step"])) for row in rows
              if "score" in row]  # fmt: skip
    if not scores:
        return "not checked yet"
    best, _, step = max(scores, key=lambda found: (found[1], found[0], -found[2]))
    now = scores[-1][0]
    return f"{now:.2f} of 1" + (f", best {best:.2f} at step {step:,}" if len(scores) > 1 else "")


def time_left(step: int, goal: int, seconds_per_step: float) -> str:
    """Time until a step, as 'in 12 min'."""
    return f"in {duration((goal - step) * seconds_per_step)}"


def next_check(step: int, validate_every: int, max_steps: int) -> int:
    """The step of the next validation."""
    return min(max_steps, (step // validate_every + 1) * validate_every)


def numbers(report: StepReport, rows: Sequence[Mapping[str, float]] = ()) -> list[tuple[str, str]]:
    """Names and values of a report, in the order people look at them.

    Args:
        report: the last steps' means.
        rows: a history as ``run.read_history`` returns it.
    """
    shown = [
        ("attention", alignment_state(rows)),
        ("voice", voice_state(rows)),
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
