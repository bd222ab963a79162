"""Warm start: initialising a model with the weights of another one, of any program.

Weights are taken where they mean the same: layers by name and shape, rows of the embedding and the
CTC head by symbol, rows of the outputs by the frame and mel band that they make.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco.checkpoint.conversion.architecture import misfits
from ponytaco.checkpoint.conversion.heads import fold_plain_head
from ponytaco.checkpoint.conversion.rows import Rows, by_sign, of_frames
from ponytaco.checkpoint.conversion.sizes import n_mels_of, sizes_of
from ponytaco.checkpoint.foreign import ForeignVoice, read_foreign
from ponytaco.checkpoint.format import CheckpointError
from ponytaco.config import AudioConfig
from ponytaco.formatting import and_more
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import presets_with
from ponytaco.runs.folder import RunError, voice_files
from ponytaco.text.symbols import CTC_SYMBOLS

# Limit of the names in each row group of the table.
_SHOWN = 12

# Minimal share of the parameters, output and CTC heads aside, that must be taken: half of a model
# can neither read nor speak. A model of the same size fits completely; one whose memory or mel is
# wider, as for several speakers, still by two thirds; one of another preset not at all, but for a
# few small vectors. The same share of the encoder: without it a model of another architecture would
# pass that has nothing but its sizes in common.
_LEAST_TAKEN = 0.5

# Sizes in which models may differ, since their weights can be mapped.
_MAPPED_SIZES = ("head", "n_frames_per_step")

# The parts of the model in the table, with the prefixes of their weights' names.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "embedding": ("embedding.",),
    "encoder": ("encoder.",),
    "attention": ("decoder.attention_rnn.", "decoder.attention_layer."),
    "decoder": ("decoder.prenet.", "decoder.decoder_rnn."),
    "head": ("decoder.linear_projection.", "decoder.mel_layer.", "decoder.gate_layer."),
    "postnet": ("postnet.",),
    "ctc_head": ("mi.",),
}
_PLAIN_HEAD = "decoder.linear_projection.linear_layer."
_MMI_HEAD = ("decoder.linear_projection.0.", "decoder.mel_layer.", "mi.")
_MEL_ROWS = (_PLAIN_HEAD, "decoder.mel_layer.3.linear_layer.")
_GATE_ROWS = "decoder.gate_layer.linear_layer."


@dataclass
class WarmStart:
    """Report of a warm start; each line begins with a weight's name."""

    source: str = ""
    """Description of the other weights."""
    taken: list[str] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    """Weights taken in another order or in part, and how."""
    left: list[str] = field(default_factory=list)
    """Their weights that could not be taken, and why."""
    fresh: list[str] = field(default_factory=list)
    """Our weights that stay as initialised."""
    other_sizes: list[str] = field(default_factory=list)
    """Settings in which the models differ, as 'prenet_dim 256 (here 128)'."""
    share: float = 0.0
    """Share of the parameters, output and CTC heads aside, that was taken or mapped."""
    remarks: list[str] = field(default_factory=list)
    """What was assumed about the other voice, and how it differs, one sentence each."""

    def __str__(self) -> str:
        """Format as a table."""
        lines = [f"Warm start from {self.source}.", _row("part", "taken", "mapped", "new")]
        for part, beginnings in _PARTS.items():
            counts = [
                sum(line.startswith(beginnings) for line in lines_of_kind)
                for lines_of_kind in (self.taken, self.mapped, self.fresh)
            ]
            if any(counts):
                lines.append(_row(part, *counts))
        not_taken = {_name(line) for line in self.left}
        for title, names in (
            ("mapped", _grouped(self.mapped)),
            ("not taken", _grouped(self.left)),
            ("new", [name for name in self.fresh if name not in not_taken]),
        ):
            lines += [f"  {title}: {name}" for name in names[:_SHOWN]]
            if len(names) > _SHOWN:
                lines.append(f"  {title}: … and {len(names) - _SHOWN} more")
        lines.append(f"  {self.share:.0%} of the weights were taken, output and CTC heads aside.")
        lines += [f"  {remark}" for remark in self.remarks]
        return "\n".join(lines)


def warm_start(
    model: Tacotron2,
    symbols: Sequence[str],
    path: Path,
    ctc_symbols: Sequence[str] = CTC_SYMBOLS,
    audio: AudioConfig | None = None,
) -> WarmStart:
    """Initialise a model with weights in NVIDIA's layout, the seed's, or of a ponytaco voice.

    A plain head is folded into a new 'mmi' head if that is wide enough, so that the model speaks
    like the other one. An 'mmi' head cannot become a plain one, which stays new.

    Args:
        model: the model, changed in place.
        symbols: its symbol table.
        path: the other checkpoint, a shared voice, or a run's folder, whose best model is taken.
        ctc_symbols: the alphabet of its CTC head.
        audio: settings of its mels, to report where the other voice's differ.

    Raises:
        RunError: if there is no voice at ``path``.
        CheckpointError: if it cannot be read, or less than half of the model fits.
    """
    voice = read_foreign(_weights_file(path))
    theirs, ours = voice.weights, model.state_dict()
    here = sizes_of(ours, model.decoder.n_mels)
    there = sizes_of(theirs, n_mels_of(theirs))
    report = WarmStart(
        source=_source(voice, there),
        other_sizes=[f"{k} {v} (here {here[k]})" for k, v in there.items() if v != here.get(k)],
    )
    tables = (voice.symbols, voice.ctc_symbols)
    r_there = there.get("n_frames_per_step", model.decoder.n_frames_per_step)
    for name, value in theirs.items():
        other_head = name.startswith(_GATE_ROWS) and there.get("head", here["head"]) != here["head"]
        if name not in ours or other_head:
            report.left.append(f"{name} ({_why_no_place(name, model)})")
            continue
        rows = _rows_for(name, ours[name], value, model, r_there, (symbols, ctc_symbols), tables)
        problem = _problem(ours[name], value, rows)
        if problem:
            report.left.append(f"{name} ({problem})")
        elif rows is None or rows.is_plain:
            ours[name].copy_(value)
            report.taken.append(name)
        else:
            for place, their_place in enumerate(rows.places):
                if their_place is not None:
                    ours[name][place] = value[their_place]
            report.mapped.append(f"{name} ({rows.how})")
    _fold_plain_head(model, theirs, report)
    # as "embedding.weight (148 of 179 symbols)"
    taken = {*report.taken, *map(_name, report.mapped)}
    report.fresh = [name for name in ours if name not in taken]
    report.share = _share(model, taken)
    if min(report.share, _share(model, taken, _PARTS["encoder"])) < _LEAST_TAKEN:
        raise CheckpointError(_why_too_little(voice, report.share, here, there))
    report.remarks = list(_remarks(voice, there, audio))
    return report


def sizes_in(path: Path) -> dict[str, Any]:
    """Infer the model settings of a checkpoint or a run's folder; see ``sizes_of``.

    Raises:
        RunError, CheckpointError: as ``warm_start``.
    """
    weights = read_foreign(_weights_file(path)).weights
    return sizes_of(weights, n_mels_of(weights))


def _weights_file(path: Path) -> Path:
    if not path.exists():
        try:
            voice_files(path)
        except RunError as error:
            raise RunError(
                f"{error} (Download NVIDIA's voice with: ponytaco fetch tacotron2)"
            ) from None
    return voice_files(path)[0]


def _share(model: Tacotron2, taken: Collection[str], part: tuple[str, ...] = ("",)) -> float:
    """Return the share of the parameters of a part that were taken, output and CTC heads aside."""
    sizes = {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if name.startswith(part) and not name.startswith((*_PARTS["ctc_head"], *_PARTS["head"]))
    }
    return sum(size for name, size in sizes.items() if name in taken) / sum(sizes.values())


def _why_too_little(
    voice: ForeignVoice, share: float, here: Mapping[str, Any], there: Mapping[str, Any]
) -> str:
    path, other = voice.path, misfits(voice.weights, there)
    if other:
        return (
            f"{path} is a Tacotron 2 of another architecture: {next(iter(other.values()))}. No "
            "setting makes such a model. Give another voice, or leave the warm start out."
        )
    asked = {name: size for name, size in there.items() if name not in _MAPPED_SIZES}
    if not asked:
        return (
            f"Nothing in {path} fits: it holds no weights of a Tacotron 2. Give another voice, or "
            "leave the warm start out."
        )
    found = f"Only {share:.0%} of the weights could be taken from {path}"
    differing = {name: size for name, size in asked.items() if size != here.get(name)}
    if not differing:
        return f"{found}: it lacks the rest. Give another voice, or leave the warm start out."
    presets = presets_with(asked)
    if presets:
        give = f"--preset {' or '.join(presets)}, which fits"
    else:
        give = f"its sizes: {' '.join(f'--set {name}={size}' for name, size in differing.items())}"
    return f"{found}: it is a model of another size. Give {give}; or leave the warm start out."


def _source(voice: ForeignVoice, sizes: Mapping[str, Any]) -> str:
    head = f", {sizes['head']} head" if "head" in sizes else ""
    at = "" if voice.step is None else f", step {voice.step:,}"
    kind = "a voice of ponytaco" if voice.is_ours else "weights of another program"
    return f"{voice.path} ({kind}{at}{head})"


def _remarks(
    voice: ForeignVoice, sizes: Mapping[str, Any], audio: AudioConfig | None
) -> Iterator[str]:
    """Yield what was assumed about the other voice, and how it differs, one sentence each."""
    if voice.assumed_symbols:
        yield f"Nothing in the file names its symbols: {voice.assumed_symbols}."
    other = misfits(voice.weights, sizes)
    if other:
        yield (
            f"It is of another architecture, and these parts start anew: "
            f"{'; '.join(other.values())}."
        )
    if audio is not None:
        yield from _other_mels(voice, audio)


def _other_mels(voice: ForeignVoice, audio: AudioConfig) -> Iterator[str]:
    theirs = voice.audio_config
    differing = [
        f"{field.name} {getattr(theirs, field.name):g} (here {getattr(audio, field.name):g})"
        for field in fields(AudioConfig)
        if getattr(theirs, field.name) != getattr(audio, field.name)
    ]
    if voice.other_scale:
        differing.append(f"another scale ({voice.other_scale})")
    if differing:
        known = "" if voice.audio else ", if they are NVIDIA's, which the file does not tell"
        yield (
            f"Its mels have other settings{known}: {', '.join(differing)}, so the sound must be "
            "learnt anew."
        )


def _rows_for(
    name: str,
    ours: Tensor,
    theirs: Tensor,
    model: Tacotron2,
    r_there: int,
    our_tables: tuple[Sequence[str], Sequence[str]],
    their_tables: tuple[Sequence[str] | None, Sequence[str] | None],
) -> Rows | None:
    """Map the rows of a weight if they have a meaning of their own; None for other weights."""
    decoder = model.decoder
    r, n_mels = decoder.n_frames_per_step, decoder.n_mels
    n_theirs = len(theirs) if theirs.dim() else 0
    if name == "embedding.weight":
        if their_tables[0] is None:
            return None if theirs.shape[1:] != ours.shape[1:] else Rows([], 0, "")
        places = by_sign(our_tables[0], their_tables[0])
        new = [sign for sign, at in zip(our_tables[0], places, strict=True) if at is None]
        how = f"{len(places) - len(new)} of {len(places)} symbols, by sign"
        return Rows(places, n_theirs, how + (f"; new: {' '.join(new)}" if new else ""))
    if name.startswith("mi.ctc_proj."):
        assert their_tables[1] is not None
        # The blank comes last.
        places = by_sign([*our_tables[1], ""], [*their_tables[1], ""])
        return of_frames(places, len(their_tables[1]) + 1, n_theirs, r_there, r)
    if name.startswith(_MEL_ROWS):
        return of_frames(range(n_mels), n_mels, n_theirs, r_there, r)
    if name.startswith(_GATE_ROWS):
        # NVIDIA's gate has one value per step at any reduction factor.
        return of_frames([0], 1, n_theirs, 1 if n_theirs == 1 else r_there, r)
    return None


def _problem(ours: Tensor, theirs: Tensor, rows: Rows | None) -> str:
    """Explain why a weight cannot be taken; '' if it can."""
    fits = ours.shape == theirs.shape
    if rows is not None and theirs.dim():
        fits = ours.shape[1:] == theirs.shape[1:]
        if not rows.n_theirs:
            return f"their symbol table of {len(theirs)} rows is unknown"
    if not fits:
        return f"their shape {list(theirs.shape)}, ours {list(ours.shape)}"
    if ours.is_floating_point() != theirs.is_floating_point():
        return f"of type {theirs.dtype}"
    # Of eight bits, torch can only convert them.
    if not torch.isfinite(theirs.float() if theirs.itemsize == 1 else theirs).all():
        return "it holds NaN or infinite values"
    return ""


def _why_no_place(name: str, model: Tacotron2) -> str:
    if name.startswith((*_MMI_HEAD, _GATE_ROWS)) and model.mi is None:
        return "of the head 'mmi'; this model's is 'plain'"
    if name.startswith((_PLAIN_HEAD, _GATE_ROWS)) and model.mi is not None:
        return "of the head 'plain'; this model's is 'mmi'"
    return "no such weight here"


def _fold_plain_head(model: Tacotron2, theirs: Mapping[str, Tensor], report: WarmStart) -> None:
    """Fold their plain head into a new 'mmi' head, and report it."""
    decoder = model.decoder
    names = [f"{layer}{kind}" for layer in (_PLAIN_HEAD, _GATE_ROWS) for kind in ("weight", "bias")]
    if decoder.mel_layer is None or not all(name in theirs for name in names):
        return
    values = [theirs[name].float() for name in names]
    r, n_mels = decoder.n_frames_per_step, decoder.n_mels
    r_there, n_gates = values[1].numel() // n_mels, values[3].numel()
    rows = (
        of_frames(range(n_mels), n_mels, values[1].numel(), r_there, r),
        of_frames([0], 1, n_gates, 1 if n_gates == 1 else r_there, r),
    )
    hidden, features = decoder.get_parameter("linear_projection.0.linear_layer.weight").shape
    shaped = all(w.shape == (b.numel(), features) for w, b in (values[:2], values[2:]))
    finite = all(torch.isfinite(value).all() for value in values)
    if rows[0] is None or rows[1] is None or not shaped or not finite:
        return
    mel, gate = torch.tensor(rows[0].places), torch.tensor(rows[1].places)
    n_units = fold_plain_head(
        decoder, values[0][mel], values[1][mel], values[2][gate], values[3][gate]
    )
    if not n_units:
        return
    names_here = [name for name in model.state_dict() if name.startswith(_PARTS["head"])]
    report.mapped = [line for line in report.mapped if _name(line) not in names_here]
    report.taken = [name for name in report.taken if name not in names_here]
    report.left = [line for line in report.left if _name(line) not in names]
    how = f"folded from their plain head, in {n_units} of {hidden:,} hidden units"
    report.mapped += [f"{name} ({how})" for name in names_here]


def _name(line: str) -> str:
    return line.partition(" ")[0]


def _grouped(lines: Iterable[str]) -> list[str]:
    """Join the lines of weights with the same reason."""
    by_reason: dict[str, list[str]] = {}
    for line in lines:
        name, _, reason = line.partition(" ")
        by_reason.setdefault(reason, []).append(name)
    return [f"{and_more(names, 1)} {reason}" for reason, names in by_reason.items()]


def _row(part: str, *counts: object) -> str:
    return f"  {part:<12}" + "".join(f"{count!s:>8}" for count in counts)
