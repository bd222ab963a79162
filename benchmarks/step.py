"""A training step: compared with its floor, by phase, and how it grows.

The floor is the time of every matrix product and convolution of the model, forward and backward:
those over all frames at once at the rate of one large product, sequential ones at the rate of the
best layout for the batch. It is measured in the same run, in turns with the step. The rest of a
step is nonlinearities, attention, losses, dropouts, the optimizer and Python.

The reference is the decoder of tests/reference, which follows the papers' equations frame by frame
like the published code.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.report import Report, options
from ponytaco.checkpoint.format import new_model
from ponytaco.config import Config
from ponytaco.device import choose_device
from ponytaco.evaluation.speed import noise_batch
from ponytaco.model import recurrence
from ponytaco.model.decoder import DecoderOutput
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.timing import take_turns
from ponytaco.training.ema import EMA
from ponytaco.training.optimizer import make_optimizer
from ponytaco.training.step import train_step
from tests.reference.decoder import ReferenceDecoder


class Size(NamedTuple):
    """Size of a batch."""

    batch: int
    symbols: int
    frames: int


class Trainer:
    """A model that trains on one batch.

    Args:
        config: its settings.
        size: size of the batch.
        reference: whether to use the reference decoder.
    """

    def __init__(self, config: Config, size: Size, reference: bool = False) -> None:
        torch.manual_seed(0)
        self.model = new_model(config)
        if reference:
            self.model.decoder = FrameByFrame(config, self.model.decoder)  # type: ignore[assignment]
        self._settings = config.train
        self._optimizer = make_optimizer(self.model, config.train)
        n_symbols, n_frames = (torch.full((size.batch,), n) for n in (size.symbols, size.frames))
        self._batch = noise_batch(config, n_symbols, n_frames)
        self._gaf = torch.zeros(())
        self._mean_frame = torch.full((config.audio.n_mels,), -5.0)

    def step(self, refresh: bool = False) -> None:
        """Take a step, with or without a refresh of the gradient-adaptive factor."""
        # Just aligned: only then are own frames fed while guidance is still at full weight.
        run_state = RunState(step=0 if refresh else 1, aligned_since=0)
        self._gaf = train_step(
            self.model, self._optimizer, self._batch, self._settings, run_state, self._gaf,
            self._mean_frame,
        ).gaf  # fmt: skip


class FrameByFrame(nn.Module):
    """The reference decoder in place of ours, with the same weights and dropouts.

    Args:
        config: the model's settings.
        ours: the decoder to replace.
    """

    def __init__(self, config: Config, ours: nn.Module) -> None:
        super().__init__()
        c = config.model
        self.decoder = ReferenceDecoder(
            head=c.head, n_mels=config.audio.n_mels, memory_dim=c.encoder_embedding_dim,
            attention_rnn_dim=c.attention_rnn_dim, decoder_rnn_dim=c.decoder_rnn_dim,
            prenet_dim=c.prenet_dim, attention_dim=c.attention_dim,
            location_n_filters=c.attention_location_n_filters,
            location_kernel_size=c.attention_location_kernel_size,
            n_frames_per_step=c.n_frames_per_step,
        )  # fmt: skip
        self.decoder.load_state_dict(ours.state_dict())
        self.n_frames_per_step = c.n_frames_per_step
        self._widths = (c.attention_rnn_dim, c.decoder_rnn_dim)
        self._rates = (c.p_attention_dropout, c.p_decoder_dropout)

    def forward(
        self, memory: Tensor, lengths: Tensor, mel: Tensor, *_: object, **__: object
    ) -> DecoderOutput:
        """Decode like ``ponytaco.model.decoder.Decoder``, but without attention forcing.

        That does not change the products of a step.
        """
        n_steps = -(-mel.shape[2] // self.n_frames_per_step)
        masks = [
            [nn.functional.dropout(torch.ones(len(memory), width), rate) for _ in range(n_steps)]
            for width, rate in zip(self._widths, self._rates, strict=True)
        ]
        return DecoderOutput(*self.decoder(memory, lengths, mel, masks=masks))


class Floor:
    """The products of a step, and their minimal time.

    Args:
        config: the model's settings.
        size: size of the batch.
    """

    def __init__(self, config: Config, size: Size) -> None:
        self._size = size
        c, (n_clips, n_symbols, n_frames) = config.model, size
        n_steps = -(-n_frames // c.n_frames_per_step)
        self.dtype = torch.bfloat16 if config.train.precision == "bfloat16" else torch.float32
        attention, decoder, memory = c.attention_rnn_dim, c.decoder_rnn_dim, c.encoder_embedding_dim
        model = new_model(config)
        # (rows, columns, how often): recurrent products of the step, forward and backward.
        self.recurrent = [
            (4 * attention, attention + memory, n_steps),
            (4 * decoder, decoder, n_steps),
            (4 * (memory // 2), memory // 2, 2 * n_symbols),
        ]
        # Weights applied once per position: three products of that size, but two for the first
        # layers, whose input needs no gradient.
        positions = {"encoder": n_clips * n_symbols, "postnet": n_clips * n_frames}
        multiplied = 0
        for name, weight in model.named_parameters():
            room = name.partition(".")[0]
            if weight.dim() < 2 or room == "embedding":
                continue
            where = positions.get(room, n_clips * n_steps)
            if "location" in name:
                continue
            if "memory_layer" in name:
                where = n_clips * n_symbols
            n_products = 2 if name.endswith("prenet.layers.0.linear_layer.weight") else 3
            multiplied += n_products * weight.numel() * where
        # The recurrent weights' own gradients are large products: of the three, two are not.
        multiplied -= sum(2 * rows * columns * n * n_clips for rows, columns, n in self.recurrent)
        window = 2 * c.attention_location_kernel_size * c.attention_dim
        multiplied += 3 * n_clips * n_steps * n_symbols * (window + memory)
        self.n_operations = 2 * multiplied
        self._large = self._operands(4 * decoder, attention + memory, n_clips * n_steps)

    def _operands(self, rows: int, inner: int, columns: int) -> tuple[Tensor, Tensor]:
        return (
            torch.randn(rows, inner).to(self.dtype),
            torch.randn(inner, columns).to(self.dtype),
        )

    def measure(self) -> float:
        """Measure the floor in seconds."""
        left, right = self._large
        rate = 2 * left.numel() * right.shape[1] / _median(lambda: left @ right, 5)
        seconds = self.n_operations / rate
        for rows, columns, n in self.recurrent:
            weight, x = self._operands(rows, columns, self._size.batch)
            seconds += n * (
                _best_layout(weight, x) + _best_layout(weight.T.contiguous(), weight @ x)
            )
        return seconds


def _best_layout(weight: Tensor, x: Tensor) -> float:
    transposed, rows = weight.T.contiguous(), x.T.contiguous()
    layouts: list[Callable[[], Tensor]] = [
        lambda: weight @ x,
        lambda: transposed.T @ x,
        lambda: rows @ transposed,
        lambda: rows @ weight.T,
    ]
    return min(_median(layout, 20) for layout in layouts)


def _median(call: Callable[[], object], n: int) -> float:
    call()
    times = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class Phases:
    """Seconds by phase of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._running: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, trainer: Trainer) -> Iterator[None]:
        """Time the phases of the steps taken inside."""
        model = trainer.model
        hooks: list[Any] = []
        rooms: dict[str, tuple[nn.Module | None, ...]] = {
            "encoder": (model.encoder,),
            "prenet": (model.decoder.prenet,),
            "projections": (
                model.decoder.linear_projection, model.decoder.mel_layer, model.decoder.gate_layer,
            ),
            "postnet": (model.postnet,),
            "recogniser": (model.mi,),
        }  # fmt: skip
        for name, modules in rooms.items():
            for module in modules:
                if module is not None:
                    hooks.append(module.register_forward_pre_hook(self._begin(name)))
                    hooks.append(module.register_forward_hook(self._end(name)))
        inner = [
            (recurrence._AttentionLoop, "forward", "attention loop"),
            (recurrence._LSTMLoop, "forward", "decoder loop"),
            (recurrence._AttentionLoop, "backward", "attention loop, backward"),
            (recurrence._LSTMLoop, "backward", "decoder loop, backward"),
            (Tensor, "backward", "backward"),
            (torch.optim.Adam, "step", "optimizer"),
        ]
        kept = [(owner, name, vars(owner)[name]) for owner, name, _ in inner]
        for owner, name, phase in inner:
            setattr(owner, name, self._timed(getattr(owner, name), phase, owner))
        try:
            yield
        finally:
            for owner, name, function in kept:
                setattr(owner, name, function)
            for hook in hooks:
                hook.remove()

    def _begin(self, name: str) -> Callable[..., None]:
        def begin(*_: object) -> None:
            self._running[name] = time.perf_counter()

        return begin

    def _end(self, name: str) -> Callable[..., None]:
        def end(*_: object) -> None:
            self.seconds[name].append(time.perf_counter() - self._running.pop(name))

        return end

    def _timed(self, function: Callable[..., Any], name: str, owner: type) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = function(*args, **kwargs)
            self.seconds[name].append(time.perf_counter() - start)
            return result

        return staticmethod(timed) if issubclass(owner, torch.autograd.Function) else timed


def measure_floor(report: Report, config: Config, size: Size, rounds: int) -> None:
    """Measure a step, a refreshing step and the floor in turns, in both precisions."""
    rows = []
    for precision in ("float32", "bfloat16"):
        chosen = config.replace(precision=precision)
        trainer, floor = Trainer(chosen, size), Floor(chosen, size)
        floors: list[float] = []
        times = take_turns(
            {
                "step": trainer.step,
                "refresh": lambda t=trainer: t.step(refresh=True),
                "floor": lambda f=floor, kept=floors: kept.append(f.measure()),
            },
            rounds,
        )
        ratios = [
            step / least
            for step, least in zip(times.seconds["step"], floors[-rounds:], strict=True)
        ]
        rows.append(
            (
                precision,
                times.median("step"),
                statistics.median(floors[-rounds:]),
                statistics.median(ratios),
                f"{min(ratios):.2f}-{max(ratios):.2f}",
                times.ratio("refresh", "step"),
            )
        )
    report.log(
        "A step against the floor, and a step that refreshes the factor against a plain one."
    )
    report.table(("type", "step, s", "floor, s", "step / floor", "range", "refresh / step"), rows)


def measure_phases(report: Report, config: Config, size: Size, rounds: int) -> None:
    """Measure the phases' shares of a step."""
    columns = []
    for precision in ("float32", "bfloat16"):
        trainer, phases = Trainer(config.replace(precision=precision), size), Phases()
        trainer.step()
        wholes = []
        with phases.of(trainer):
            for _ in range(rounds):
                start = time.perf_counter()
                trainer.step()
                wholes.append(time.perf_counter() - start)
        whole = statistics.mean(wholes)
        shares = {name: sum(times) / rounds / whole for name, times in phases.seconds.items()}
        loops_backward = sum(share for name, share in shares.items() if ", backward" in name)
        shares["backward, all else"] = shares.pop("backward") - loops_backward
        shares["losses and all else"] = 1 - sum(shares.values())
        columns.append(shares)
    report.log("Where a step's time goes, in hundredths of the step.")
    report.table(
        ("phase", "float32", "bfloat16"),
        [
            (name, *(f"{100 * shares.get(name, 0.0):.1f}" for shares in columns))
            for name in columns[0]
        ],
    )


def measure_growth(report: Report, config: Config, size: Size, rounds: int) -> None:
    """Measure how a step's time depends on frames, symbols, clips and settings."""
    frames, longer = 400, 800
    variants: dict[str, tuple[Config, Size]] = {
        f"{frames} frames": (config, size._replace(frames=frames)),
        f"{longer} frames": (config, size._replace(frames=longer)),
        "twice the symbols": (config, size._replace(frames=frames, symbols=2 * size.symbols)),
        "twice the clips": (config, size._replace(frames=frames, batch=2 * size.batch)),
        "p_teacher_forcing 0.9": (
            config.replace(p_teacher_forcing=0.9, teacher_forcing_fade_steps=0),
            size._replace(frames=frames),
        ),
        "no MMI": (config.replace(mmi=False), size._replace(frames=frames)),
        "no guidance": (config.replace(guidance_weight=0.0), size._replace(frames=frames)),
        "nothing forced": (config.replace(attention_forcing=0.0), size._replace(frames=frames)),
    }  # fmt: skip
    trainers = {name: Trainer(*variant) for name, variant in variants.items()}
    first = f"{frames} frames"
    calls: dict[str, Callable[[], object]] = {n: trainer.step for n, trainer in trainers.items()}
    ema = EMA(trainers[first].model, config.train.ema_decay)
    calls["the weights' mean, alone"] = lambda: ema.update(1000)
    times = take_turns(calls, rounds)
    report.log(f"Against a step with {frames} frames and {size.symbols} symbols.")
    report.table(
        ("step", "ratio", "range"),
        [
            (
                name,
                times.ratio(name, first),
                "{:.2f}-{:.2f}".format(*times.ratio_range(name, first)),
            )
            for name in calls
        ],
    )


def measure_reference(report: Report, config: Config, size: Size, rounds: int) -> None:
    """Compare time and memory with the reference decoder."""
    trainers = {
        "reference": Trainer(config, size, reference=True),
        "float32": Trainer(config, size),
        "bfloat16": Trainer(config.replace(precision="bfloat16"), size),
    }
    times = take_turns({name: trainer.step for name, trainer in trainers.items()}, rounds)
    memory = {name: peak_memory(name, config, size) for name in trainers}
    report.log(
        "Against the reference decoder. Memory is the peak of a process that takes two steps."
    )
    report.table(
        ("decoder", "step / reference", "peak / reference", "peak, GB"),
        [
            (name, times.ratio(name, "reference"), memory[name] / memory["reference"], memory[name])
            for name in trainers
        ],
    )


def peak_memory(name: str, config: Config, size: Size) -> float:
    """Measure the memory in GB that a new process needs for two steps."""
    arguments = [name, config.model.attention_rnn_dim, *size]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.step", "--memory-of", ",".join(map(str, arguments))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def _print_memory(arguments: str) -> None:
    name, width, *size = arguments.split(",")
    config = preset("full" if int(width) == 1024 else "small")
    if name == "bfloat16":
        config = config.replace(precision="bfloat16")
    trainer = Trainer(config, Size(*map(int, size)), reference=name == "reference")
    trainer.step()
    trainer.step()
    # getrusage's maximum would include that of the parent process.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(int(kilobytes) / 1e6)


def _arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parts = ("floor", "phases", "growth", "reference")
    parser.add_argument("--preset", default="full", help="the model's size (full)")
    parser.add_argument("--size", default="16,100,300", help="clips, symbols, frames (16,100,300)")
    parser.add_argument("--only", choices=parts, action="append", help="parts to measure (all)")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    choose_device("cpu")
    if arguments.memory_of:
        _print_memory(arguments.memory_of)
        return
    config = preset(arguments.preset).replace(precision="float32")
    size = Size(*map(int, arguments.size.split(",")))
    if arguments.quick:
        config, size = preset("small").replace(precision="float32"), Size(8, 60, 100)
    measures = {
        "floor": measure_floor,
        "phases": measure_phases,
        "growth": measure_growth,
        "reference": measure_reference,
    }
    report = Report("benchmarks.step", "A training step")
    n_parameters = sum(p.numel() for p in new_model(config).parameters()) / 1e6
    report.log(
        f"{n_parameters:.1f} M parameters, {size.batch} clips of {size.symbols} symbols and "
        f"{size.frames} frames, head '{config.model.head}' with MMI and guidance, medians of "
        f"{arguments.rounds} rounds."
    )
    for name in arguments.only or measures:
        measures[name](report, config, size, arguments.rounds)
    if arguments.save:
        report.save()


if __name__ == "__main__":
    main()
