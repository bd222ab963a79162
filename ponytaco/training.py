"""Training: one flat loop that resumes by itself, and the validation that judges it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ponytaco.checkpoint import (
    Checkpoint,
    CheckpointError,
    Progress,
    new_model,
    require_same_architecture,
    rng_state,
    warm_start,
    write_checkpoint,
)
from ponytaco.config import Config, ConfigError
from ponytaco.dataset import BucketSampler, endless_batches, open_datasets
from ponytaco.filelists import fingerprint, read_dataset
from ponytaco.fitting import in_parts_that_fit
from ponytaco.keeping import go_back, newest_save, open_store, resume, resume_sentences
from ponytaco.precision import grad_scaler, product_dtype
from ponytaco.run import Run, append_history, cut_history, write_whole
from ponytaco.schedule import learning_rate
from ponytaco.step import train_step
from ponytaco.survival import Attempts, interruptible, save_on_error
from ponytaco.text import CTC_SYMBOLS, SYMBOLS, Lexicon
from ponytaco.validation import Validation, judge, save_pictures, stagnation, validate

# Steps whose means make one row of the history and one report.
_REPORT_EVERY = 10

# Steps in a row without a number before the run goes back. A float16 scaler that begins too high
# needs about twenty.
_PATIENCE = 50


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
    store = open_store(run, say)
    found = newest_save(store, run, say) if run.resumable else None
    resumed = found.content if found else None
    if found is not None:
        require_same_architecture(found.content.config, config, found.path)
    symbols = resumed.symbols if resumed else SYMBOLS
    ctc_symbols = resumed.ctc_symbols if resumed else CTC_SYMBOLS

    data = open_datasets(folder, config.audio, symbols, settings.cleaner, say)
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
    if resumed is not None and warm_start_from is not None:
        say(
            f"The warm start is ignored: {run.folder} goes on from its own save. Use a new folder "
            "to begin with other weights."
        )
    # What can go wrong with the data, the settings and other weights has gone well: now write.
    run.prepare()
    write_whole(run.config, config.to_json())
    model.to(device)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, eps=1e-6
    )
    scaler = grad_scaler(product_dtype(settings.precision, device), device)
    if found is not None:
        for sentence in resume_sentences(found, run, config):
            say(sentence)
        resume(found, optimizer, scaler, sampler, data_fingerprint, say)
        cut_history(run.history, progress.step)
    else:
        cut_history(run.history, step=-1)  # what an earlier run may have left without a checkpoint
        say(
            f"Starting {run.folder.name} on {device}: {len(data.train)} clips to learn from, "
            f"{len(data.val)} to validate on."
        )

    # Of the steps that are done: the sampler itself is one ahead while a step is under way.
    place = sampler.state_dict()

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
            sampler=place,
            rng=rng_state(),
            fingerprint=data_fingerprint,
            dataset=str(dataset_folder.resolve()),
        )

    saved_step = progress.step if found else -1

    def save(is_best: bool = False) -> None:
        nonlocal saved_step
        content = checkpoint()
        store.save(lambda path: write_checkpoint(path, content), progress.step, is_best)
        saved_step = progress.step

    validation = None
    skipped_in_a_row = 0
    attempt = Attempts(say)
    recent: list[dict[str, Tensor]] = []
    steps_since_report = 0
    session_start = last_save = last_report = time.monotonic()
    seconds_before = progress.seconds - last_save
    batches = endless_batches(data.train, sampler, settings.loader_workers)
    with contextlib.ExitStack() as ending:
        ending.callback(store.close)
        ending.push(save_on_error(lambda: save() if progress.step > saved_step else None))
        interrupted = ending.enter_context(interruptible())
        while progress.step < settings.max_steps:
            try:
                batch = next(batches).to(device)
            except RuntimeError as error:
                if not settings.loader_workers or "DataLoader worker" not in str(error):
                    raise
                say("A process that loads clips died. They are loaded beside the steps from here.")
                settings = dataclasses.replace(settings, loader_workers=0)
                batches = endless_batches(data.train, sampler, 0)
                continue
            rate = progress.rate_factor * learning_rate(
                progress.step,
                settings.learning_rate,
                settings.warmup_steps,
                settings.decay_start,
                settings.decay_steps,
                settings.min_learning_rate,
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            # Bound now: a part of a step that did not fit is begun again with the same clips.
            step = functools.partial(
                train_step, model, optimizer, batch, settings, progress, mean_frame, scaler
            )
            losses = in_parts_that_fit(step, progress, len(batch.text), say)
            place = sampler.state_dict()
            progress.step += 1
            steps_since_report += 1
            progress.skipped_steps += losses.skipped
            progress.seconds = seconds_before + time.monotonic()
            skipped_in_a_row = skipped_in_a_row + 1 if losses.skipped else 0
            if not losses.skipped:
                recent.append(losses.values)
            if skipped_in_a_row >= _PATIENCE:
                store.close()
                go_back(store.load(), model, optimizer, scaler, progress, _PATIENCE, say)
                cut_history(run.history, progress.step)
                saved_step, skipped_in_a_row = progress.step, 0
                continue

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
                validation = in_parts_that_fit(
                    lambda n_parts: validate(
                        model, data.val, _smaller(config, n_parts), progress.step, device
                    ),
                    progress,
                    settings.batch_size,
                    say,
                )
                is_best = judge(validation, progress)
                row.update(validation.history_row())
                save(is_best)
                # last: weights matter more
                attempt("pictures", save_pictures, validation, run, config.audio)
                last_save = time.monotonic()
                last_report += validation.seconds
                on_validation(validation)
                if hint := stagnation(progress):
                    say(hint)
            elif stopping or time.monotonic() - last_save > settings.save_every_minutes * 60:
                save()
                last_save = time.monotonic()
            if row:
                row["step"] = progress.step
                attempt("history", append_history, run.history, row)
            if stopping and progress.step < settings.max_steps:
                say(f"Stopped at step {progress.step:,} and saved. Run again to go on from there.")
                break
            if out_of_time:
                say(f"{settings.max_minutes:g} minutes are over at step {progress.step:,}; saved.")
                break
    if store.problem:
        raise CheckpointError(
            f"{store.problem} What was learnt since the last good save is lost when this machine "
            "goes; run again to go on from that save."
        )
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


def _smaller(config: Config, n_parts: int) -> Config:
    """The settings with batches of a part's size."""
    size = max(1, config.train.batch_size // n_parts)
    return config.replace(batch_size=size) if n_parts > 1 else config


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
