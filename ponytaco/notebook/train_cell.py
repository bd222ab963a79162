"""Training from a notebook: ``train`` with a live panel, TensorBoard files and a movie."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ponytaco.config import TrainConfig
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import has_widgets
from ponytaco.notebook.errors import explain_errors
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.training_form import AUTO, TrainingSettings
from ponytaco.notebook.widgets.events import can_wait, widget_events
from ponytaco.notebook.widgets.panel import Panel, TextPanel
from ponytaco.runs.folder import Run
from ponytaco.runs.movie import MovieError, make_movie
from ponytaco.training.loop import TrainResult, train
from ponytaco.training.metrics import StepReport
from ponytaco.training.tensorboard import EventLog
from ponytaco.training.validation import Validation


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
    run = storage.run(character.name)
    warm_start = None
    if not run.resumable:
        warm_start = character.warm_start or settings.find_warm_start(storage)
    config = settings.config_for(run, max_steps, warm_start)
    with _panel(run, config.train) as panel, _event_log(tensorboard, storage, run) as event_log:

        def on_step(report: StepReport) -> None:
            panel.on_step(report)
            if event_log is not None:
                event_log.on_step(report)

        def on_validation(validation: Validation) -> None:
            panel.on_validation(validation)
            if event_log is not None:
                event_log.on_validation(validation)

        outcome = "stopped by an error, see below"
        try:
            result = train(
                storage.dataset(character.name),
                run,
                config,
                warm_start_from=warm_start,
                on_step=on_step,
                on_validation=on_validation,
                stop=panel.poll,
            )
            finished = "finished" if result.finished else "stopped and saved"
            outcome = f"{finished} at step {result.step:,}"
        finally:
            panel.close(outcome)
    print(f"The voice is saved: {run.current_model}.")
    if result.finished:
        print("To train it longer, choose a larger max_steps above and run this cell again.")
    try:
        print(f"How the attention grew: {make_movie(run)}.")
    except MovieError as error:  # no picture yet, or no room: the voice is saved all the same
        print(error)
    return result


@contextlib.contextmanager
def _panel(run: Run, settings: TrainConfig) -> Iterator[Panel | TextPanel]:
    if not has_widgets():
        yield TextPanel(run)
        return
    if not can_wait():
        print(
            "The button 'Stop and save' needs the package jupyter-ui-poll, which is missing. "
            "Use the cell's own stop button: it saves, too."
        )
    with widget_events() as poll:
        yield Panel(run, settings, poll)


@contextlib.contextmanager
def _event_log(wanted: bool, storage: Storage, run: Run) -> Iterator[EventLog | None]:
    if not wanted:
        yield None
        return
    folder = storage.disk / "tensorboard" / run.folder.name
    copies = run.folder / "tensorboard" if storage.drive_mount else None
    event_log = EventLog(folder, run, copies)
    print(
        f"TensorBoard: run %load_ext tensorboard and %tensorboard --logdir {folder} in new cells."
    )
    try:
        yield event_log
    finally:
        event_log.close()
