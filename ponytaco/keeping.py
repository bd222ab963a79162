"""What a run keeps and how it comes back: its store, and what is said when it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from ponytaco import __version__
from ponytaco.checkpoint import Checkpoint, CheckpointError, verified_checkpoint
from ponytaco.config import Config
from ponytaco.run import Run
from ponytaco.store import Loaded, Store


def open_store(run: Run, say: Callable[[str], None]) -> Store[Checkpoint]:
    """The store of a run's checkpoints.

    Args:
        run: its ``scratch`` decides whether saves are copied beside training.
        say: takes sentences for the user.
    """
    return Store(run.folder, _read, run.scratch, say=say)


def newest_save(
    store: Store[Checkpoint], run: Run, say: Callable[[str], None]
) -> Loaded[Checkpoint] | None:
    """The newest save that verifies, having said what was wrong with newer ones.

    Raises:
        CheckpointError: there are saves, but none can be used.
    """
    try:
        found = store.load()
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(
            f"{run.folder} cannot be resumed. {error} Move its files elsewhere to begin anew."
        ) from None
    if found is not None and found.sentence:
        say(found.sentence)
    return found


def resume_sentences(found: Loaded[Checkpoint], run: Run, config: Config) -> list[str]:
    """Where a run goes on, and what is not as it was; the data set is judged by the caller."""
    saved = found.content
    when = found.save.time[:16].replace("T", " ")
    sentences = [
        f"Resuming {run.folder.name} at step {saved.progress.step:,}, "
        f"saved at {when} UTC in {found.path}."
    ]
    different = [
        f"{field.name} {getattr(new, field.name)} (was {getattr(old, field.name)})"
        for old, new in (
            (saved.config.model, config.model),
            (saved.config.train, config.train),
        )
        for field in dataclasses.fields(new)
        if getattr(old, field.name) != getattr(new, field.name)
    ]
    if saved.version and saved.version != __version__:
        different.append(f"ponytaco {__version__} (was {saved.version})")
    if different:
        sentences.append(f"Other than then: {', '.join(different)}.")
    return sentences


def _read(path: Path) -> tuple[int, Checkpoint]:
    checkpoint = verified_checkpoint(path)
    return checkpoint.progress.step, checkpoint
