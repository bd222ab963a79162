"""Training from a notebook: ``train`` with a live panel, TensorBoard files and a movie."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ponytaco.config import TrainConfig
from ponytaco.errors import PonytacoError
from ponytaco.io.store.owner import OwnerError
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import has_widgets
from ponytaco.notebook.errors import NotebookError, explain_errors
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.training_form import AUTO, TrainingSettings
from ponytaco.notebook.widgets.events import can_wait, widget_events
from ponytaco.notebook.widgets.panel import Panel, TextPanel
from ponytaco.notebook.widgets.take_over import TakeOver
from ponytaco.printable import say
from ponytaco.runs.folder import Run
from ponytaco.runs.movie import make_movie
from ponytaco.training.interrupts import BestEffort
from ponytaco.training.loop import TrainResult, train
from ponytaco.training.metrics import StepReport
from ponytaco.training.tensorboard import EventLog
from ponytaco.training.validation import Validation

_NO_PANEL = "The panel could not be shown"
_NO_EVENTS = "TensorBoard's files could not be written"
_OTHER_SESSION = (
    "The other session goes on, and nothing is lost. To train here instead, tick 'take_over' above "
    "and run this cell again."
)


@explain_errors
def train_voice(
    storage: Storage,
    character: Character,
    settings: TrainingSettings,
    max_steps: str = AUTO,
    tensorboard: bool = False,
    take_over: bool = False,
) -> TrainResult:
    """Train a character's voice, or resume its training, with a live panel.

    Args:
        storage: from ``connect_storage``.
        character: from ``pick_character``, with prepared clips.
        settings: the form.
        max_steps: the last step; 'auto' leaves it to the preset.
        tensorboard: also write TensorBoard files.
        take_over: train even if another session still does, without asking.

    Raises:
        PonytacoError: anything that the user can fix.
    """
    settings.check(max_steps)  # before anything is downloaded
    storage.require_connected()
    run = storage.run(character.name)
    warm_start = None
    if not run.resumable:
        warm_start = character.warm_start or settings.find_warm_start(storage)
    config = settings.config_for(run, max_steps, warm_start)
    best_effort = BestEffort(say)
    with contextlib.ExitStack() as ending:
        shown = best_effort(_NO_PANEL, ending.enter_context, _panel(run, config.train))
        panel, question = shown or (TextPanel(run), None)
        event_log = None
        if tensorboard:
            event_log = best_effort(_NO_EVENTS, _event_log, storage, run)
        if event_log is not None:
            ending.callback(best_effort, _NO_EVENTS, event_log.close)

        def on_step(report: StepReport) -> None:
            best_effort(_NO_PANEL, panel.on_step, report)
            if event_log is not None:
                best_effort(_NO_EVENTS, event_log.on_step, report)

        def on_validation(validation: Validation) -> None:
            best_effort(_NO_PANEL, panel.on_validation, validation)
            if event_log is not None:
                best_effort(_NO_EVENTS, event_log.on_validation, validation)

        def stop() -> bool:
            if question is not None:
                best_effort(_NO_PANEL, question.close, "The voice is trained here now.")
            best_effort(_NO_PANEL, panel.poll)
            return panel.stopping

        def is_taken_over() -> bool:
            return take_over or bool(question and best_effort(_NO_PANEL, question.asked))

        outcome = "stopped by an error, see below"
        try:
            with _other_sessions(question):
                result = train(
                    storage.dataset(character.name),
                    run,
                    config,
                    warm_start_from=warm_start,
                    on_step=on_step,
                    on_validation=on_validation,
                    stop=stop,
                    # Without a button, one that lives is refused instead of waited for.
                    take_over=is_taken_over if take_over or question else None,
                )
            finished = "finished" if result.finished else "stopped and saved"
            outcome = f"{finished} at step {result.step:,}"
        finally:
            best_effort(_NO_PANEL, panel.close, outcome)
    say(f"The voice is saved: {run.current_model}.")
    if result.finished:
        say("To train it longer, choose a larger max_steps above and run this cell again.")
    try:
        say(f"How the attention grew: {make_movie(run)}.")
    # No picture yet, or no room: the voice is saved all the same.
    except (PonytacoError, OSError) as error:
        say(*str(error).split("\n"))
    return result


@contextlib.contextmanager
def _panel(run: Run, settings: TrainConfig) -> Iterator[tuple[Panel | TextPanel, TakeOver | None]]:
    """Yield the panel, and the question for a run that another session has, if it can be asked."""
    if not has_widgets():
        yield TextPanel(run), None
        return
    if not can_wait():
        say(
            "The button 'Stop and save' needs the package jupyter-ui-poll, which is missing. "
            "Use the cell's own stop button: it saves, too."
        )
    with widget_events() as poll:
        yield Panel(run, settings, poll), TakeOver(poll) if can_wait() else None


@contextlib.contextmanager
def _other_sessions(question: TakeOver | None) -> Iterator[None]:
    """Explain that another session has the voice, or that nobody waits for its end any more."""
    try:
        yield
    except OwnerError as error:
        raise NotebookError(f"{error} {_OTHER_SESSION}") from error
    except KeyboardInterrupt:
        if question is None or not question.open:
            raise
        question.close("Stopped waiting.")
        raise NotebookError(f"Stopped waiting. {_OTHER_SESSION}") from None


def _event_log(storage: Storage, run: Run) -> EventLog:
    folder = storage.disk / "tensorboard" / run.folder.name
    copies = run.folder / "tensorboard" if storage.drive_mount else None
    event_log = EventLog(folder, copies)
    say(f"TensorBoard: run %load_ext tensorboard and %tensorboard --logdir {folder} in new cells.")
    return event_log
