"""Validation during training: the teacher-forced loss of all clips, and free-running speech."""

from __future__ import annotations

import dataclasses
import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ponytaco.audio.wav import AudioError, wav_bytes
from ponytaco.config import AudioConfig, Config
from ponytaco.data.dataset import ClipDataset
from ponytaco.data.loader import Batch, validation_batches
from ponytaco.io.atomic import atomic_write
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.metrics.alignment import AlignmentScore, mean_score, score_alignment
from ponytaco.metrics.attention_errors import end_of_reading, may_stop_from
from ponytaco.metrics.mel_cepstral import MelSimilarity, compare_mels
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.plotting import plot_validation
from ponytaco.runs.folder import Run
from ponytaco.runs.history import Column, HistoryRow
from ponytaco.runs.state import RunState
from ponytaco.text.encode import spoken_symbols
from ponytaco.training.interrupts import BestEffort
from ponytaco.training.listening import Heard, Listener
from ponytaco.vocoders.griffin_lim import GriffinLim

# Clips that are also spoken free-running, which takes time in proportion to their length.
_N_FREE = 8

# Of new weights it is below 100; this is a mean error of 600 dB in each mel band.
_DIVERGED_LOSS = 10_000.0
# The natural logarithm of a magnitude that no sound reaches; those of clips are below 3.
_LOUDEST = 20.0
# The alignment of a clip whose sound is not finite.
_NOTHING_READ = AlignmentScore(0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)

# Validations in a row without a better voice after which the user is told.
_PATIENCE = 8


@dataclass(frozen=True)
class SpokenClip:
    """The first validation clip, for pictures and a sample."""

    teacher_forced: npt.NDArray[np.float32]
    """(T_steps, T_text) attention, teacher-forced."""
    free: npt.NDArray[np.float32]
    """(T_steps, T_text) attention, free-running."""
    target_mel: npt.NDArray[np.float32]
    """(n_mels, T_mel) of the real clip."""
    predicted_mel: npt.NDArray[np.float32]
    """(n_mels, T_mel), free-running."""
    gate: npt.NDArray[np.float32]
    """(T_mel,) probability that the clip is over, free-running."""


@dataclass(frozen=True)
class Validation:
    """The results of a validation."""

    step: int
    loss: float
    """Teacher-forced loss of mels and gate, mean over all real frames of all clips."""
    teacher_forced: AlignmentScore
    """Mean over all clips."""
    free: AlignmentScore
    """Mean over the free-running clips, the first ones of the dataset."""
    stopped: float
    """Share of the free-running clips whose gate opened before the limit."""
    score: float
    """Mean voice score of the free-running clips, 0 to 1; see ``voice_score``."""
    distortion: float
    """Mean mel-cepstral distortion of the free-running clips, decibels."""
    length: float
    """Mean length of the free-running clips, as a multiple of the real ones'."""
    seconds: float
    """Duration of the validation."""
    first_clip: SpokenClip
    picture: bytes = b""
    """PNG of the first clip's attention, mels and gate; empty if it could not be drawn."""
    spoken: Sequence[Tensor] = ()
    """(n_mels, T_mel) of the free-running clips, on the CPU, until they have been listened to."""
    heard: Heard | None = None
    """What the judges found; None if nobody listened."""
    sample: bytes = b""
    """Wav of the first clip by Griffin-Lim; empty if it could not be spoken."""

    @property
    def has_diverged(self) -> bool:
        """Whether the loss is far beyond that of any voice, or not a number."""
        return not self.loss < _DIVERGED_LOSS

    @property
    def understood(self) -> float | None:
        """Share of words that the judges understood; None if nobody listened."""
        return self.heard.voice.understood if self.heard else None

    @property
    def likeness(self) -> float | None:
        """Likeness to the character's voice; None if nobody listened."""
        return self.heard.voice.likeness if self.heard else None

    def history_row(self) -> HistoryRow:
        """Return the history columns of a validation."""
        forced, free = self.teacher_forced, self.free
        return {
            Column.VAL_LOSS: self.loss,
            Column.FOCUS: forced.focus,
            Column.COVERAGE: forced.coverage,
            Column.FORWARD: forced.forward,
            Column.IN_ORDER: forced.in_order,
            Column.DIAGONALITY: forced.diagonality,
            Column.LONGEST_STALL: forced.longest_stall,
            Column.END_REACHED: forced.end_reached,
            Column.FORCED_ALIGNED: int(forced.aligned),
            Column.FREE_FOCUS: free.focus,
            Column.FREE_COVERAGE: free.coverage,
            Column.FREE_FORWARD: free.forward,
            Column.FREE_IN_ORDER: free.in_order,
            Column.FREE_DIAGONALITY: free.diagonality,
            Column.FREE_LONGEST_STALL: free.longest_stall,
            Column.FREE_END_REACHED: free.end_reached,
            Column.FREE_STOPPED: self.stopped,
            Column.FREE_LENGTH: self.length,
            Column.MEL_CEPSTRAL_DISTORTION: self.distortion,
            Column.SCORE: self.score,
            Column.ALIGNED: int(free.aligned),
            **(self.heard.history_row() if self.heard else {}),
        }


@torch.no_grad()
def validate(
    model: Tacotron2, dataset: ClipDataset, config: Config, step: int, device: torch.device
) -> Validation:
    """Evaluate a model on clips it has not learnt from.

    The prenet's dropout stays on by design. It is seeded here, and training's random number
    generators are restored, so that a validation does not change the run.

    Args:
        model: on ``device``; left in evaluation mode.
        dataset: the validation clips.
        config: the run's settings.
        step: the run's step, for the result.
        device: where to compute.
    """
    started = time.monotonic()
    model.eval()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(config.train.seed)
        loss, scores, first_attention = _teacher_forced(model, dataset, config, device)
        free_scores, stopped, similarities, spoken, (gate, attention) = _free_running(
            model, dataset, device
        )
    return Validation(
        step=step,
        loss=loss,
        teacher_forced=mean_score(scores),
        free=mean_score(free_scores),
        stopped=float(np.mean(stopped)),
        score=float(np.mean([*map(voice_score, free_scores, similarities, stopped)])),
        distortion=float(np.mean([s.mel_cepstral_distortion for s in similarities])),
        length=float(np.mean([similarity.length for similarity in similarities])),
        seconds=time.monotonic() - started,
        first_clip=SpokenClip(
            teacher_forced=first_attention,
            free=attention,
            target_mel=dataset.mels[0].T.numpy(),
            predicted_mel=spoken[0].numpy(),
            gate=gate,
        ),
        spoken=spoken,
    )


def heard_validation(found: Validation, listener: Listener, state: RunState) -> Validation:
    """Return a validation with what the judges find, if it is time, and without its mels."""
    started = time.monotonic()
    heard = listener.hear(found.spoken, found.free.aligned, state)
    seconds = found.seconds + time.monotonic() - started
    return dataclasses.replace(found, heard=heard, spoken=(), seconds=seconds)


def voice_score(alignment: AlignmentScore, similarity: MelSimilarity, stopped: bool) -> float:
    """Return the score of one free-running clip, 0 to 1; the real clip itself has 1.

    It is the product of the share of the text that was read and of the share read in order, of the
    similarity to the real clip in sound and length, and of one half each if the end of the text was
    not reached and if the gate did not open. A teacher-forced loss measures none of these.

    Args:
        alignment: score of the clip's attention.
        similarity: similarity to the real clip.
        stopped: whether its gate opened before the limit.
    """
    read = alignment.coverage * alignment.in_order
    ended = 0.5 * (1 + alignment.end_reached) * (1.0 if stopped else 0.5)
    return read * ended * similarity.score


def stagnation(run_state: RunState) -> str | None:
    """Return a hint for the user if the voice has stopped improving, else None.

    An aligned voice gets it after 8 validations without a better one, then after 16, 32, …
    """
    times, rest = divmod(run_state.validations_since_best, _PATIENCE)
    if not run_state.best_aligned or rest or times.bit_count() != 1:
        return None
    return (
        f"No better voice for {run_state.validations_since_best} validations, since step "
        f"{run_state.best_step:,}: it may be done. That voice is kept in best_model. Listen to the "
        "samples, and stop when you like what you hear."
    )


def save_pictures(
    validation: Validation, run: Run, audio: AudioConfig, best_effort: BestEffort
) -> Validation:
    """Draw a validation's picture, speak its sample, and write both into the run's folder.

    Returns:
        The validation with both; whatever shows them need not read the files.
    """
    validation = dataclasses.replace(
        validation,
        picture=best_effort("The picture could not be drawn", _picture, validation) or b"",
        sample=best_effort("The sample could not be spoken", _sample, validation, audio) or b"",
    )
    files = ((run.picture, validation.picture), (run.sample, validation.sample))
    for path_of, content in files:
        if content:
            best_effort(
                "The pictures could not be written", _write, path_of(validation.step), content
            )
    return validation


def _picture(validation: Validation) -> bytes:
    clip = validation.first_clip
    figure = plot_validation(
        f"step {validation.step:,}: {validation.free}",
        clip.teacher_forced,
        clip.free,
        clip.target_mel,
        clip.predicted_mel,
        clip.gate,
    )
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _sample(validation: Validation, audio: AudioConfig) -> bytes:
    mel = torch.from_numpy(validation.first_clip.predicted_mel)
    if not (mel < _LOUDEST).all():
        raise AudioError("its mel is not one of a sound")
    return wav_bytes(GriffinLim(audio)(mel[None])[0], audio.sample_rate)


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _teacher_forced(
    model: Tacotron2, dataset: ClipDataset, config: Config, device: torch.device
) -> tuple[float, list[AlignmentScore], npt.NDArray[np.float32]]:
    loss_sum, n_frames = 0.0, 0
    attentions: list[npt.NDArray[np.float32]] = []
    scores: list[AlignmentScore] = []
    r = model.decoder.n_frames_per_step
    for batch in validation_batches(dataset, config.train.batch_size):
        batch = batch.to(device)
        out = model(batch.text, batch.text_lengths, batch.mel, batch.mel_lengths)
        loss = tacotron_loss(
            out.mel,
            out.mel_postnet,
            out.gate,
            batch.mel,
            batch.mel_lengths,
            config.train.gate_weight,
        )
        frames = int(batch.mel_lengths.sum())
        loss_sum += float(loss.total) * frames
        n_frames += frames
        unpadded = _without_padding(out.alignment, batch.mel_lengths, batch.text_lengths, r)
        attentions += unpadded[: 1 - len(attentions)]  # only the first is drawn
        scores += _scores(unpadded, batch, dataset, r)
    return loss_sum / n_frames, scores, attentions[0]


def _free_running(
    model: Tacotron2, dataset: ClipDataset, device: torch.device
) -> tuple[
    list[AlignmentScore],
    list[bool],
    list[MelSimilarity],
    list[Tensor],
    tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
]:
    batch: Batch = next(validation_batches(dataset, _N_FREE)).to(device)
    longest = int(batch.mel_lengths.max())
    limit = longest + longest // 2 + 50  # room to show that it does not stop
    ends = [may_stop_from(spoken_symbols(ids, dataset.symbols)) for ids in batch.text.tolist()]
    out, lengths = model.infer(
        batch.text,
        batch.text_lengths,
        max_frames=limit,
        may_stop_from=torch.tensor(ends, device=device),
    )
    r = model.decoder.n_frames_per_step
    attentions = _without_padding(out.alignment, lengths, batch.text_lengths, r)
    stopped = (lengths < limit).tolist()
    n_first = int(lengths[0])
    spoken = [
        mel[:, :n_frames].float().cpu()
        for mel, n_frames in zip(out.mel_postnet, lengths.tolist(), strict=True)
    ]
    first = (
        torch.sigmoid(out.gate[0, :n_first]).float().cpu().numpy(),
        attentions[0],
    )
    similarities = [compare_mels(mel, dataset.mels[i].T) for i, mel in enumerate(spoken)]
    scores = [
        score if math.isfinite(similarity.mel_cepstral_distortion) else _NOTHING_READ
        for score, similarity in zip(
            _scores(attentions, batch, dataset, r, stopped), similarities, strict=True
        )
    ]
    return scores, stopped, similarities, spoken, first


def _scores(
    attentions: list[npt.NDArray[np.float32]],
    batch: Batch,
    dataset: ClipDataset,
    r: int,
    stopped: Sequence[bool] | None = None,
) -> list[AlignmentScore]:
    """Score each clip's attention, given without padding.

    In a clip whose gate did not open, the attention after the end of the text does not count: it
    shows nothing about the reading.
    """
    scores = []
    for i, (weights, ids) in enumerate(zip(attentions, batch.text.tolist(), strict=True)):
        spoken = spoken_symbols(ids[: weights.shape[1]], dataset.symbols)
        if stopped is not None and not stopped[i]:
            end = end_of_reading(weights, spoken, r)
            weights = weights if end is None else weights[: -(-end // r)]
        scores.append(score_alignment(weights, r, spoken))
    return scores


def _without_padding(
    alignment: Tensor, mel_lengths: Tensor, text_lengths: Tensor, n_frames_per_step: int
) -> list[npt.NDArray[np.float32]]:
    weights = alignment.float().cpu().numpy()
    steps = (-(-mel_lengths // n_frames_per_step)).tolist()
    return [
        clip[:n_steps, :n_symbols]
        for clip, n_steps, n_symbols in zip(weights, steps, text_lengths.tolist(), strict=True)
    ]
