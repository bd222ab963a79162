"""Training from a notebook: the live panel, the event files and the movie around ``train``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ponytaco.config import TrainConfig
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import friendly, has_widgets
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.training_form import AUTO, Settings
from ponytaco.notebook.widgets.events import can_wait, widget_events
from ponytaco.notebook.widgets.panel import Panel, TextPanel
from ponytaco.runs.folder import Run
from ponytaco.runs.movie import MovieError, make_movie
from ponytaco.training.loop import TrainResult, train
from ponytaco.training.metrics import StepReport
from ponytaco.training.tensorboard import EventLog
from ponytaco.training.validation import Validation


@friendly
def train_voice(
    character: Character,
    storage: Storage,
    settings: Settings,
    max_steps: str = AUTO,
    tensorboard: bool = False,
) -> TrainResult:
    """Train a character's voice, or go on with it, with a live panel.

    Args:
        character: of ``pick_character``; its clips are prepared.
        storage: of ``connect_storage``.
        settings: the form's.
        max_steps: where the voice is finished; 'auto' leaves it to the preset.
        tensorboard: also write event files.

    Returns:
        Where this session ended.

    Raises:
        NotebookError: whatever the user can mend, in one sentence.
    """
    run = storage.run(character.name)
    start = None if run.resumable else character.begin_with or settings.begin_with(storage)
    config = settings.config_for(run, max_steps, start)
    with _panel(run, config.train) as panel, _event_log(tensorboard, storage, run) as log:

        def on_step(report: StepReport) -> None:
            panel.on_step(report)
            if log is not None:
                log.on_step(report)

        def on_validation(validation: Validation) -> None:
            panel.on_validation(validation)
            if log is not None:
                log.on_validation(validation)

        outcome = "stopped by an error, see below"
        try:
            result = train(
                storage.dataset(character.name),
                run,
                config,
                warm_start_from=start,
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
    _movie(run, print)
    return result


@contextlib.contextmanager
def _panel(run: Run, settings: TrainConfig) -> Iterator[Panel | TextPanel]:
    if not has_widgets():
        yield TextPanel(run)
        return
    if not can_wait():
        print(
            "The Stop button needs the package jupyter-ui-poll, which is missing. "
            "The cell's own stop saves too."
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
    log = EventLog(folder, run, copies)
    print(f"TensorBoard: in a new cell, %load_ext tensorboard and %tensorboard --logdir {folder}")
    try:
        yield log
    finally:
        log.close()


def _movie(run: Run, say: Callable[[str], None]) -> None:
    """A movie is a gift: without a picture yet, or without room, nothing is wrong."""
    try:
        say(f"How the attention grew: {make_movie(run)}.")
    except MovieError as error:
        say(str(error))
