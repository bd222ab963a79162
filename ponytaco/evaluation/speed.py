"""Speed of training and synthesis on this machine, measured on synthetic clips."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ponytaco.checkpoint.format import new_model
from ponytaco.config import Config
from ponytaco.data.loader import Batch
from ponytaco.formatting import duration
from ponytaco.model.cuda_graphs import graphs_for
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.packed_linear import WEIGHT_TYPES, WeightTypeError, fastest_type
from ponytaco.printable import say
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS
from ponytaco.timing import seconds_of
from ponytaco.training.memory import in_micro_batches
from ponytaco.training.optimizer import make_optimizer
from ponytaco.training.precision import grad_scaler, product_dtype
from ponytaco.training.step import train_step

ADVISED_STEPS = 10_000

# Typical clips; those of a batch differ in length by this share to either side.
_CLIP_SECONDS = 4.0
_SYMBOLS_PER_SECOND = 15.0
_LENGTH_SPREAD = 0.1
_MEAN_LOG_MEL = -5.0
# A typical sentence.
_N_SYMBOLS, _N_FRAMES, _FEW_FRAMES = 100, 240, 24
_BATCH_SPOKEN = 8
# Share of the time for training; speaking is measured quickly.
_TRAINING_SHARE = 0.7
_MOST_ROUNDS = 50
# Nobody waits longer than this; a gain smaller than this is not worth a setting.
_MOST_HOURS, _WORTH_IT = 48.0, 0.8


@dataclass(frozen=True)
class TrainingSpeed:
    """Speed of training in one precision."""

    precision: str
    seconds_per_step: float
    """Median; steps that refresh the gradient-adaptive factor take somewhat longer."""
    n_steps: int
    """Number of steps measured."""
    n_micro_batches: int
    """Micro-batches a batch was split into to fit into memory."""
    peak_gigabytes: float | None
    """Peak of GPU memory; None on a CPU."""

    def hours(self, n_steps: int) -> float:
        """Return the hours that so many steps take, validations aside."""
        return n_steps * self.seconds_per_step / 3600


@dataclass(frozen=True)
class SpeakingSpeed:
    """Speed of synthesis with one type of weights, vocoder aside."""

    weight_type: str
    times_real: float
    """Seconds of sound per second, one sentence at a time."""
    times_real_batch: float
    """The same for eight sentences at once, in total."""


def made_up_batch(config: Config, device: torch.device) -> Batch:
    """Make a batch of noise of the configured size, with clips of typical length."""
    audio, n_clips = config.audio, config.train.batch_size
    seconds = _CLIP_SECONDS * (1 + _LENGTH_SPREAD * torch.linspace(-1, 1, n_clips))
    mel_lengths = (seconds * audio.sample_rate / audio.hop_length).long()
    return noise_batch(config, (seconds * _SYMBOLS_PER_SECOND).long(), mel_lengths).to(device)


def noise_batch(config: Config, text_lengths: Tensor, mel_lengths: Tensor) -> Batch:
    """Make clips of noise, the same at every call.

    Args:
        config: for the number of mel bands.
        text_lengths: (B,) symbols.
        mel_lengths: (B,) frames.
    """
    generator = torch.Generator().manual_seed(0)
    n_clips, n_frames, n_symbols = len(mel_lengths), int(mel_lengths.max()), int(text_lengths.max())
    # Fewer targets than symbols, as in real clips; each needs a step, of one or more frames.
    ctc_lengths = text_lengths * 3 // 4
    starts = torch.arange(n_symbols) * (n_frames / n_symbols)
    return Batch(
        text=torch.randint(1, len(SYMBOLS), (n_clips, n_symbols), generator=generator),
        text_lengths=text_lengths,
        mel=torch.randn(n_clips, config.audio.n_mels, n_frames, generator=generator)
        + _MEAN_LOG_MEL,
        mel_lengths=mel_lengths,
        ctc=torch.randint(
            1, len(CTC_SYMBOLS), (n_clips, int(ctc_lengths.max())), generator=generator
        ),
        ctc_lengths=ctc_lengths,
        intervals=torch.stack((starts - 10, starts + 20), dim=1).expand(n_clips, -1, -1),
        is_end=torch.ones(n_clips, dtype=torch.bool),
        weight=torch.ones(n_clips),
    )


def precisions(device: torch.device) -> list[str]:
    """List the precisions worth measuring on a device."""
    if device.type != "cuda":
        # oneDNN runs the products; a CPU without bfloat16 would emulate it very slowly.
        has_bfloat16 = torch.backends.mkldnn.is_available() and bool(
            torch.ops.mkldnn._is_mkldnn_bf16_supported()
        )
        return ["float32", "bfloat16"] if has_bfloat16 else ["float32"]
    newest = product_dtype("auto", device)
    return ["float32", "float16", *(["bfloat16"] if newest is torch.bfloat16 else [])]


def measure_training(
    config: Config, device: torch.device, seconds: float, log: Callable[[str], None] = say
) -> Iterator[TrainingSpeed]:
    """Train for a while in each precision of ``precisions``.

    Args:
        config: the settings; their batch size is kept.
        device: where to compute.
        seconds: for all precisions together; each gets at least one step.
        log: takes a sentence when a batch does not fit into memory.

    Yields:
        Each precision's speed as soon as it is measured.
    """
    names = precisions(device)
    batch = made_up_batch(config, device)
    for name in names:
        yield _train_in(config.replace(precision=name), batch, seconds / len(names), log)


def training_step(
    config: Config, batch: Batch, run_state: RunState, log: Callable[[str], None] = say
) -> Callable[[], None]:
    """Return a training step of a new model on one batch, to be called repeatedly.

    Args:
        config: the settings.
        batch: on the device to compute on.
        run_state: counts the steps, and keeps the number of micro-batches that fit into memory.
        log: takes a sentence when a batch does not fit.
    """
    settings, device = config.train, batch.mel.device
    torch.manual_seed(settings.seed)
    model = new_model(config).to(device)
    model.decoder.graphs = graphs_for(device, settings.cuda_graphs, log)
    optimizer = make_optimizer(model, settings)
    scaler = grad_scaler(product_dtype(settings.precision, device), device)
    mean_frame = torch.full((config.audio.n_mels,), _MEAN_LOG_MEL, device=device)
    gaf = torch.zeros((), device=device)

    def step() -> None:
        nonlocal gaf
        losses = in_micro_batches(
            lambda n_micro_batches: train_step(
                model,
                optimizer,
                batch,
                settings,
                run_state,
                gaf,
                mean_frame,
                scaler,
                n_micro_batches,
            ),
            run_state,
            settings.batch_size,
            log,
        )
        gaf = losses.gaf
        run_state.record_step()

    return step


def _train_in(
    config: Config, batch: Batch, seconds: float, log: Callable[[str], None]
) -> TrainingSpeed:
    device, run_state = batch.mel.device, RunState()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    step = training_step(config, batch, run_state, log)
    deadline = time.monotonic() + seconds
    taken: list[float] = []
    while len(taken) <= _MOST_ROUNDS:
        taken.append(seconds_of(step))
        if time.monotonic() + taken[-1] > deadline:
            break
    # The first step includes setup; it counts only where there was no time for another.
    counted = taken[1:] or taken
    return TrainingSpeed(
        precision=config.train.precision,
        seconds_per_step=statistics.median(counted),
        n_steps=len(counted),
        n_micro_batches=run_state.n_micro_batches,
        peak_gigabytes=(
            torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None
        ),
    )


def measure_speaking(
    config: Config, device: torch.device, seconds: float
) -> Iterator[SpeakingSpeed]:
    """Speak random sentences with each type of weights, alone and eight at once.

    Args:
        config: the model's sizes.
        device: where to compute.
        seconds: for all types together, about.

    Yields:
        Each type's speed as soon as it is measured.
    """
    torch.manual_seed(config.train.seed)
    decoder = new_model(config).to(device).eval().decoder
    decoder.graphs = graphs_for(device, config.train.cuda_graphs)
    memory_dim = config.model.encoder_embedding_dim
    memory = torch.randn(_BATCH_SPOKEN, _N_SYMBOLS, memory_dim, device=device).clamp(-1, 1)
    seconds_per_frame = config.audio.hop_length / config.audio.sample_rate
    names = [name for name in WEIGHT_TYPES if name != "auto"]
    for name in names:
        try:
            packed = PackedDecoder(decoder, name)
        except WeightTypeError:
            continue  # this machine does not have it
        for_each = seconds / len(names) / 2
        one, eight = (
            _frames_per_second(packed, memory[:n_clips], for_each) for n_clips in (1, _BATCH_SPOKEN)
        )
        yield SpeakingSpeed(name, one * seconds_per_frame, eight * seconds_per_frame)


def _frames_per_second(packed: PackedDecoder, memory: Tensor, seconds: float) -> float:
    """Return frames per second of all sentences together, measured for about ``seconds``."""
    text_lengths = torch.full((len(memory),), _N_SYMBOLS, device=memory.device)

    def speak(n_frames: int) -> float:
        # The gate never opens above 1, so each sentence has as many frames as allowed.
        return seconds_of(lambda: packed(memory, text_lengths, n_frames, gate_threshold=1.0))

    deadline = time.monotonic() + seconds
    speak(_FEW_FRAMES)
    # A slow machine speaks shorter sentences.
    is_quick = speak(_FEW_FRAMES) * _N_FRAMES / _FEW_FRAMES < seconds / 2
    n_frames = _N_FRAMES if is_quick else _FEW_FRAMES
    taken = [speak(n_frames)]
    while time.monotonic() + taken[-1] < deadline and len(taken) < _MOST_ROUNDS:
        taken.append(speak(n_frames))
    return len(memory) * n_frames / statistics.median(taken)


def advice(
    preset: str,
    device: torch.device,
    training: list[TrainingSpeed],
    speaking: list[SpeakingSpeed],
) -> str:
    """Advise on settings from the measured speeds, in a sentence or two.

    Args:
        preset: the settings' name.
        device: where it was measured.
        training: at least one.
        speaking: at least one.
    """
    best = min(training, key=lambda speed: speed.seconds_per_step)
    hours = best.hours(ADVISED_STEPS)
    takes = f"{ADVISED_STEPS:,} steps with '{preset}' take about {duration(3600 * hours)} here"
    if hours <= _MOST_HOURS:
        sentences = [f"{takes}."]
    elif preset == "full" and device.type == "cpu":
        sentences = [f"{takes}: too long. Use --preset small, or a GPU, such as Colab's."]
    else:
        sentences = [f"{takes}: too long. Use a GPU, or a faster one, such as Colab's."]
    automatic = str(product_dtype("auto", device)).removeprefix("torch.")
    usual = next((speed for speed in training if speed.precision == automatic), best)
    if best.seconds_per_step < _WORTH_IT * usual.seconds_per_step:
        sentences.append(f"Train with --precision {best.precision}.")
    if best.n_micro_batches > 1:
        sentences.append("A batch does not fit into memory at once: a smaller --batch-size helps.")
    in_use = fastest_type(device)
    voice = next((speed for speed in speaking if speed.weight_type == in_use), speaking[0])
    sentences.append(f"A voice speaks at {voice.times_real:.1f} times real time.")
    return " ".join(sentences)


def shares(seconds: float) -> tuple[float, float]:
    """Split a time into those for training and for speaking."""
    return _TRAINING_SHARE * seconds, (1 - _TRAINING_SHARE) * seconds
