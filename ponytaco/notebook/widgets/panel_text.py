"""The live panel's texts: numbers of a training in words."""

from __future__ import annotations

from collections.abc import Sequence

from ponytaco.formatting import duration
from ponytaco.runs.history import Column, HistoryRow
from ponytaco.training.metrics import StepReport


def alignment_state(rows: Sequence[HistoryRow]) -> str:
    """Describe from a run's history whether it is aligned."""
    checks = [
        (int(row[Column.STEP]), bool(row[Column.ALIGNED])) for row in rows if Column.ALIGNED in row
    ]
    if not checks:
        return "not checked yet"
    aligned_at = [step for step, aligned in checks if aligned]
    if not aligned_at:
        return "not aligned yet"
    if not checks[-1][1]:
        return f"aligned at step {aligned_at[0]:,}, but not at the moment"
    return f"aligned at step {aligned_at[0]:,}"


def voice_state(rows: Sequence[HistoryRow]) -> str:
    """Describe from a run's history how good the voice is; 1 would be the real clips."""
    scores = [
        (row[Column.SCORE], bool(row.get(Column.ALIGNED)), int(row[Column.STEP]))
        for row in rows
        if Column.SCORE in row
    ]
    if not scores:
        return "not checked yet"
    best, _, step = max(scores, key=lambda found: (found[1], found[0], -found[2]))
    now = scores[-1][0]
    return f"{now:.2f} of 1" + (f", best {best:.2f} at step {step:,}" if len(scores) > 1 else "")


def heard_state(rows: Sequence[HistoryRow]) -> list[tuple[str, str]]:
    """Return names and values of the last listening, each beside that of the clips; may be none."""
    heard = [row for row in rows if Column.LISTENING_SHARE in row]
    if not heard:
        return []
    last = heard[-1]
    shown = []
    for name, column, clips, form in (
        ("words understood", Column.UNDERSTOOD, Column.CLIPS_UNDERSTOOD, ".0%"),
        ("MOS, 1 to 5", Column.MOS, Column.CLIPS_MOS, ".1f"),
        ("likeness", Column.LIKENESS, Column.CLIPS_LIKENESS, ".2f"),
    ):
        if column in last and clips in last:
            shown.append((name, f"{last[column]:{form}} (the clips: {last[clips]:{form}})"))
    step, share = int(last[Column.STEP]), last[Column.LISTENING_SHARE]
    shown.append(("listened", f"at step {step:,}, in {share:.1%} of the time"))
    return [(name, value.replace("%", " %")) for name, value in shown]


def time_left(step: int, goal: int, seconds_per_step: float) -> str:
    """Return the time until a step, as 'in 12 min'."""
    return f"in {duration((goal - step) * seconds_per_step)}"


def next_check(step: int, validate_every: int, max_steps: int) -> int:
    """Return the step of the next validation."""
    return min(max_steps, (step // validate_every + 1) * validate_every)


def numbers(report: StepReport, rows: Sequence[HistoryRow] = ()) -> list[tuple[str, str]]:
    """Return names and values of a report, the most important first.

    Args:
        report: the last steps' means.
        rows: the run's history.
    """
    shown = [
        ("attention", alignment_state(rows)),
        *heard_state(rows),
        ("voice", voice_state(rows)),
        ("epoch", f"{report.epoch:,}"),
        ("speed", f"{report.seconds_per_step:.2f} s/step"),
        ("learning rate", f"{report.learning_rate:.2g}"),
    ]
    names = {
        Column.LOSS: "loss",
        Column.MEL_POSTNET: "mel loss",
        Column.GATE: "gate loss",
        Column.GUIDANCE: "guidance loss",
        Column.MI: "MMI loss",
        Column.GAF: "GAF",
    }
    shown += [(title, f"{report.losses[key]:.3f}") for key, title in names.items()
              if key in report.losses]  # fmt: skip
    if report.skipped_steps:
        shown.append(("steps skipped", f"{report.skipped_steps:,}"))
    return shown
