"""Training: one flat loop that resumes by itself, on one process or on several."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    new_model,
    require_same_architecture,
    write_checkpoint,
)
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.config import Config
from ponytaco.data.dataset import merged_lexicon, open_datasets
from ponytaco.data.dataset_folder import fingerprint, listed, read_datasets
from ponytaco.data.loader import endless_batches
from ponytaco.data.sampler import BucketSampler
from ponytaco.device import choose_device
from ponytaco.runs.folder import Run, write_whole
from ponytaco.runs.history import append_history, cut_history
from ponytaco.runs.state import Progress
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS
from ponytaco.training.distributed import ALONE, Ranks
from ponytaco.training.ema import Average
from ponytaco.training.freezing import freeze
from ponytaco.training.gradual import reduce_frames
from ponytaco.training.interrupts import Attempts, interruptible, save_on_error
from ponytaco.training.memory import in_parts_that_fit
from ponytaco.training.metrics import StepReport, Tally
from ponytaco.training.precision import grad_scaler, product_dtype
from ponytaco.training.resume import go_back, newest_save, open_store, resume, resume_sentences
from ponytaco.training.rng import all_rng_states, rng_state, seed_rank
from ponytaco.training.schedules import learning_rate, next_guided
from ponytaco.training.step import is_guided, make_optimizer, set_learning_rate, train_step
from ponytaco.training.validation import Validation, judge, save_pictures, stagnation, validate

# Steps whose means make one row of the history and one report.
_REPORT_EVERY = 10
# More than the preset small has; a processor takes seconds a step.
_MANY_PARAMETERS = 15_000_000

# Steps in a row without a number before the run goes back, which it notices at a report. A float16
# scaler that begins too high needs about twenty.
_PATIENCE = 50


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
    dataset_folders: Path | Sequence[Path],
    run: Run,
    config: Config,
    *,
    ranks: Ranks = ALONE,
    warm_start_from: Path | None = None,
    say: Callable[[str], None] = print,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_validation: Callable[[Validation], None] = lambda validation: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train a voice until ``max_steps``, from where the run's folder left off.

    Interrupting (Ctrl-C, the notebook's stop, SIGTERM) finishes the step, saves and returns.

    Args:
        dataset_folders: a prepared character, or several whose clips make one voice.
        run: the run's folder; made when missing, resumed when it has a checkpoint.
        config: the settings; a resumed run must have the same model and audio.
        ranks: the processes that train together, each of which calls this with the same
            arguments; what they make is saved and told by the first one alone.
        warm_start_from: a checkpoint, voice or run's folder to begin with; ignored when there is
            something to resume.
        say: takes sentences for the user.
        on_step: takes a report every few steps.
        on_validation: takes each validation.
        stop: asked after every step; True saves and returns, whichever process it is asked on.

    Raises:
        FilelistError, AudioError: a data set is not usable.
        RunError: the run would lie in a data set.
        CheckpointError: there is a checkpoint that cannot be resumed, or saving failed.
        ConfigError: the device does not exist.
        RanksError: another process could not go on.
    """
    settings = config.train
    if not ranks.is_first:
        say = on_step = on_validation = _tell_nobody
    device = choose_device(settings.device, ranks.local_rank if ranks.count > 1 else None)
    paths = listed(dataset_folders)
    run.require_apart_from(paths)
    folders = ranks.first_then_others(lambda: read_datasets(paths))
    data_fingerprint = fingerprint(*paths)
    store = open_store(run, say)
    found = ranks.from_first(lambda: newest_save(store, run, say) if run.resumable else None)
    resumed = found.content if found else None
    if found is not None:
        require_same_architecture(found.content.config, config, found.path)
    symbols = resumed.symbols if resumed else SYMBOLS
    ctc_symbols = resumed.ctc_symbols if resumed else CTC_SYMBOLS

    data = ranks.first_then_others(
        lambda: open_datasets(folders, config.audio, symbols, settings.cleaner, say)
    )
    mean_frame = data.mean_frame.to(device)
    lexicon = merged_lexicon(folders)
    frames_per_second = config.audio.sample_rate / config.audio.hop_length
    sampler = BucketSampler(
        data.train.lengths,
        settings.batch_size,
        settings.seed,
        settings.p_arpabet,
        max_frames=int(settings.max_clip_seconds * frames_per_second),
        rank=ranks.rank,
        n_ranks=ranks.count,
        arpabet_first=settings.p_arpabet > 0,  # who wants no ARPAbet gets none
    )

    torch.manual_seed(settings.seed)
    saved_model = (resumed.config if resumed else config).model
    model = new_model(config.reduced_to(saved_model.n_frames_per_step), symbols, ctc_symbols)
    progress = Progress()
    if resumed is not None:
        model.load_state_dict(resumed.trained or resumed.state_dict)
        progress = resumed.progress
    else:
        model.decoder.start_from(data.mean_frame)
        if warm_start_from is not None:
            say(str(warm_start(model, symbols, warm_start_from, ctc_symbols)))
    if resumed is not None and warm_start_from is not None:
        say(
            f"The warm start is ignored: {run.folder} goes on from its own save. Use a new folder "
            "to begin with other weights."
        )
    ranks.copy_from_first(model.state_dict().values())
    model.to(device)
    average = Average(model, settings.average_decay, resumed.state_dict if resumed else None)
    optimizer = make_optimizer(model, settings)
    scaler = grad_scaler(product_dtype(settings.precision, device), device)

    def begin_folder() -> None:
        run.prepare()
        write_whole(run.config, config.to_json())
        # Without a checkpoint none of what an earlier run may have left is this one's.
        cut_history(run.history, progress.step if found else -1)

    if found is not None:
        for sentence in resume_sentences(found, run, config, ranks):
            say(sentence)
        resume(found, optimizer, scaler, sampler, data_fingerprint, say, ranks, device)
    elif not ranks.is_first:
        seed_rank(settings.seed, ranks.rank, progress.step)  # other dropouts than the first one's
    # What can go wrong with the data, the settings and other weights has gone well: now write.
    ranks.from_first(begin_folder)
    if found is None:
        say(
            f"Starting {run.folder.name} on {device}: {len(data.train)} clips to learn from, "
            f"{len(data.val)} to validate on."
        )
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        if device.type == "cpu" and n_parameters > _MANY_PARAMETERS:
            say(
                "There is no GPU here, and a voice of this size takes a processor days. For a "
                "smaller one stop it (Ctrl-C), give the preset small and another folder."
            )

    freeze(model, optimizer, settings, progress)
    # Of the steps that are done: the sampler itself is one ahead while a step is under way.
    place = sampler.state_dict()
    saved_step = progress.step if found else -1

    gaf = torch.tensor(progress.gaf, device=device)

    def save(is_best: bool = False, together: bool = True) -> None:
        nonlocal saved_step
        progress.gaf = float(gaf)
        progress.skipped_steps += tally.count_skipped()
        rng = ranks.gather(rng_state(device)) if together else [rng_state(device)]
        content = Checkpoint(
            config=config.reduced_to(model.decoder.n_frames_per_step),
            state_dict=average.model.state_dict(),
            trained=model.state_dict(),
            symbols=symbols,
            ctc_symbols=ctc_symbols,
            mean_frame=data.mean_frame,
            lexicon=lexicon,
            seen_symbols=data.train.seen_symbols(sampler.reads_letters),
            longest_text=data.train.longest_text,
            progress=progress,
            optimizer=optimizer.state_dict(),
            scaler=scaler.state_dict(),
            sampler=place,
            rng=all_rng_states(rng),
            fingerprint=data_fingerprint,
            dataset="\n".join(str(path.resolve()) for path in paths),
            clips=len(data.train),
            minutes=sum(data.train.lengths) / frames_per_second / 60,
        )
        if ranks.is_first:
            store.save(lambda path: write_checkpoint(path, content), progress.step, is_best)
        saved_step = progress.step
        if together:
            ranks.wait()

    def save_after_error() -> None:  # the other processes may be gone
        if ranks.is_first and progress.step > saved_step:
            save(together=False)

    def validated() -> tuple[Validation, bool, Progress]:
        result = in_parts_that_fit(
            lambda n_parts: validate(
                average.model, data.val, _smaller(config, n_parts), progress.step, device
            ),
            progress,
            settings.batch_size,
            say,
        )
        return result, judge(result, progress), progress

    validation = None
    tally = Tally()
    attempt = Attempts(say)
    session_start = last_save = last_report = time.monotonic()
    seconds_before = progress.seconds - last_save
    batches = endless_batches(data.train, sampler, settings.loader_workers, say)
    with contextlib.ExitStack() as ending:
        ending.callback(store.close)
        ending.push(save_on_error(save_after_error))
        interrupted = ending.enter_context(interruptible(say))
        while progress.step < settings.max_steps:
            if progress.step >= settings.arpabet_first_steps or not is_guided(settings, progress):
                sampler.begin_letters()
            reduce_frames(model, average, optimizer, config, progress, say)
            batch = next(batches).to(device)
            rate = progress.rate_factor * learning_rate(
                progress.step,
                settings.learning_rate,
                settings.warmup_steps,
                settings.decay_start,
                settings.decay_steps,
                settings.min_learning_rate,
            )
            set_learning_rate(optimizer, rate)
            # Bound now: a part of a step that did not fit is begun again with the same clips.
            step = functools.partial(
                train_step, model, optimizer, batch, settings, progress, gaf, mean_frame, scaler,
                ranks=ranks,
            )  # fmt: skip
            losses = in_parts_that_fit(step, progress, settings.batch_size, say, ranks)
            gaf = losses.gaf
            tally.add(losses)
            place = sampler.state_dict()
            progress.step += 1
            progress.guided = next_guided(
                progress.guided, progress.aligned_since is not None, settings.guidance_fade_steps
            )
            average.update(progress.step)
            progress.seconds = seconds_before + time.monotonic()

            row: dict[str, float] = {}
            minutes = (time.monotonic() - session_start) / 60
            (out_of_time,) = ranks.any(0 < settings.max_minutes <= minutes)
            is_last = progress.step >= settings.max_steps or out_of_time
            if progress.step % _REPORT_EVERY == 0 or is_last:
                progress.skipped_steps += tally.count_skipped()
                if tally.skipped_in_a_row >= _PATIENCE:
                    store.close()
                    newest = ranks.from_first(store.load)
                    go_back(newest, model, average, optimizer, scaler, progress, _PATIENCE, say)
                    ranks.from_first(lambda: cut_history(run.history, progress.step))
                    saved_step, gaf, tally = progress.step, gaf.new_tensor(progress.gaf), Tally()
                    continue
                seconds, last_report = time.monotonic() - last_report, time.monotonic()
                report = tally.report(progress, settings.max_steps, sampler.epoch, rate, seconds)
                row.update(report.history_row(progress))
                on_step(report)
            minutes_unsaved = (time.monotonic() - last_save) / 60
            stopping, is_time_to_save = ranks.any(
                stop() or interrupted.is_set(), minutes_unsaved > settings.save_every_minutes
            )
            # Also when stopping: a validation that is left out would not be made up for, and the
            # resumed run would differ from an uninterrupted one.
            if progress.step % settings.validate_every == 0 or is_last:
                validation, is_best, judged = ranks.from_first(validated)
                progress.take_over(judged)
                row.update(validation.history_row())
                save(is_best)
                # last: weights matter more
                if ranks.is_first:
                    attempt("pictures", save_pictures, validation, run, config.audio)
                last_save = time.monotonic()
                last_report += validation.seconds
                on_validation(validation)
                if hint := stagnation(progress):
                    say(hint)
            elif stopping or is_time_to_save:
                save()
                last_save = time.monotonic()
            if row and ranks.is_first:
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
        say(f"Finished: step {progress.step:,} of {settings.max_steps:,}.")
    return TrainResult(progress.step, finished, progress.first_aligned, validation)


def _tell_nobody(anything: object) -> None:
    pass


def _smaller(config: Config, n_parts: int) -> Config:
    """The settings with batches of a part's size."""
    size = max(1, config.train.batch_size // n_parts)
    return config.replace(batch_size=size) if n_parts > 1 else config
