"""Export of a voice as torch.export programs, which run without ponytaco.

torch.export unrolls recurrent layers to the length it sees, so the loops stay outside: there are
programs for one step of each loop and for everything between, of standard operations only.
``standalone_speak.py``, which is copied beside them, runs the loops.
"""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ponytaco.checkpoint.format import Checkpoint
from ponytaco.export import standalone_speak
from ponytaco.export.bundle import Exported, ExportError, open_voice, remarks_on
from ponytaco.export.standalone_speak import NAMES, TABLE
from ponytaco.export.torch_modules import (
    DecoderStepProgram,
    EncoderProgram,
    EncoderStepProgram,
    MemoryProgram,
    PostnetProgram,
)
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.folder import write_text
from ponytaco.text.encode import spoken_symbols

# The copy of standalone_speak.py beside the programs.
_EXAMPLE = "speak.py"
# Limits of the programs.
_MOST_SYMBOLS, _MOST_FRAMES = 1000, 20_000
# Programs and model differ by rounding only.
_TOLERANCE = 1e-4


@torch.no_grad()
def export_programs(source: Path, out: Path) -> Exported:
    """Write a voice as torch.export programs, and compare them with the model.

    Args:
        source: a run's folder, a checkpoint or a shared voice.
        out: the folder to make, with a .pt2 for each program, voice.json, and speak.py.

    Raises:
        RunError, CheckpointError: there is no usable voice.
        ExportError: ``out`` is there already, or the programs' results differ from the model's.
    """
    if out.exists():
        raise ExportError(f"{out} is there already. Move it, or name another folder with -o.")
    checkpoint = open_voice(source)
    model = checkpoint.build_model().requires_grad_(False)
    table = _describe(checkpoint, model)
    modules = (
        EncoderProgram(model),
        EncoderStepProgram(model),
        MemoryProgram(model),
        DecoderStepProgram(model),
        PostnetProgram(model),
    )
    n_symbols = torch.export.Dim("T_text", min=2, max=_MOST_SYMBOLS)
    n_frames = torch.export.Dim("T_mel", min=2, max=_MOST_FRAMES)
    text, fixed = {1: n_symbols}, None
    dynamic: tuple[Any, ...] = (
        (text,),
        (fixed, fixed, (fixed,) * 4),
        (text, text),
        (fixed, fixed, text, text, (*(fixed,) * 5, text, text)),
        ({2: n_frames},),
    )
    out.mkdir(parents=True)
    for name, module, inputs, shapes in zip(
        NAMES, modules, _inputs(table, 11), dynamic, strict=True
    ):
        program = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes, strict=False)
        torch.export.save(program, out / f"{name}.pt2")
        written = torch.export.load(out / f"{name}.pt2").module()
        for length in (2, 23):
            _compare(name, module, written, _inputs(table, length)[NAMES.index(name)])
    write_text(out / _EXAMPLE, inspect.getsource(standalone_speak))
    write_text(out / TABLE, json.dumps(table, ensure_ascii=False, indent=1) + "\n")
    remark = (
        f"The programs make mels, which a vocoder turns into sound. {_EXAMPLE} beside them speaks "
        f'with torch alone: python {shlex.quote(str(out / _EXAMPLE))} "Hello there." hello.wav'
    )
    return Exported(out, [remark, *remarks_on(checkpoint)])


def _describe(checkpoint: Checkpoint, model: Tacotron2) -> dict[str, Any]:
    """Return the content of ``voice.json``: symbols, sizes and settings."""
    sizes, audio = checkpoint.config.model, checkpoint.config.audio
    return {
        **checkpoint.config.to_dict()["audio"],
        "n_mels": audio.n_mels,
        "n_frames_per_step": sizes.n_frames_per_step,
        "prenet_dim": sizes.prenet_dim,
        "attention_dim": sizes.attention_dim,
        "p_prenet_dropout": sizes.p_prenet_dropout,
        "state_widths": [
            *(model.decoder.attention_rnn.hidden_size,) * 2,
            *(model.decoder.decoder_rnn.hidden_size,) * 2,
            sizes.encoder_embedding_dim,
        ],
        "symbols": list(checkpoint.symbols),
        "spoken": spoken_symbols(range(len(checkpoint.symbols)), checkpoint.symbols),
        "lexicon": dict(checkpoint.lexicon) if checkpoint.config.train.p_arpabet > 0 else {},
        "cleaner": checkpoint.config.train.cleaner,
    }


def _inputs(table: Mapping[str, Any], length: int) -> tuple[tuple[Any, ...], ...]:
    """Draw inputs of all programs, for texts or mels of a length, which is the seed."""
    draw = torch.Generator().manual_seed(length)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    text = torch.randint(len(table["symbols"]), (1, length), generator=draw)
    widths = table["state_widths"]
    state = tuple(some(1, width) * 0.1 for width in (*widths, length, length))
    memory = some(1, length, widths[4])
    half, keep = widths[4] // 2, some(2, 1, table["prenet_dim"]).sign() + 1
    frame, mel = some(1, table["n_mels"]), some(1, table["n_mels"], length)
    step = (some(1, widths[4]), some(1, widths[4]), tuple(some(1, half) for _ in range(4)))
    halves = (some(1, length, half), some(1, length, half))
    decoder_step = (frame, keep, memory, some(1, length, table["attention_dim"]), state)
    return (text,), step, halves, decoder_step, (mel,)


@torch.no_grad()
def _compare(name: str, module: nn.Module, written: nn.Module, inputs: tuple[Any, ...]) -> None:
    wanted, got = (_flat(program(*inputs)) for program in (module, written))
    worst = max(float((a - b).abs().max()) for a, b in zip(wanted, got, strict=True))
    if not worst <= _TOLERANCE:
        raise ExportError(
            f"The exported {name} differs from the model by {worst:.2g}. This torch "
            f"({torch.__version__}) cannot export it; try another version, or --to bundle."
        )


def _flat(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [tensor for part in value for tensor in _flat(part)]
