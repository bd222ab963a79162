"""What a run keeps and how it comes back: its store, its saves, and what is said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from ponytaco import __version__
from ponytaco.checkpoint.conversion.reduction_factor import set_frames_per_step
from ponytaco.checkpoint.format import Checkpoint, CheckpointError, verified_checkpoint
from ponytaco.config import Config
from ponytaco.data.sampler import BucketSampler
from ponytaco.io.store.store import Loaded, Store, StoreError
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.folder import Run
from ponytaco.runs.state import RunState
from ponytaco.training.distributed import ALONE, Ranks
from ponytaco.training.ema import EMA
from ponytaco.training.rng import rng_states_by_rank, seed_rank, set_rng_state

# Halvings of the learning rate after which going back is given up.
_LEAST_LEARNING_RATE_SCALE = 1 / 64


def open_store(run: Run, log: Callable[[str], None]) -> Store[Checkpoint]:
    """The store of a run's checkpoints.

    Args:
        run: its ``scratch`` decides whether saves are copied beside training.
        log: takes sentences for the user.
    """
    return Store(run.folder, _read, run.scratch, log=log)


def find_newest_save(
    store: Store[Checkpoint], run: Run, log: Callable[[str], None]
) -> Loaded[Checkpoint] | None:
    """The newest save that verifies, having said what was wrong with newer ones.

    Raises:
        CheckpointError: there are saves, but none can be used.
    """
    try:
        found = store.load()
    except StoreError as error:
        raise CheckpointError(
            f"{run.folder} cannot be resumed. {error} Move its files elsewhere to begin anew."
        ) from None
    if found is not None and found.sentence:
        log(found.sentence)
    return found


def describe_resume(
    found: Loaded[Checkpoint], run: Run, config: Config, ranks: Ranks = ALONE
) -> list[str]:
    """Where a run goes on, and what is not as it was; the data set is judged by the caller."""
    saved = found.content
    config = config.reduced_to(saved.config.model.n_frames_per_step)
    when = found.save.time[:16].replace("T", " ")
    sentences = [
        f"Resuming {run.folder.name} at step {saved.run_state.step:,}, "
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
    n_before = len(rng_states_by_rank(saved.rng or {}))
    if n_before != ranks.count:
        different.append(f"processes {ranks.count} (was {n_before})")
    if saved.version and saved.version != __version__:
        different.append(f"ponytaco {__version__} (was {saved.version})")
    if different:
        sentences.append(f"Other than then: {', '.join(different)}.")
    return sentences


def resume(
    found: Loaded[Checkpoint],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    sampler: BucketSampler,
    data_fingerprint: str,
    log: Callable[[str], None],
    ranks: Ranks = ALONE,
    device: torch.device | None = None,
) -> None:
    """Put the states of a save into what training goes on with.

    Args:
        found: the save; the model has its weights already.
        optimizer: changed in place, as are scaler and sampler.
        scaler: of the loss.
        sampler: stays at the beginning of the data when the data set has changed.
        data_fingerprint: of the data set as it is now.
        log: takes a sentence for the user.
        ranks: the processes that go on together. As many as before go on exactly; another number
            draws other random numbers, but goes on with just the clips that are left.
        device: whose random numbers go on.

    Raises:
        CheckpointError: the states do not fit.
    """
    resumed = found.content
    try:
        _restore(resumed, optimizer, scaler)
        rng = rng_states_by_rank(resumed.rng) if resumed.rng is not None else []
        if len(rng) == ranks.count:
            set_rng_state(rng[ranks.rank], device)
        elif rng:
            seed_rank(resumed.config.train.seed, ranks.rank, resumed.run_state.step)
        if resumed.fingerprint == data_fingerprint and resumed.sampler is not None:
            sampler.load_state_dict(dict(resumed.sampler))
        else:
            log("The data set has changed since then: its clips are drawn afresh.")
    # Whatever a file by a stranger has in the place of a state.
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{found.path} cannot be gone on from: its states do not fit ({error}). Its weights "
            "can begin a new run: --warm-start."
        ) from None


def _restore(
    saved: Checkpoint, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> None:
    if saved.optimizer is not None:
        names = ("weight_decay", "fused", "times")
        ours = [{name: group[name] for name in names} for group in optimizer.param_groups]
        optimizer.load_state_dict(dict(saved.optimizer))
        for group, chosen in zip(optimizer.param_groups, ours, strict=True):
            group.update(chosen)  # the saved ones would outvote the settings
    if scaler.is_enabled() and saved.scaler:
        scaler.load_state_dict(dict(saved.scaler))


def roll_back(
    found: Loaded[Checkpoint] | None,
    model: Tacotron2,
    ema: EMA,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    run_state: RunState,
    patience: int,
    log: Callable[[str], None],
) -> None:
    """Return to the last save with half the learning rate; other clips come next.

    Args:
        found: that save.
        model: changed in place, as are average, optimizer, scaler and progress.
        ema: of the model's weights.
        optimizer: of the model's parameters.
        scaler: of the loss.
        run_state: where the run is.
        patience: steps in a row that were no numbers, for the sentence.
        log: takes a sentence for the user.

    Raises:
        CheckpointError: there is no save, or going back has not helped several times.
    """
    factor, skipped = run_state.learning_rate_scale / 2, run_state.skipped_steps
    if factor < _LEAST_LEARNING_RATE_SCALE or found is None:
        raise CheckpointError(
            f"The loss has not been a number for {patience} steps up to step {run_state.step:,}"
            f"{', again and again' if found else ''}. Choose a lower learning_rate, or --precision "
            "float32, and begin anew."
        )
    # The save may be from before its frames a step were reduced.
    set_frames_per_step(model, found.content.config.model.n_frames_per_step, optimizer)
    model.load_state_dict(found.content.trained or found.content.state_dict)
    ema.begin(model, found.content.state_dict)
    _restore(found.content, optimizer, scaler)
    run_state.take_over(found.content.run_state)
    run_state.learning_rate_scale = factor
    run_state.skipped_steps = skipped
    log(
        f"The loss was not a number for {patience} steps. Back to step {run_state.step:,}, at "
        f"{factor:g} of the learning rate."
    )


def _read(path: Path) -> tuple[int, Checkpoint]:
    checkpoint = verified_checkpoint(path)
    if checkpoint.card is not None:
        raise CheckpointError(
            f"{path} is a voice to share, which lacks what training needs to go on. A new run can "
            "begin with it: --warm-start."
        )
    return checkpoint.run_state.step, checkpoint
