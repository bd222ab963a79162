"""Resuming a run: its store, its newest usable save, and the settings that have changed."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ponytaco import __version__
from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    load_config,
    require_same_architecture,
    verified_checkpoint,
)
from ponytaco.config import Config, ConfigError
from ponytaco.errors import PonytacoError
from ponytaco.io.store.errors import StoreError, UnreadableError, disk_error
from ponytaco.io.store.files import attempts
from ponytaco.io.store.store import Loaded, Store
from ponytaco.runs.folder import Run, RunError
from ponytaco.training.distributed import Ranks
from ponytaco.training.rng import rng_states_by_rank

# Seconds to wait before reading again what is read before a run's folder is claimed.
_DELAYS = (1.0, 5.0)
# A real config.json has a few thousand characters.
_MOST_CONFIG_CHARACTERS = 2**20


def open_store(run: Run, log: Callable[[str], None]) -> Store[Checkpoint]:
    """Open the store of a run's checkpoints.

    Args:
        run: if it has a ``scratch`` folder, saves are copied in the background.
        log: takes messages for the user.
    """
    return Store(run.folder, _read, run.scratch, log=log)


def claim_folder(store: Store[Checkpoint], run: Run, take_over: Callable[[], bool] | None) -> None:
    """Make this session the owner of a run's folder.

    Raises:
        OwnerError: if another session trains it.
        RunError: if the folder cannot be made or read.
    """
    try:
        store.claim(take_over)
    except OSError as error:
        raise RunError(
            f"Cannot make the run's folder {run.folder}: {error.strerror or error}. "
            "Choose another folder."
        ) from None


def find_newest_save(
    store: Store[Checkpoint], run: Run, log: Callable[[str], None]
) -> Loaded[Checkpoint]:
    """Find the newest save of a resumable run that verifies, and log what is wrong with newer ones.

    Raises:
        CheckpointError: if there are saves, but none can be used or read, or a newer ponytaco wrote
            the newest.
    """
    try:
        found = store.load()
    except UnreadableError as error:
        raise _unreadable(run, str(error)) from None
    except StoreError as error:
        raise CheckpointError(
            f"{run.folder} cannot be resumed. {error} Move its files elsewhere to start anew."
        ) from None
    if found is None:
        raise CheckpointError(
            f"{run.folder} cannot be resumed. {run.current_model.name} is missing, and what is in "
            f"{run.saves} is no save. Move its files elsewhere to start anew."
        )
    if found.sentence:
        log(found.sentence)
    return found


def own_config(run: Run, log: Callable[[str], None]) -> Config:
    """Return a run's settings from its config.json, or else from its last save.

    The limit of minutes is left out: it is a session's.

    Raises:
        ConfigError: neither can be used.
        CheckpointError: the disk does not let them be read.
    """
    try:
        config = Config.from_json(attempts(lambda: _config_text(run.config), _DELAYS))
        if not _is_of_another_run(config, run):
            return config.replace(max_minutes=0)
        reason = "it is of another run"
    except (ConfigError, OSError) as error:
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
    saved = last_usable_save(run)
    if saved is None:
        raise ConfigError(
            f"{run.config} cannot be used ({reason}), nor can a save of the run. Choose its preset."
        )
    log(f"{run.config} cannot be used ({reason}): the settings are taken from the last save.")
    return saved.config.replace(max_minutes=0)


def _is_of_another_run(config: Config, run: Run) -> bool:
    """Whether a run's newest save that can be read has another model or other mels."""
    for path in sorted(run.models(), key=lambda path: path == run.best_model):
        try:
            saved = load_config(path)
        except (PonytacoError, OSError):
            continue
        try:
            require_same_architecture(saved, config, path)
        except CheckpointError:
            return True
        return False
    return False


def last_usable_save(run: Run) -> Checkpoint | None:
    """Return a run's last usable save; what is wrong is reported where it is resumed.

    Raises:
        CheckpointError: there is none that the disk lets be read, but there are others.
    """
    unread = ""
    for path in sorted(run.models(), key=lambda path: path == run.best_model):
        try:
            return attempts(functools.partial(_loaded, path), _DELAYS)
        except OSError as error:
            unread = unread or f"{path.name} cannot be read ({error.strerror or error})."
        except PonytacoError:
            continue
    if unread:
        raise _unreadable(run, unread)
    return None


def _loaded(path: Path) -> Checkpoint:
    """Read a checkpoint; an error of the disk is raised as such."""
    try:
        return load_checkpoint(path)
    except PonytacoError as error:
        if (reason := disk_error(error)) is not None:
            raise reason from None
        raise


def _config_text(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.read(_MOST_CONFIG_CHARACTERS)


def _unreadable(run: Run, problem: str) -> CheckpointError:
    return CheckpointError(
        f"{run.folder} cannot be read at the moment: {problem} Nothing is changed or lost. Try "
        "again in a few minutes; if it is on Drive, connect Drive again."
    )


def find_older_save(run: Run, step: int) -> Checkpoint | None:
    """Find the newest usable save from before a step, or None; the best model counts, too."""
    older: Checkpoint | None = None
    for path in run.models():
        with contextlib.suppress(OSError, PonytacoError):  # any other will do
            found_step, found = _read(path)
            if found_step < step and (older is None or found_step > older.run_state.step):
                older = found
    return older


def describe_resume(
    found: Loaded[Checkpoint], run: Run, config: Config, ranks: Ranks
) -> Iterator[str]:
    """Yield messages: from which save a run is resumed, and which settings have changed."""
    saved = found.content
    if found.path == run.best_model:
        yield (
            f"{run.best_model} is the only model left in this run, so training goes back to the "
            f"best voice, of step {saved.run_state.step:,}."
        )
    config = config.reduced_to(saved.config.model.n_frames_per_step)
    when = found.save.time[:16].replace("T", " ")
    yield (
        f"Resuming {run.folder.name} at step {saved.run_state.step:,}, "
        f"saved at {when} UTC in {found.path}."
    )
    different = [
        f"{field.name} {getattr(new, field.name)} (was {getattr(old, field.name)})"
        for old, new in ((saved.config.model, config.model), (saved.config.train, config.train))
        for field in dataclasses.fields(new)
        if getattr(old, field.name) != getattr(new, field.name)
    ]
    n_before = len(rng_states_by_rank(saved.rng or {}))
    if n_before != ranks.count:
        different.append(f"processes {ranks.count} (was {n_before})")
    if saved.version and saved.version != __version__:
        different.append(f"ponytaco {__version__} (was {saved.version})")
    if different:
        yield f"Changed since then: {', '.join(different)}."


def describe_new_data(
    saved: Checkpoint, folders: Sequence[Path], fingerprint: str, run: Run
) -> str:
    """Return a message that names a resumed run's data set and the one that it had before."""
    now = ", ".join(str(folder.resolve()) for folder in folders)
    before = ", ".join(map(str, saved.dataset_folders)) or "unknown"
    return (
        f"The data set has changed: it is now {now} (fingerprint {fingerprint[:8]}), and was "
        f"{before} (fingerprint {saved.fingerprint[:8] or 'unknown'}). Its clips are shuffled "
        "anew, and the best voice is judged anew: the one so far will be kept as "
        f"{run.earlier_best.name}."
    )


def _read(path: Path) -> tuple[int, Checkpoint]:
    checkpoint = verified_checkpoint(path)
    if checkpoint.card is not None:
        raise CheckpointError(
            f"{path} is a shared voice: it has no optimizer state, and cannot be resumed. Start a "
            "new run from its weights: --warm-start."
        )
    return checkpoint.run_state.step, checkpoint
