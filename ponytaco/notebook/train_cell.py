"""Training from a notebook: ``train`` with a live panel, TensorBoard files and a movie."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ponytaco.config import TrainConfig
from ponytaco.errors import PonytacoError
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import has_widgets
from ponytaco.notebook.errors import explain_errors
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.training_form import AUTO, TrainingSettings
from ponytaco.notebook.widgets.events import can_wait, widget_events
from ponytaco.notebook.widgets.panel import Panel, TextPanel
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


@explain_errors
def train_voice(
    storage: Storage,
    character: Character,
    settings: TrainingSettings,
    max_steps: str = AUTO,
    tensorboard: bool = False,
) -> TrainResult:
    """Train a character's voice, or resume its training, with a live panel.

    Args:
        storage: from ``connect_storage``.
        character: from ``pick_character``, with prepared clips.
        settings: the form.
        max_steps: the last step; 'auto' leaves it to the preset.
        tensorboard: also write TensorBoard files.

    Raises:
        PonytacoError: anything that the user can fix.
    """
    settings.check(max_steps)  # before anything is downloaded
    run = storage.run(character.name)
    warm_start = None
    if not run.resumable:
        warm_start = character.warm_start or settings.find_warm_start(storage)
    config = settings.config_for(run, max_steps, warm_start)
    best_effort = BestEffort(say)
    with contextlib.ExitStack() as ending:
        panel: Panel | TextPanel = best_effort(
            _NO_PANEL, ending.enter_context, _panel(run, config.train)
        ) or TextPanel(run)
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
            best_effort(_NO_PANEL, panel.poll)
            return panel.stopping

        outcome = "stopped by an error, see below"
        try:
            result = train(
                storage.dataset(character.name),
                run,
                config,
                warm_start_from=warm_start,
                on_step=on_step,
                on_validation=on_validation,
                stop=stop,
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
def _panel(run: Run, settings: TrainConfig) -> Iterator[Panel | TextPanel]:
    if not has_widgets():
        yield TextPanel(run)
        return
    if not can_wait():
        say(
            "The button 'Stop and save' needs the package jupyter-ui-poll, which is missing. "
            "Use the cell's own stop button: it saves, too."
        )
    with widget_events() as poll:
        yield Panel(run, settings, poll)


def _event_log(storage: Storage, run: Run) -> EventLog:
    folder = storage.disk / "tensorboard" / run.folder.name
    copies = run.folder / "tensorboard" if storage.drive_mount else None
    event_log = EventLog(folder, copies)
    say(f"TensorBoard: run %load_ext tensorboard and %tensorboard --logdir {folder} in new cells.")
    return event_log
