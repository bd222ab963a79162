"""A training session of a run: its steps, validations and saves, and how it is resumed."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from ponytaco.checkpoint.conversion.reduction_factor import set_frames_per_step
from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    new_model,
    require_same_architecture,
    verified_checkpoint,
    write_checkpoint,
)
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.config import Config
from ponytaco.data.dataset import merged_lexicon, open_datasets
from ponytaco.data.dataset_folder import as_paths, fingerprint, read_datasets
from ponytaco.data.loader import training_batches
from ponytaco.data.sampler import BucketSampler
from ponytaco.device import choose_device
from ponytaco.errors import PonytacoError
from ponytaco.io.store.files import is_there
from ponytaco.io.store.store import Loaded
from ponytaco.model.cuda_graphs import graphs_for
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.folder import Run, write_text
from ponytaco.runs.history import Column, HistoryRow, append_history, cut_history
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS
from ponytaco.training.adversarial import AdversarialPostnet
from ponytaco.training.distributed import Ranks
from ponytaco.training.ema import EMA
from ponytaco.training.freezing import freeze
from ponytaco.training.gradual import next_reduction
from ponytaco.training.interrupts import BestEffort, interruptible, save_on_error
from ponytaco.training.listening import Listener
from ponytaco.training.memory import in_micro_batches
from ponytaco.training.metrics import RunningMetrics, StepReport
from ponytaco.training.optimizer import make_optimizer, set_learning_rate
from ponytaco.training.precision import grad_scaler, product_dtype, require_trainable
from ponytaco.training.resume import (
    claim_folder,
    describe_new_data,
    describe_resume,
    find_newest_save,
    find_older_save,
    open_store,
)
from ponytaco.training.rng import (
    all_rng_states,
    rng_state,
    rng_states_by_rank,
    seed_rank,
    set_rng_state,
)
from ponytaco.training.schedules import is_adversarial, learning_rate, next_guidance_scale
from ponytaco.training.step import is_guided, train_step
from ponytaco.training.validation import Validation, heard_validation, save_pictures, validate

# Skipped steps in a row after which a report rolls the run back. A float16 loss scale that starts
# too high skips about twenty.
_PATIENCE = 50
# At this share of the learning rate a run does not roll back again.
_LEAST_LEARNING_RATE_SCALE = 1 / 64
# More than the preset small has; a CPU takes seconds per step.
_MANY_PARAMETERS = 15_000_000


class Session:
    """All that training a run changes, from opening the data to the last save.

    Attributes:
        state: how far the run has come.
        model: the model in training, on ``device``.
        ema: the exponential moving average of its weights, which speaks.
        optimizer: optimizer of the model's parameters.
        scaler: loss scaler; only float16 needs one.
        sampler: draws the clips of each batch.
        gaf: the gradient-adaptive factor, a scalar on ``device``.
        metrics: metrics of the steps since the last report.
        data: the training and the validation clips.

    Args:
        dataset_folders: a prepared character, or several whose clips make one voice.
        run: the run's folder; made if missing, resumed if it has a checkpoint.
        config: the settings; a resumed run must have the same model and audio.
        ranks: the processes that train together.
        warm_start_from: weights to start from; ignored if a run is resumed.
        log: takes messages for the user.
        take_over: see ``train``.

    Raises:
        PonytacoError: see ``train``.
    """

    def __init__(
        self,
        dataset_folders: str | Path | Sequence[str | Path],
        run: Run,
        config: Config,
        ranks: Ranks,
        warm_start_from: Path | None,
        log: Callable[[str], None],
        take_over: Callable[[], bool] | None = None,
    ) -> None:
        self.run, self.config, self.ranks, self.log = run, config, ranks, log
        self._store = open_store(run, log)
        try:
            self._open(dataset_folders, warm_start_from, take_over)
        except BaseException:
            self._store.close()
            raise

    def _open(
        self,
        dataset_folders: str | Path | Sequence[str | Path],
        warm_start_from: Path | None,
        take_over: Callable[[], bool] | None,
    ) -> None:
        run, config, ranks, log = self.run, self.config, self.ranks, self.log
        settings = config.train
        self.device = choose_device(settings.device, ranks.local_rank if ranks.count > 1 else None)
        require_trainable(settings.precision, self.device)
        self._paths = as_paths(dataset_folders)
        run.require_apart_from(self._paths)
        folders = ranks.first_then_others(lambda: read_datasets(self._paths))
        self._fingerprint = fingerprint(*self._paths)
        self._lexicon = merged_lexicon(folders)
        ranks.from_first(lambda: claim_folder(self._store, run, take_over))
        found = ranks.from_first(
            lambda: find_newest_save(self._store, run, log) if run.resumable else None
        )
        saved = found.content if found else None
        if found is not None:
            require_same_architecture(found.content.config, config, found.path)
        self._symbols = saved.symbols if saved else SYMBOLS
        self._ctc_symbols = saved.ctc_symbols if saved else CTC_SYMBOLS
        self.data = ranks.first_then_others(
            lambda: open_datasets(
                folders, config.audio, self._symbols, settings.cleaner, log,
                settings.phrase_seconds if settings.p_phrases > 0 else 0.0,
            )
        )  # fmt: skip
        self.sampler = self._make_sampler()

        self.model = self._make_model(saved, warm_start_from)
        self.ema = EMA(self.model, settings.ema_decay)
        self.optimizer = make_optimizer(self.model, settings)
        self.scaler = grad_scaler(product_dtype(settings.precision, self.device), self.device)
        self.state, self.metrics = RunState(), RunningMetrics()
        self.gaf = torch.zeros((), device=self.device)
        self._mean_frame = self.data.mean_frame.to(self.device)
        self._adversary = AdversarialPostnet(self.model, self._mean_frame, settings.seed)
        if found is not None:
            self._resume(found, warm_start_from)
        elif not ranks.is_first:
            seed_rank(settings.seed, ranks.rank, 0)  # other dropouts than the first process's
        self._saved_step = self.state.step if found else -1
        # The step of the save that this state comes from, until a validation has proved it good.
        self._unproved: int | None = self.state.step if found else None
        self._has_diverged = False
        self._best_effort = BestEffort(log)
        self._listener = Listener(run, config, self.data, self.device, log)
        self._unwritten: list[HistoryRow] = []
        # Nothing is written before the data, the settings and the weights have proved usable.
        ranks.from_first(self._prepare_folder)
        if found is None:
            self._log_start()
        elif ranks.is_first:
            self._publish(found)

        freeze(self.model, self.optimizer, settings, self.state)
        # The state after the last finished step: during a step the sampler itself is one ahead.
        self._sampler_state = self.sampler.state_dict()
        self._batches = training_batches(
            self.data.train, self.sampler, settings.loader_workers, log
        )
        self.learning_rate = settings.learning_rate
        self._last_save = self._last_report = time.monotonic()
        self._clock_offset = self.state.seconds - self._last_save

    @contextlib.contextmanager
    def running(self) -> Iterator[threading.Event]:
        """Save after an error in the block, and close the store however the block ends.

        Yields:
            An event that the first interrupt (Ctrl-C, SIGTERM) sets.
        """
        with contextlib.ExitStack() as ending:
            ending.callback(self._store.close)
            ending.push(save_on_error(self._save_after_error))
            yield ending.enter_context(interruptible(self.log))

    @property
    def minutes_unsaved(self) -> float:
        """Minutes since the last save."""
        return (time.monotonic() - self._last_save) / 60

    # Training

    def step(self) -> None:
        """Train on the next batch."""
        settings, state = self.config.train, self.state
        if state.step >= settings.arpabet_first_steps or not is_guided(settings, state):
            self.sampler.begin_letters()
        self._reduce()
        batch = next(self._batches).to(self.device)
        self.learning_rate = state.learning_rate_scale * learning_rate(
            state.step,
            settings.learning_rate,
            settings.warmup_steps,
            settings.decay_start,
            settings.decay_steps,
            settings.min_learning_rate,
        )
        set_learning_rate(self.optimizer, self.learning_rate)
        # Bound here, because a step that runs out of memory is repeated with the same clips.
        work = functools.partial(
            train_step, self.model, self.optimizer, batch, settings, state, self.gaf,
            self._mean_frame, self.scaler, ranks=self.ranks, adversary=self._begun_adversary(),
        )  # fmt: skip
        losses = in_micro_batches(
            work, state, settings.batch_size, self.log, self.ranks, self._give_up_graphs
        )
        self.gaf = losses.gaf
        self.metrics.add(losses)
        self._sampler_state = self.sampler.state_dict()
        state.record_step(
            next_guidance_scale(
                state.guidance_scale, state.aligned_since is not None, settings.guidance_fade_steps
            ),
            self._clock_offset + time.monotonic(),
        )
        self.ema.update(state.step)

    def _begun_adversary(self) -> AdversarialPostnet | None:
        """Return what trains the postnet from now on; None while squared errors do."""
        state, after = self.state, self.config.train.adversarial_after
        if not is_adversarial(state.step, state.first_aligned, after):
            return None
        if not self._adversary.has_begun:
            self._adversary.has_begun = True
            # No score before counts: they do not tell a muffled voice from a clear one.
            state.forget_best()
            self.log(
                "From here on the postnet is trained against a discriminator: mel_postnet rises, "
                "and the voice becomes less muffled. The best voice is judged anew: the one so far "
                f"will be kept as {self.run.earlier_best.name}."
            )
        return self._adversary

    def _give_up_graphs(self) -> bool:
        """Free the graphs' memory, and return whether they had any."""
        graphs = self.model.decoder.graphs
        return graphs is not None and graphs.give_up("the memory is too small for them, too")

    def report(self) -> StepReport | None:
        """Report the means of the steps since the last report.

        Returns:
            None if too many steps in a row were skipped and the run was rolled back.

        Raises:
            CheckpointError: if there is no save to go back to, or going back has not helped.
        """
        self.state.record_skipped(self.metrics.count_skipped())
        if self.metrics.skipped_in_a_row >= _PATIENCE:
            self._roll_back(f"The loss was not a number for {_PATIENCE} steps in a row")
            return None
        seconds, self._last_report = time.monotonic() - self._last_report, time.monotonic()
        return self.metrics.report(
            self.state, self.config.train.max_steps, self.sampler.epoch, self.learning_rate, seconds
        )

    def check(self) -> Validation | None:
        """Validate the voice, save it, and write the validation's picture and sample.

        Returns:
            None if the voice has diverged and the run was rolled back.

        Raises:
            CheckpointError: as of ``report``.
        """

        def validated() -> tuple[Validation, bool, RunState]:
            found = in_micro_batches(
                lambda n: validate(
                    self.ema.model,
                    self.data.val,
                    _with_micro_batches(self.config, n),
                    self.state.step,
                    self.device,
                ),
                self.state,
                self.config.train.batch_size,
                self.log,
                free=self._give_up_graphs,
            )
            if found.has_diverged:
                return found, False, self.state
            found = heard_validation(found, self._listener, self.state)
            is_best = self.state.record_validation(
                found.free.aligned,
                found.score,
                found.loss,
                found.understood,
                found.likeness,
                self._listener.is_active,
            )
            return found, is_best, self.state

        had_best = self.state.best_score is not None
        validation, is_best, state = self.ranks.from_first(validated)
        if validation.has_diverged:
            self._roll_back(f"The voice has diverged: its validation loss is {validation.loss:.3g}")
            return None
        self._unproved = None
        self.state.restore(state)
        if is_best and not had_best and self.ranks.is_first:  # the file is of another data set
            self._best_effort(
                "The earlier best_model could not be kept", self._store.while_owned,
                self.run.keep_earlier_best,
            )  # fmt: skip
        self.save(is_best)
        if self.ranks.is_first:  # after the save, because the weights matter more
            self.require_owned()
            validation = (
                self._best_effort(
                    "The pictures could not be written", save_pictures, validation, self.run,
                    self.config.audio, self._best_effort,
                )
                or validation
            )  # fmt: skip
        self._last_report += validation.seconds
        return validation

    def append_history(self, row: HistoryRow) -> None:
        """Append a row to the history; after a failure, which is only logged, it waits."""
        if row and self.ranks.is_first:
            self._unwritten.append({Column.STEP: self.state.step, **row})
            self._best_effort(
                "The history could not be written", self._store.while_owned, self._write_history
            )

    def _write_history(self) -> None:
        while self._unwritten:
            append_history(self.run.history, self._unwritten[0])
            del self._unwritten[0]

    def _reduce(self) -> None:
        reduction = next_reduction(self.model.decoder.n_frames_per_step, self.config, self.state)
        if reduction is None:
            return
        self.log(reduction.sentence)
        set_frames_per_step(self.model, reduction.n_frames_per_step, self.optimizer)
        self.ema.begin(self.model)
        # Attention was aligned with the larger factor; with this one it has yet to be seen.
        self.state.forget_alignment()

    # Saving and restoring

    def save(self, is_best: bool = False, together: bool = True) -> None:
        """Write a checkpoint.

        Args:
            is_best: whether it also becomes the best model.
            together: whether all processes save; after an error the others may have ended.
        """
        content = self._capture(together)
        if self.ranks.is_first:
            self._store.save(lambda path: write_checkpoint(path, content), self.state.step, is_best)
        self._saved_step = self.state.step
        if together:
            self.ranks.barrier()
        self._last_save = time.monotonic()

    def _publish(self, found: Loaded[Checkpoint]) -> None:
        """Make the resumed save the current one, and the best where it is, if it never arrived."""
        has_best = self.state.best_score is not None
        is_best = has_best and self.state.best_step == self.state.step
        is_new = self._store.publish(found, is_best)
        if has_best and not (is_best and is_new) and _is_missing(self.run.best_model):
            self.log("best_model is missing: the voice of the next validation takes its place.")
            self.state.forget_best()

    def _capture(self, together: bool) -> Checkpoint:
        """Return the checkpoint of this state: all that the voice and a resumed session need."""
        self.state.record_skipped(self.metrics.count_skipped())
        self.state.record_gaf(float(self.gaf))
        mine = rng_state(self.device)
        frames_per_minute = 60 * self.config.audio.sample_rate / self.config.audio.hop_length
        return Checkpoint(
            config=self.config.reduced_to(self.model.decoder.n_frames_per_step),
            state_dict=self.ema.model.state_dict(),
            trained=self.model.state_dict(),
            symbols=self._symbols,
            ctc_symbols=self._ctc_symbols,
            mean_frame=self.data.mean_frame,
            lexicon=self._lexicon,
            seen_symbols=self.data.train.seen_symbols(self.sampler.reads_letters),
            longest_text=self.data.train.longest_text,
            run_state=self.state,
            optimizer=self.optimizer.state_dict(),
            adversary=self._adversary.state_dict(),
            scaler=self.scaler.state_dict(),
            sampler=self._sampler_state,
            rng=all_rng_states(self.ranks.all_gather(mine) if together else [mine]),
            fingerprint=self._fingerprint,
            dataset="\n".join(str(path.resolve()) for path in self._paths),
            clips=len(self.data.train),
            minutes=sum(self.data.train.lengths) / frames_per_minute,
        )

    def _restore(self, saved: Checkpoint) -> None:
        """Restore a checkpoint's weights, optimizer, loss scale and gradient-adaptive factor.

        The optimizer keeps its present settings.
        """
        # The save may be from before a reduction.
        set_frames_per_step(self.model, saved.config.model.n_frames_per_step, self.optimizer)
        self.model.load_state_dict(saved.trained or saved.state_dict)
        self.ema.begin(self.model, saved.state_dict)
        if saved.optimizer is not None:
            names = ("weight_decay", "fused", "lr_scale")
            ours = [{name: group[name] for name in names} for group in self.optimizer.param_groups]
            self.optimizer.load_state_dict(dict(saved.optimizer))
            for group, chosen in zip(self.optimizer.param_groups, ours, strict=True):
                group.update(chosen)
        self._adversary.load_state_dict(saved.adversary)
        if self.scaler.is_enabled() and saved.scaler:
            self.scaler.load_state_dict(dict(saved.scaler))
        self.gaf = self.gaf.new_tensor(saved.run_state.gaf)

    def _resume(self, found: Loaded[Checkpoint], warm_start_from: Path | None) -> None:
        """Restore a save with the clips and the random numbers that were next.

        As many processes as before resume exactly; another number draws other random numbers, but
        takes exactly the clips that are left of the epoch.
        """
        saved, ranks = found.content, self.ranks
        if warm_start_from is not None:
            self.log(
                f"The warm start is ignored: {self.run.folder} is resumed from its own save. Use "
                "a new folder to start from other weights."
            )
        for sentence in describe_resume(found, self.run, self.config, ranks):
            self.log(sentence)
        try:
            self._restore(saved)
            self.state.restore(saved.run_state)
            rng = rng_states_by_rank(saved.rng) if saved.rng is not None else []
            if len(rng) == ranks.count:
                set_rng_state(rng[ranks.rank], self.device)
            elif rng:
                seed_rank(saved.config.train.seed, ranks.rank, saved.run_state.step)
            if saved.fingerprint == self._fingerprint and saved.sampler is not None:
                self.sampler.load_state_dict(dict(saved.sampler))
            else:
                self.log(describe_new_data(saved, self._paths, self._fingerprint, self.run))
                self.state.forget_best()
        # A stranger's file may have anything in the place of a state.
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"{found.path} cannot be resumed: the state of its optimizer, sampler or random "
                f"numbers is damaged ({error}). Start a new run from its weights: --warm-start."
            ) from None

    def _roll_back(self, reason: str) -> None:
        """Go back to the last good save with half the learning rate, but continue with other clips.

        A save that has been gone back to, or resumed, and has not had a validation since may be
        spoilt itself: then an older one is taken, such as the best model.
        """
        self._store.drain()
        saved = self.ranks.from_first(self._last_good_save)
        if saved is None or self.state.learning_rate_scale <= _LEAST_LEARNING_RATE_SCALE:
            raise CheckpointError(
                f"{reason}, up to step {self.state.step:,}{', again and again' if saved else ''}. "
                f"{self._give_up()} with a lower learning_rate, or with --precision float32."
            )
        self._restore(saved)
        self.state.roll_back(saved.run_state)
        self._unproved = self.state.step
        self._saved_step, self.metrics = self.state.step, RunningMetrics()
        self.ranks.from_first(self._cut_history)
        self.log(
            f"{reason}. Back to step {self.state.step:,}, with "
            f"{self.state.learning_rate_scale:g} times the learning rate."
        )

    def _give_up(self) -> str:
        """Leave the best voice to be resumed in place of saves that may be spoilt.

        Returns:
            What to do next.
        """
        self._has_diverged = True
        best = self.ranks.from_first(self._best_save)
        if best is None or self._unproved is None:
            return "Start a new run"
        self._restore(best)
        self.state.restore(best.run_state)
        self.save()
        return f"The run is back at its best voice, of step {self.state.step:,}. Train it again"

    def _best_save(self) -> Checkpoint | None:
        with contextlib.suppress(OSError, PonytacoError):
            return verified_checkpoint(self.run.best_model)
        return None

    def _last_good_save(self) -> Checkpoint | None:
        if not self.run.resumable:
            return None
        older = None if self._unproved is None else find_older_save(self.run, self._unproved)
        if older is None and (newest := self._store.load()) is not None:
            return newest.content
        return older

    def require_owned(self) -> None:
        """Check that no other session has taken over the run's folder.

        Raises:
            OwnerError: if one has.
        """
        self._store.require_owned()

    def require_saved(self) -> None:
        """Check that the last save succeeded.

        Raises:
            CheckpointError: if it failed.
            OwnerError: if another session has taken over the run's folder.
        """
        self.require_owned()
        if self._store.problem:
            raise CheckpointError(
                f"{self._store.problem} The steps since the last good save are lost when this "
                "machine is shut down. Run it again to resume from that save."
            )

    def _save_after_error(self) -> None:
        if self.ranks.is_first and self.state.step > self._saved_step and not self._has_diverged:
            self.save(together=False)

    # Opening

    def _make_model(self, saved: Checkpoint | None, warm_start_from: Path | None) -> Tacotron2:
        """Return the model on the device, with the weights that a new run starts from."""
        torch.manual_seed(self.config.train.seed)
        sizes = (saved.config if saved else self.config).model
        model = new_model(
            self.config.reduced_to(sizes.n_frames_per_step), self._symbols, self._ctc_symbols
        )
        if saved is None:
            model.decoder.start_from(self.data.mean_frame)
            if warm_start_from is not None:
                report = warm_start(
                    model, self._symbols, warm_start_from, self._ctc_symbols, self.config.audio
                )
                for line in str(report).splitlines():
                    self.log(line)
        self.ranks.broadcast(model.state_dict().values())
        setting = self.config.train.cuda_graphs
        # The average's model, which is a copy, has the same graphs.
        model.decoder.graphs = graphs_for(self.device, setting, self.log)
        return model.to(self.device)

    def _make_sampler(self) -> BucketSampler:
        settings, audio = self.config.train, self.config.audio
        max_frames = int(settings.max_clip_seconds * audio.sample_rate / audio.hop_length)
        if settings.max_clip_seconds > 0:
            max_frames = max(1, max_frames)  # 0 would keep all
        return BucketSampler(
            self.data.train.lengths,
            settings.batch_size,
            settings.seed,
            settings.p_arpabet,
            max_frames=max_frames,
            rank=self.ranks.rank,
            n_ranks=self.ranks.count,
            arpabet_first=settings.p_arpabet > 0,
            phrases=self.data.train.phrase_lengths,
            p_phrases=settings.p_phrases,
        )

    def _log_start(self) -> None:
        data = self.data
        self.log(
            f"Starting {self.run.folder.name} on {self.device}: {len(data.train)} clips to learn "
            f"from, {len(data.val)} to validate on."
        )
        n_parameters = sum(parameter.numel() for parameter in self.model.parameters())
        if self.device.type == "cpu" and n_parameters > _MANY_PARAMETERS:
            self.log(
                "There is no GPU here, and a model of this size takes days on a CPU. For a smaller "
                "one, stop (Ctrl-C) and start again with the preset small and another folder."
            )

    def _prepare_folder(self) -> None:
        self.run.prepare()
        if self.run.config.is_dir():
            self.log(f"{self.run.config} is a folder: the settings are in the saves alone.")
        else:
            write_text(self.run.config, self.config.to_json())
        self._cut_history()

    def _cut_history(self) -> None:
        """Drop the rows after the last save; before the first one they are all another run's."""
        self._unwritten = [r for r in self._unwritten if r[Column.STEP] <= self._saved_step]
        self._best_effort(
            "The history could not be shortened", cut_history, self.run.history, self._saved_step
        )


def _is_missing(path: Path) -> bool:
    try:
        return not is_there(path)
    except OSError:  # the disk does not tell
        return False


def _with_micro_batches(config: Config, n_micro_batches: int) -> Config:
    """Return the settings with the size of a micro-batch as batch size."""
    if n_micro_batches == 1:
        return config
    return config.replace(batch_size=max(1, config.train.batch_size // n_micro_batches))
