"""Training: one flat loop that resumes by itself, in one process or in several."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ponytaco.config import Config
from ponytaco.printable import say
from ponytaco.runs.folder import Run
from ponytaco.training.distributed import ALONE, Ranks
from ponytaco.training.interrupts import BestEffort, safe_log
from ponytaco.training.metrics import StepReport
from ponytaco.training.session import Session
from ponytaco.training.validation import Validation, stagnation

# Steps per report and row of the history.
_REPORT_EVERY = 10


@dataclass(frozen=True)
class TrainResult:
    """The end of a training session."""

    step: int
    finished: bool
    """Whether max_steps is reached."""
    first_aligned: int | None
    validation: Validation | None
    """The session's last validation."""


def train(
    dataset_folders: str | Path | Sequence[str | Path],
    run: Run | str | Path,
    config: Config,
    *,
    ranks: Ranks = ALONE,
    warm_start_from: Path | None = None,
    log: Callable[[str], None] = say,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_validation: Callable[[Validation], None] = lambda validation: None,
    stop: Callable[[], bool] = lambda: False,
    take_over: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train a voice until ``max_steps``; a run that has a checkpoint is resumed.

    An interrupt (Ctrl-C, the notebook's stop, SIGTERM) finishes the step, saves and returns. What
    only shows does not end training: pictures, samples, the history, and an OSError of ``log``,
    ``on_step`` or ``on_validation`` are reported once. Any other error of a callback is a bug of
    its author: training saves and raises it.

    Args:
        dataset_folders: a prepared character, or several whose clips make one voice.
        run: the run's folder; made if missing, resumed if it has a checkpoint.
        config: the settings; a resumed run must have the same model and audio.
        ranks: the processes that train together; each calls this function with the same arguments,
            and only the first one saves and reports.
        warm_start_from: a checkpoint, voice or run's folder to start from; ignored if the run is
            resumed.
        log: takes messages for the user.
        on_step: takes a report every few steps.
        on_validation: takes each validation.
        stop: called after every step; if it returns True, on any process, training saves and
            returns.
        take_over: asked again and again while another session has the run's folder; once it returns
            True, the folder is taken over. None refuses a folder whose session shows that it lives.

    Raises:
        FilelistError, AudioError: if a dataset is not usable.
        RunError: if the run's folder lies in a dataset or cannot be made.
        CheckpointError: if a checkpoint cannot be resumed, or saving failed.
        ConfigError: if the device does not exist or cannot train in the precision.
        RanksError: if another process failed.
        OwnerError: if another session trains the run, or has taken it over.
    """
    run = run if isinstance(run, Run) else Run(Path(run))
    if not ranks.is_first:
        log = on_step = on_validation = _ignore
    log = safe_log(log)
    # A full disk or a lost terminal behind a callback does not end training, but its bugs do.
    best_effort = BestEffort(log, OSError)
    session = Session(dataset_folders, run, config, ranks, warm_start_from, log, take_over)
    settings, state, validation = config.train, session.state, None
    started = time.monotonic()
    with session.running() as interrupted:
        while state.step < settings.max_steps:
            session.require_owned()
            session.step()
            row: dict[str, float] = {}
            minutes = (time.monotonic() - started) / 60
            (out_of_time,) = ranks.any(0 < settings.max_minutes <= minutes)
            is_last = state.step >= settings.max_steps or out_of_time
            if state.step % _REPORT_EVERY == 0 or is_last:
                report = session.report()
                if report is None:  # rolled back
                    continue
                row.update(report.history_row(state))
                best_effort("A report could not be shown", on_step, report)
            stopping, is_time_to_save = ranks.any(
                stop() or interrupted.is_set(),
                session.minutes_unsaved > settings.save_every_minutes,
            )
            # Also when stopping: the resumed run would not make up for a missed validation, and
            # would differ from an uninterrupted one.
            if state.step % settings.validate_every == 0 or is_last:
                checked = session.check()
                if checked is None:  # rolled back
                    continue
                validation = checked
                row.update(validation.history_row())
                best_effort("A validation could not be shown", on_validation, validation)
                if hint := stagnation(state):
                    log(hint)
            elif stopping or is_time_to_save:
                session.save()
            session.append_history(row)
            if stopping and state.step < settings.max_steps:
                log(f"Stopped at step {state.step:,} and saved. Run it again to resume.")
                break
            if out_of_time:
                plural = "" if settings.max_minutes == 1 else "s"
                log(
                    f"Stopped at step {state.step:,} and saved: the limit of "
                    f"{settings.max_minutes:g} minute{plural} is reached. Run it again to resume."
                )
                break
    session.require_saved()
    finished = state.step >= settings.max_steps
    if state.step > settings.max_steps:
        log(
            f"Step {state.step:,} is reached already, and max_steps is {settings.max_steps:,}: "
            "nothing is left to train. Choose a larger max_steps to train on."
        )
    elif finished:
        log(f"Finished: step {state.step:,} of {settings.max_steps:,}.")
    return TrainResult(state.step, finished, state.first_aligned, validation)


def _ignore(anything: object) -> None:
    pass
