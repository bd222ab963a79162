"""The full-size model on a GPU: training, synthesis and a vocoder, in a few minutes.

``python -m benchmarks.gpu [--save]``. The reference is the decoder of tests/reference, frame by
frame like the published code, except that its attention is masked for all clips at once: one
softmax per clip would take a GPU longer than all the rest. ``--device cpu --quick`` tests the
benchmark itself.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.report import Report, options
from benchmarks.step import FrameByFrame, Size
from ponytaco.checkpoint.format import new_model
from ponytaco.config import Config
from ponytaco.device import choose_device
from ponytaco.evaluation.speed import noise_batch
from ponytaco.model.cuda_graphs import Graphs, graphs_for
from ponytaco.model.decoder import DecoderOutput
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.layers import length_mask
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.timing import Timings, take_turns
from ponytaco.training.optimizer import make_optimizer
from ponytaco.training.precision import grad_scaler, product_dtype
from ponytaco.training.step import train_step
from ponytaco.vocoders.half_precision import with_fallback
from ponytaco.vocoders.hifigan import Generator, HifiGan, HifiGanConfig
from ponytaco.vocoders.weights import Weights

_PRECISIONS = ("float32", "bfloat16", "float16")
# From the usual initial scale, which is too high, the first float16 steps would be skipped.
_SCALE = 256.0
_V1 = HifiGanConfig(
    resblock="1",
    upsample_rates=(8, 8, 2, 2),
    upsample_kernel_sizes=(16, 16, 4, 4),
    upsample_initial_channel=512,
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilation_sizes=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
)


class Plan(NamedTuple):
    """Device, settings, sizes and rounds of the measurements."""

    device: torch.device
    config: Config
    size: Size
    spoken: int  # frames of a sentence
    rounds: int


class Reference(FrameByFrame):
    """The reference decoder with an attention that suits a GPU."""

    def __init__(self, config: Config, ours: nn.Module) -> None:
        super().__init__(config, ours)
        self.decoder.attend = partial(_attend, self.decoder)

    def forward(
        self, memory: Tensor, lengths: Tensor, mel: Tensor, *_: object, **__: object
    ) -> DecoderOutput:
        """Decode like ``FrameByFrame``, on the memory's device."""
        n_steps = -(-mel.shape[2] // self.n_frames_per_step)
        ones = (memory.new_ones(n_steps, len(memory), width) for width in self._widths)
        masks = [nn.functional.dropout(*pair) for pair in zip(ones, self._rates, strict=True)]
        return DecoderOutput(*self.decoder(memory, lengths, mel, masks=masks))


def _attend(
    decoder: nn.Module,
    query: Tensor,
    memory: Tensor,
    weights: Tensor,
    weights_sum: Tensor,
    lengths: Tensor,
) -> tuple[Tensor, Tensor]:
    layer = decoder.attention_layer
    location = layer.location_layer.location_conv(torch.stack((weights, weights_sum), 1))
    location = layer.location_layer.location_dense(location.transpose(1, 2))
    hidden = torch.tanh(layer.query_layer(query)[:, None] + location + layer.memory_layer(memory))
    energies = layer.v(hidden).squeeze(2)
    mask = length_mask(lengths, memory.shape[1], memory.device)
    weights = torch.softmax(energies.masked_fill(~mask, -torch.inf), dim=1)
    return torch.bmm(weights[:, None], memory)[:, 0], weights


class Trainer:
    """A model that trains on one batch of noise.

    Args:
        plan: device, settings and size.
        reference: whether to use the reference decoder.
        graphs: run the decoder's loops; None runs them plainly.
        changes: changes of the settings.
    """

    def __init__(
        self,
        plan: Plan,
        reference: bool = False,
        graphs: Graphs | None = None,
        **changes: object,
    ) -> None:
        config = plan.config.replace(**changes)
        self._settings = config.train
        torch.manual_seed(0)
        self.model = new_model(config)
        if reference:
            self.model.decoder = Reference(config, self.model.decoder)  # type: ignore[assignment]
        self.model.to(plan.device)
        self.model.decoder.graphs = graphs
        self._optimizer = make_optimizer(self.model, config.train)
        dtype = product_dtype(config.train.precision, plan.device)
        self._scaler = grad_scaler(dtype, plan.device)
        if self._scaler.is_enabled():
            self._scaler.load_state_dict({**self._scaler.state_dict(), "scale": _SCALE})
        n_symbols, n_frames = (
            torch.full((plan.size.batch,), n) for n in (plan.size.symbols, plan.size.frames)
        )
        self._batch = noise_batch(config, n_symbols, n_frames).to(plan.device)
        self._gaf = torch.zeros((), device=plan.device)
        self._mean_frame = torch.full((config.audio.n_mels,), -5.0, device=plan.device)

    def step(self, refresh: bool = False) -> None:
        """Take a step, with or without a refresh of the gradient-adaptive factor."""
        # Just aligned: only then are own frames fed while guidance is still at full weight.
        run_state = RunState(step=0 if refresh else 1, aligned_since=0)
        self._gaf = train_step(
            self.model, self._optimizer, self._batch, self._settings, run_state, self._gaf,
            self._mean_frame, self._scaler,
        ).gaf  # fmt: skip


def _graphs(report: Report, plan: Plan) -> Graphs | None:
    return graphs_for(plan.device, "auto", report.log)


def measure_precisions(report: Report, plan: Plan) -> None:
    """Measure a step in each precision, plain and captured, with and without a refresh."""
    memory: dict[tuple[str, str], float] = {}
    # Training in float16 is for GPUs only.
    names = _PRECISIONS if plan.device.type == "cuda" else _PRECISIONS[:2]
    calls: dict[str, Callable[[], object]] = {}
    for name in names:
        for how, graphs in (("plain", None), ("graphs", _graphs(report, plan))):
            trainer = Trainer(plan, graphs=graphs, precision=name)
            trainer.step()  # proves the graphs
            memory[name, how] = _peak(trainer.step, plan.device)
            calls[f"{name}, {how}"] = trainer.step
            calls[f"{name}, {how}, refreshing"] = partial(trainer.step, refresh=True)
    times = take_turns(calls, plan.rounds)
    report.log(
        "A step in each precision, plainly and with CUDA graphs. One in ten refreshes the factor."
    )
    report.table(
        ("precision", "plain / graphs", "refreshing, plain / graphs", "plain / float32",
         "plain step, ms", "with graphs, ms", "frames a second", "refreshing / not",
         "peak plain, GB", "with graphs, GB"),
        [
            (
                name,
                times.ratio(f"{name}, plain", f"{name}, graphs"),
                times.ratio(f"{name}, plain, refreshing", f"{name}, graphs, refreshing"),
                times.ratio(f"{name}, plain", "float32, plain"),
                1000 * times.median(f"{name}, plain"),
                1000 * times.median(f"{name}, graphs"),
                plan.size.batch * plan.size.frames / times.median(f"{name}, graphs"),
                times.ratio(f"{name}, graphs, refreshing", f"{name}, graphs"),
                memory[name, "plain"],
                memory[name, "graphs"],
            )
            for name in names
        ],
    )  # fmt: skip


def measure_reference(report: Report, plan: Plan) -> None:
    """Compare with the reference decoder."""
    trainers = {
        "reference": Trainer(plan, reference=True, precision="float32"),
        "float32": Trainer(plan, precision="float32"),
        "bfloat16": Trainer(plan, precision="bfloat16"),
        "float32, graphs": Trainer(plan, graphs=_graphs(report, plan), precision="float32"),
    }
    for trainer in trainers.values():
        trainer.step()  # proves the graphs
    memory = {name: _peak(trainer.step, plan.device) for name, trainer in trainers.items()}
    times = take_turns({n: t.step for n, t in trainers.items()}, min(3, plan.rounds))
    report.log("Against the reference decoder in float32.")
    report.table(
        ("decoder", "reference / step", "step, ms", "peak / reference", "peak, GB"),
        [
            (name, times.ratio("reference", name), 1000 * times.median(name),
             memory[name] / memory["reference"], memory[name])
            for name in trainers
        ],
    )  # fmt: skip


def measure_kernels(report: Report, plan: Plan) -> None:
    """Count the kernel launches of a frame, and measure the share of time the GPU computes."""
    few = max(10, plan.size.frames // 10)
    rows = []
    for name, graphs in (
        ("float32", None), ("bfloat16", None), ("float32, graphs", _graphs(report, plan)),
    ):  # fmt: skip
        counts, busy, wall = [], 0.0, 0.0
        for frames in (few, 2 * few):
            shorter = plan._replace(size=plan.size._replace(frames=frames))
            trainer = Trainer(shorter, graphs=graphs, precision=name.split(",")[0])
            trainer.step()
            wall = take_turns({"step": trainer.step}, 3).median("step")
            n, busy = _kernels(trainer.step, plan.device)
            counts.append(n)
        a_frame = (counts[1] - counts[0]) / few
        rows.append((name, a_frame, counts[1], f"{100 * busy / wall:.0f} %"))
    report.log(
        f"Kernels and copies of a step, those of graphs too, and the share of its time in which "
        f"the GPU computes, at {2 * few} frames. What is not that share waits for Python."
    )
    report.table(("precision", "kernels a frame", "kernels a step", "GPU computes"), rows)


def measure_growth(report: Report, plan: Plan) -> None:
    """Measure how a step's time depends on sizes and settings, in bfloat16."""
    size = plan.size
    plain = plan._replace(config=plan.config.replace(precision="bfloat16"))
    graphs = _graphs(report, plan)
    variants: dict[str, tuple[Size, dict[str, object]]] = {
        "as it is": (size, {}),
        "twice the clips": (size._replace(batch=2 * size.batch), {}),
        "a quarter of the clips": (size._replace(batch=max(1, size.batch // 4)), {}),
        "twice the frames": (size._replace(frames=2 * size.frames), {}),
        "2 frames a step": (size, {"n_frames_per_step": 2}),
        "7 frames a step": (size, {"n_frames_per_step": 7}),
        "p_teacher_forcing 0.9": (
            size, {"p_teacher_forcing": 0.9, "teacher_forcing_fade_steps": 0},
        ),
        "no MMI": (size, {"mmi": False}),
    }  # fmt: skip
    trainers = {
        name: Trainer(plain._replace(size=of), graphs=graphs, **changes)
        for name, (of, changes) in variants.items()
    }
    for trainer in trainers.values():
        trainer.step()  # proves the graphs
    times = take_turns({n: t.step for n, t in trainers.items()}, min(3, plan.rounds))
    report.log("How a step grows, in bfloat16 with CUDA graphs.")
    report.table(
        ("step", "ratio", "ms"),
        [(n, times.ratio(n, "as it is"), 1000 * times.median(n)) for n in trainers],
    )


def measure_speaking(report: Report, plan: Plan) -> None:
    """Measure free-running synthesis, plain and captured, at batch sizes 1 and 8."""
    decoder = new_model(plan.config).to(plan.device).eval().decoder
    reference = Reference(plan.config, decoder.cpu()).decoder.to(plan.device)
    decoder.to(plan.device)
    memory = torch.randn(8, plan.size.symbols, plan.config.model.encoder_embedding_dim)
    memory = memory.clamp(-1, 1).to(plan.device)
    lengths = torch.full((8,), plan.size.symbols)
    few = max(10, plan.spoken // 5)

    def slowly(n: int) -> None:
        with torch.no_grad():
            nothing_true = memory.new_zeros(n, decoder.n_mels, few)
            reference(memory[:n], lengths[:n], nothing_true, forced=[False] * few)

    frames = {"reference": few}
    calls: dict[str, Callable[[], object]] = {f"reference {n}": partial(slowly, n) for n in (1, 8)}
    for graphs, how in ((None, ""), (_graphs(report, plan), ", graphs")):
        decoder.graphs = graphs
        for weight_type in _PRECISIONS:
            name = weight_type + how
            packed, frames[name] = PackedDecoder(decoder, weight_type), plan.spoken
            for n in (1, 8):
                # With a gate threshold of 1 each sentence has the maximum of frames.
                calls[f"{name} {n}"] = partial(packed, memory[:n], lengths[:n], plan.spoken, 1.0)
    times = take_turns(calls, plan.rounds)

    def real(name: str, n: int) -> float:
        return n * _seconds(plan, frames[name]) / times.median(f"{name} {n}")

    report.log(f"Speaking freely, {plan.spoken} frames, the vocoder aside.")
    report.table(
        ("weights", "x reference", "x real time", "8 at once, x reference", "8, x real time"),
        [
            (name, real(name, 1) / real("reference", 1), real(name, 1),
             real(name, 8) / real("reference", 8), real(name, 8))
            for name in frames
        ],
    )  # fmt: skip


def measure_vocoder(report: Report, plan: Plan) -> None:
    """Measure HiFi-GAN V1 with random weights, as it is used and in float32."""
    torch.manual_seed(0)
    network = Generator(_V1).eval()
    with tempfile.TemporaryDirectory() as folder:
        used = HifiGan(Weights(Path(folder) / "V1", network.state_dict()), plan.device)
    whole = with_fallback(network, plan.device, torch.float32)
    mel = torch.randn(8, 80, plan.spoken, device=plan.device) - 5
    n_parameters = sum(p.numel() for p in network.parameters()) / 1e6

    def in_float32(n: int) -> None:
        with torch.inference_mode():
            whole(mel[:n])

    calls: dict[str, Callable[[], object]] = {}
    for n in (1, 8):
        calls[f"as used {n}"] = partial(used, mel[:n])
        calls[f"float32 {n}"] = partial(in_float32, n)
    times = take_turns(calls, plan.rounds, warm_up=2)
    report.log(f"HiFi-GAN V1, {n_parameters:.1f} M parameters, {plan.spoken} frames.")
    report.table(
        ("sentences", "float32 / as used", "x real time"),
        [
            (n, times.ratio(f"float32 {n}", f"as used {n}"), _times_real(plan, times, n))
            for n in (1, 8)
        ],
    )


def _times_real(plan: Plan, times: Timings, n: int) -> float:
    return n * _seconds(plan, plan.spoken) / times.median(f"as used {n}")


def _seconds(plan: Plan, n_frames: int) -> float:
    return n_frames * plan.config.audio.hop_length / plan.config.audio.sample_rate


def _peak(call: Callable[[], object], device: torch.device) -> float:
    """Measure the peak memory of a call in GB, beyond what is allocated already; NaN on a CPU."""
    if device.type != "cuda":
        call()
        return float("nan")
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e9


def _kernels(call: Callable[[], object], device: torch.device) -> tuple[int, float]:
    """Count the kernels and copies of a call, and sum up their time in seconds."""
    is_gpu = device.type == "cuda"
    kind = torch.autograd.DeviceType.CUDA if is_gpu else torch.autograd.DeviceType.CPU
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA][is_gpu : is_gpu + 1]
    with profile(activities=activities) as profiler:
        call()
        if is_gpu:
            torch.cuda.synchronize(device)
    # An annotation, such as the optimizer's, spans kernels that count already.
    events = [
        event
        for event in profiler.key_averages()
        if event.device_type == kind and not getattr(event, "is_user_annotation", False)
    ]
    times = [e.self_device_time_total if is_gpu else e.self_cpu_time_total for e in events]
    return sum(event.count for event in events), sum(times) / 1e6


_PARTS = {
    "precisions": measure_precisions,
    "reference": measure_reference,
    "kernels": measure_kernels,
    "speaking": measure_speaking,
    "vocoder": measure_vocoder,
    "growth": measure_growth,
}


def _arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parser.add_argument("--preset", default="full", help="the model's size (full)")
    parser.add_argument("--size", default="32,80,500", help="clips, symbols, frames (32,80,500)")
    parser.add_argument("--device", default="auto", help="where to compute (auto)")
    parser.add_argument("--only", choices=_PARTS, action="append", help="parts to measure (all)")
    parser.add_argument(
        "--minutes", type=float, default=6.0, help="after which no part is begun (6)"
    )
    return parser.parse_args()


def main() -> None:
    """Print each part as it is measured."""
    arguments = _arguments()
    started = time.monotonic()
    spoken = 500
    if arguments.quick:
        arguments.preset, arguments.size, arguments.rounds, spoken = "tiny", "2,12,20", 2, 20
    size = Size(*map(int, arguments.size.split(",")))
    plan = Plan(
        choose_device(arguments.device), preset(arguments.preset), size, spoken, arguments.rounds
    )
    report = Report("benchmarks.gpu", "The full-size model on a GPU")
    report.log(
        f"Preset '{arguments.preset}', {size.batch} clips of {size.symbols} symbols and "
        f"{size.frames} frames, head '{plan.config.model.head}' with MMI and guidance, medians "
        f"of {plan.rounds} rounds taken in turns, on {plan.device}. Peaks are what a step takes "
        "beside weights, moments and batch. TF32 as torch has it: in convolutions and LSTMs."
    )
    for name in arguments.only or _PARTS:
        minutes = (time.monotonic() - started) / 60
        if minutes > arguments.minutes:
            report.log(f"{name}: left out, for {arguments.minutes:g} minutes are over.")
            continue
        _PARTS[name](report, plan)
        gc.collect()
        if plan.device.type == "cuda":
            torch.cuda.empty_cache()
    if arguments.save:
        report.save()


if __name__ == "__main__":
    main()
