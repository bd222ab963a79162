"""Training: one flat loop that resumes by itself, and the validation that judges it."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ponytaco.checkpoint import (
    Checkpoint,
    Progress,
    load_checkpoint,
    new_model,
    require_same_architecture,
    rng_state,
    save_checkpoint,
    set_rng_state,
    warm_start,
)
from ponytaco.config import Config, ConfigError
from ponytaco.dataset import BucketSampler, endless_batches, open_datasets
from ponytaco.filelists import fingerprint, read_dataset
from ponytaco.precision import grad_scaler, product_dtype
from ponytaco.run import Run, append_history, cut_history, write_whole
from ponytaco.schedule import learning_rate
from ponytaco.step import train_step
from ponytaco.text import CTC_SYMBOLS, SYMBOLS, Lexicon
from ponytaco.validation import Validation, save_pictures, validate

# Steps whose means make one row of the history and one report.
_REPORT_EVERY = 10


@dataclass(frozen=True)
class StepReport:
    """The last few steps' means."""

    step: int
    max_steps: int
    epoch: int
    seconds_per_step: float
    learning_rate: float
    losses: dict[str, float]
    """'loss' (what is minimised), 'mel', 'mel_postnet', 'gate', 'mi', 'gaf', 'guidance',
    'guidance_weight', 'grad_norm'; those in use."""
    skipped_steps: int


@dataclass(frozen=True)
class TrainResult:
    """Where a session of training ended."""

    step: int
    finished: bool
    """Whether max_steps is reached; otherwise it was stopped."""
    first_aligned: int | None
    validation: Validation | None
    """The session's last one."""


def train(
    dataset_folder: Path,
    run: Run,
    config: Config,
    *,
    warm_start_from: Path | None = None,
    say: Callable[[str], None] = print,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_validation: Callable[[Validation], None] = lambda validation: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train a voice until ``max_steps``, from where the run's folder left off.

    Interrupting (Ctrl-C, the notebook's stop, SIGTERM) finishes the step, saves and returns.

    Args:
        dataset_folder: a prepared character.
        run: the run's folder; made when missing, resumed when it has a checkpoint.
        config: the settings; a resumed run must have the same model and audio.
        warm_start_from: weights to begin with; ignored when there is something to resume.
        say: takes sentences for the user.
        on_step: takes a report every few steps.
        on_validation: takes each validation.
        stop: asked after every step; True saves and returns.

    Raises:
        FilelistError, AudioError: the data set is not usable.
        CheckpointError: there is a checkpoint that cannot be resumed, or saving failed.
        ConfigError: the device does not exist.
    """
    settings = config.train
    device = choose_device(settings.device)
    folder = read_dataset(dataset_folder)
    data_fingerprint = fingerprint(dataset_folder)
    resumed = load_checkpoint(run.current_model) if run.resumable else None
    if resumed is not None:
        require_same_architecture(resumed.config, config, run.current_model)
    symbols = resumed.symbols if resumed else SYMBOLS
    ctc_symbols = resumed.ctc_symbols if resumed else CTC_SYMBOLS

    data = open_datasets(folder, config.audio, symbols, settings.cleaner)
    mean_frame = data.mean_frame.to(device)
    frames_per_second = config.audio.sample_rate / config.audio.hop_length
    sampler = BucketSampler(
        data.train.lengths,
        settings.batch_size,
        settings.seed,
        settings.p_arpabet,
        max_frames=int(settings.max_clip_seconds * frames_per_second),
    )
    lexicon = _lexicon(folder.lexicon_path)
    if not any(clip.arpabet for clip in folder.train):
        lexicon = {}  # the voice learns letters only, and must not be given phones to speak

    torch.manual_seed(settings.seed)
    model = new_model(config, symbols, ctc_symbols)
    progress = Progress()
    if resumed is not None:
        model.load_state_dict(resumed.state_dict)
        progress = resumed.progress
    elif warm_start_from is not None:
        say(str(warm_start(model, symbols, warm_start_from)))
    else:
        model.decoder.start_from(data.mean_frame)
    # What can go wrong with the data, the settings and other weights has gone well: now write.
    run.prepare()
    write_whole(run.config, config.to_json())
    model.to(device)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, eps=1e-6
    )
    scaler = grad_scaler(product_dtype(settings.precision, device), device)
    if resumed is not None:
        if scaler.is_enabled() and resumed.scaler:
            scaler.load_state_dict(dict(resumed.scaler))
        _resume(resumed, optimizer, sampler, data_fingerprint, run, say)
    else:
        cut_history(run.history, step=-1)  # what an earlier run may have left without a checkpoint
        say(
            f"Starting {run.folder.name} on {device}: {len(data.train)} clips to learn from, "
            f"{len(data.val)} to validate on."
        )

    def checkpoint() -> Checkpoint:
        return Checkpoint(
            config=config,
            state_dict=model.state_dict(),
            symbols=symbols,
            ctc_symbols=ctc_symbols,
            mean_frame=data.mean_frame,
            lexicon=lexicon,
            progress=progress,
            optimizer=optimizer.state_dict(),
            scaler=scaler.state_dict(),
            sampler=sampler.state_dict(),
            rng=rng_state(),
            fingerprint=data_fingerprint,
            dataset=str(dataset_folder.resolve()),
        )

    validation = None
    recent: list[dict[str, Tensor]] = []
    steps_since_report = 0
    session_start = last_save = last_report = time.monotonic()
    seconds_before = progress.seconds - last_save
    batches = endless_batches(data.train, sampler, settings.loader_workers)
    with _interruptible() as interrupted:
        while progress.step < settings.max_steps:
            batch = next(batches).to(device)
            rate = learning_rate(
                progress.step,
                settings.learning_rate,
                settings.warmup_steps,
                settings.decay_start,
                settings.decay_steps,
                settings.min_learning_rate,
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            losses = train_step(model, optimizer, batch, settings, progress, mean_frame, scaler)
            progress.step += 1
            steps_since_report += 1
            progress.skipped_steps += losses.skipped
            progress.seconds = seconds_before + time.monotonic()
            if not losses.skipped:
                recent.append(losses.values)

            row: dict[str, float] = {}
            out_of_time = 0 < settings.max_minutes * 60 <= time.monotonic() - session_start
            is_last = progress.step >= settings.max_steps or out_of_time
            if progress.step % _REPORT_EVERY == 0 or is_last:
                now = time.monotonic()
                report = StepReport(
                    step=progress.step,
                    max_steps=settings.max_steps,
                    epoch=sampler.epoch,
                    seconds_per_step=(now - last_report) / steps_since_report,
                    learning_rate=rate,
                    losses=_means(recent),
                    skipped_steps=progress.skipped_steps,
                )
                row.update(_history_row(report, progress))
                recent, last_report, steps_since_report = [], now, 0
                on_step(report)
            stopping = stop() or interrupted.is_set()
            # Also when stopping: a validation that is left out would not be made up for, and the
            # resumed run would differ from an uninterrupted one.
            if progress.step % settings.validate_every == 0 or is_last:
                validation = validate(model, data.val, config, progress.step, device)
                is_best = _judge(validation, progress)
                row.update(validation.history_row())
                save_checkpoint(run.current_model, checkpoint())
                if is_best:
                    save_checkpoint(run.best_model, checkpoint())
                save_pictures(validation, run, config.audio)  # last: weights matter more
                last_save = time.monotonic()
                last_report += validation.seconds
                on_validation(validation)
            elif stopping or time.monotonic() - last_save > settings.save_every_minutes * 60:
                save_checkpoint(run.current_model, checkpoint())
                last_save = time.monotonic()
            if row:
                append_history(run.history, {"step": progress.step, **row})
            if stopping and progress.step < settings.max_steps:
                say(f"Stopped at step {progress.step:,} and saved. Run again to go on from there.")
                break
            if out_of_time:
                say(f"{settings.max_minutes:g} minutes are over at step {progress.step:,}; saved.")
                break
    finished = progress.step >= settings.max_steps
    if finished:
        say(
            f"Finished: step {progress.step:,} of {settings.max_steps:,}. Raise max_steps to go on."
        )
    return TrainResult(progress.step, finished, progress.first_aligned, validation)


def choose_device(name: str) -> torch.device:
    """The device that a setting means; 'auto' is CUDA where there is one.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise ConfigError(f"There is no device '{name}' here. Use 'auto' or 'cpu'.") from None
    return device


def _resume(
    resumed: Checkpoint,
    optimizer: torch.optim.Optimizer,
    sampler: BucketSampler,
    data_fingerprint: str,
    run: Run,
    say: Callable[[str], None],
) -> None:
    if resumed.optimizer is not None:
        weight_decay = optimizer.param_groups[0]["weight_decay"]
        optimizer.load_state_dict(dict(resumed.optimizer))
        for group in optimizer.param_groups:  # the saved one would outvote the settings
            group["weight_decay"] = weight_decay
    if resumed.rng is not None:
        set_rng_state(resumed.rng)
    say(f"Resuming {run.folder.name} at step {resumed.progress.step:,}.")
    if resumed.fingerprint == data_fingerprint and resumed.sampler is not None:
        sampler.load_state_dict(dict(resumed.sampler))
    else:
        say("The data set has changed since then: its clips are drawn afresh.")
    cut_history(run.history, resumed.progress.step)


def _judge(validation: Validation, progress: Progress) -> bool:
    """Record alignment, and say whether this is the best model so far."""
    aligned = validation.free.aligned
    if not aligned:
        progress.aligned_since = None
    elif progress.aligned_since is None:
        progress.aligned_since = progress.step
        progress.first_aligned = progress.first_aligned or progress.step
    # A voice that is aligned is better than any that is not, whatever its loss.
    # One whose loss is no number is never the best: nothing could be better than it.
    is_best = math.isfinite(validation.loss) and (
        progress.best_loss is None
        or (aligned, -validation.loss) > (progress.best_aligned, -progress.best_loss)
    )
    if is_best:
        progress.best_aligned, progress.best_loss = aligned, validation.loss
    return is_best


def _means(recent: list[dict[str, Tensor]]) -> dict[str, float]:
    names = {name for values in recent for name in values}
    return {
        name: float(torch.stack([v[name].float().cpu() for v in recent if name in v]).mean())
        for name in sorted(names)
    }


def _history_row(report: StepReport, progress: Progress) -> dict[str, float]:
    return {
        **report.losses,
        "epoch": report.epoch,
        "seconds": progress.seconds,
        "learning_rate": report.learning_rate,
        "skipped_steps": report.skipped_steps,
    }


def _lexicon(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    return {word: " ".join(phones) for word, phones in Lexicon.read(path).entries.items()}


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Turn the first interrupt into a wish to stop, so that no step is left half done.

    A second one interrupts at once. Only the main thread may take signals; elsewhere the
    caller's ``stop`` is the only way.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def on_signal(number: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    for number in signals:
        signal.signal(number, on_signal)
    try:
        yield interrupted
    finally:
        for number in signals:
            signal.signal(number, before[number])
