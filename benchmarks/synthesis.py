"""Synthesis with the full-size model, without the vocoder, and its bound.

``python -m benchmarks.synthesis [--quick] [--save]``. The decoder with each type of weights,
compared with the slow reference (tests/reference/decoder.py) and with the bound: the time to
multiply the same matrices by one row each.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.report import Report, options
from ponytaco.checkpoint.format import new_model
from ponytaco.config import AudioConfig, Config
from ponytaco.model.decoder import Decoder
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.packed_linear import WEIGHT_TYPES, WeightTypeError, pack_product
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.timing import Timings, take_turns
from tests.reference.decoder import ReferenceDecoder

_AUDIO = AudioConfig()
_FRAME_SECONDS = _AUDIO.hop_length / _AUDIO.sample_rate
_N_SYMBOLS = 100
_BATCH = 8


def main() -> None:
    """Print the tables."""
    arguments = options(__doc__).parse_args()
    n_frames = 30 if arguments.quick else 60
    report = Report("benchmarks.synthesis", "Speaking with the full-size model, before the vocoder")
    torch.manual_seed(0)
    model = new_model(Config()).eval()
    decoder = model.decoder
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    report.log(
        f"{n_parameters / 1e6:.1f} M parameters, random ones; {_N_SYMBOLS} symbols, {n_frames} "
        f"frames, one a step; medians of {arguments.rounds} rounds taken in turns. Real time "
        f"is {1 / _FRAME_SECONDS:.1f} frames a second."
    )
    packed = {}
    for name in WEIGHT_TYPES[1:]:
        try:
            packed[name] = PackedDecoder(decoder, name)
        except WeightTypeError as error:
            report.log(f"{name}: {error}")
    with torch.no_grad():
        _types(report, decoder, packed, n_frames, arguments.rounds)
        _growth(report, decoder, n_frames, arguments.rounds)
        _parts(report, model, n_frames, arguments.rounds)
    if arguments.save:
        report.save()


def _types(
    report: Report,
    decoder: Decoder,
    packed: dict[str, PackedDecoder],
    n_frames: int,
    rounds: int,
) -> None:
    calls: dict[str, Callable[[], object]] = {
        "reference 1": _reference(decoder, 1, n_frames),
        f"reference {_BATCH}": _reference(decoder, _BATCH, n_frames),
    }
    for name, of_type in packed.items():
        for batch in (1, _BATCH):
            calls[f"{name} {batch}"] = _speak(of_type, batch, _N_SYMBOLS, n_frames)
        calls[f"{name} bound"] = _bound(decoder, name, n_frames)
    timings = take_turns(calls, rounds)

    def real_time(name: str, batch: int) -> float:
        return _real_time(timings, f"{name} {batch}", batch, n_frames)

    rows: list[list[object]] = [
        ["reference", real_time("reference", 1), 1.0, "", real_time("reference", _BATCH),
         real_time("reference", _BATCH) / real_time("reference", 1)]
    ]  # fmt: skip
    for name in packed:
        one, eight = real_time(name, 1), real_time(name, _BATCH)
        of_bound = timings.ratio(f"{name} bound", to=f"{name} 1")
        speed_up = timings.ratio("reference 1", to=f"{name} 1")
        rows.append([name, one, speed_up, f"{of_bound:.0%}", eight, eight / one])
    report.table(
        ["weights", "x real time", "x reference", "of the bound", f"x real time, {_BATCH} at once",
         f"{_BATCH} at once / one"],
        rows,
    )  # fmt: skip


def _growth(report: Report, decoder: Decoder, n_frames: int, rounds: int) -> None:
    packed = PackedDecoder(decoder, "auto")
    lengths, batches = (50, 100, 200, 400), (1, 2, 4, 8, 16)
    calls = {f"{n} symbols": _speak(packed, 1, n, n_frames) for n in lengths}
    calls |= {f"{batch} at once": _speak(packed, batch, _N_SYMBOLS, n_frames) for batch in batches}
    timings = take_turns(calls, rounds)
    report.log("How a frame's time grows, with the type that 'auto' takes:")
    report.table(
        ["text", "time a frame", "x real time"],
        [
            [f"{n} symbols", timings.ratio(f"{n} symbols", to="100 symbols"),
             _real_time(timings, f"{n} symbols", 1, n_frames)]
            for n in lengths
        ],
    )  # fmt: skip
    report.table(
        ["batch", "time a frame", "x real time, summed"],
        [
            [batch, timings.ratio(f"{batch} at once", to="1 at once"),
             _real_time(timings, f"{batch} at once", batch, n_frames)]
            for batch in batches
        ],
    )  # fmt: skip


def _parts(report: Report, model: Tacotron2, n_frames: int, rounds: int) -> None:
    text = torch.randint(1, 100, (1, _N_SYMBOLS))
    lengths = torch.tensor([_N_SYMBOLS])
    mel = torch.randn(1, model.decoder.n_mels, n_frames)
    embedded = model.embedding(text).transpose(1, 2)
    speak = _speak(PackedDecoder(model.decoder, "auto"), 1, _N_SYMBOLS, n_frames)
    timings = take_turns(
        {
            "decoder": speak,
            "encoder": lambda: model.encoder(embedded, lengths),
            "postnet": lambda: model.postnet(mel),
            "packing": lambda: PackedDecoder(model.decoder, "auto"),
        },
        rounds,
    )
    report.log("What else a sentence takes, as a share of the decoder's time:")
    report.table(
        ["part", "share"],
        [[name, timings.ratio(name, to="decoder")] for name in ("encoder", "postnet")]
        + [["packing, once a voice", timings.ratio("packing", to="decoder")]],
    )


def _speak(
    packed: PackedDecoder, batch: int, n_symbols: int, n_frames: int
) -> Callable[[], object]:
    memory, lengths = _memory(batch, n_symbols)
    return lambda: packed(memory, lengths, n_frames, gate_threshold=1.0)


def _reference(decoder: Decoder, batch: int, n_frames: int) -> Callable[[], object]:
    sizes = Config().model
    reference = ReferenceDecoder(
        sizes.head, decoder.n_mels, sizes.encoder_embedding_dim, sizes.attention_rnn_dim,
        sizes.decoder_rnn_dim, sizes.prenet_dim, sizes.attention_dim,
        sizes.attention_location_n_filters, sizes.attention_location_kernel_size,
        sizes.n_frames_per_step,
    )  # fmt: skip
    reference.load_state_dict(decoder.state_dict())
    memory, lengths = _memory(batch, _N_SYMBOLS)
    nothing_true = torch.zeros(batch, decoder.n_mels, n_frames)
    return lambda: reference(memory, lengths, nothing_true, forced=[False] * n_frames)


def _bound(decoder: Decoder, weight_type: str, n_frames: int) -> Callable[[], object]:
    """Multiply all large matrices by one row, once per frame."""
    large = [
        weight.detach()
        for weight in decoder.parameters()
        if weight.dim() == 2 and weight.numel() > 2**18
    ]
    products = [pack_product(weight, torch.zeros(len(weight)), weight_type) for weight in large]
    calls = [
        (product, torch.randn(1, weight.shape[1]))
        for product, weight in zip(products, large, strict=True)
    ]

    def read_all() -> None:
        for _ in range(n_frames):
            for product, row in calls:
                product(row)

    return read_all


def _memory(batch: int, n_symbols: int) -> tuple[Tensor, Tensor]:
    memory_dim = Config().model.encoder_embedding_dim
    return torch.randn(batch, n_symbols, memory_dim).clamp(-1, 1), torch.full((batch,), n_symbols)


def _real_time(timings: Timings, name: str, batch: int, n_frames: int) -> float:
    return batch * n_frames * _FRAME_SECONDS / timings.median(name)


if __name__ == "__main__":
    main()
