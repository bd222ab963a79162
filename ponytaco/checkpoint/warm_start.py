"""Beginning a voice with another one's weights, whoever trained it.

Weights are taken where they mean the same: layers by their name and shape, rows of the embedding
and of the recogniser by their sign, rows of the outputs by the frame and mel band they make.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco.checkpoint.conversion.heads import fold_plain_head
from ponytaco.checkpoint.conversion.rows import Rows, by_sign, of_frames
from ponytaco.checkpoint.conversion.sizes import sizes_of
from ponytaco.checkpoint.format import CheckpointError, read_content
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import presets_with
from ponytaco.runs.folder import RunError, voice_files
from ponytaco.text.symbols import CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS

# Names of each kind that the table shows.
_SHOWN = 12

# Of the model's parameters, recogniser and head aside, so large a share must come along: what a new
# voice needs is a reader and a speaker, and half of one can do neither. A model of one size fits
# whole; one whose memory or mel is wider, as for several speakers, still fits by two thirds; one
# of another preset not at all, but for a few small vectors.
_LEAST_TAKEN = 0.5

# Sizes in which models may differ, for their weights can be mapped.
_MAPPED_SIZES = ("head", "n_frames_per_step")

# What wrappers put before every name: data parallel training, and torch.compile.
_WRAPPERS = ("module.", "_orig_mod.")

# The model's parts as the table shows them, by how their weights' names begin.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "embedding": ("embedding.",),
    "encoder": ("encoder.",),
    "attention": ("decoder.attention_rnn.", "decoder.attention_layer."),
    "decoder": ("decoder.prenet.", "decoder.decoder_rnn."),
    "head": ("decoder.linear_projection.", "decoder.mel_layer.", "decoder.gate_layer."),
    "postnet": ("postnet.",),
    "recogniser": ("mi.",),
}
_PLAIN_HEAD = "decoder.linear_projection.linear_layer."
_MMI_HEAD = ("decoder.linear_projection.0.", "decoder.mel_layer.", "mi.")
_MEL_ROWS = (_PLAIN_HEAD, "decoder.mel_layer.3.linear_layer.")
_GATE_ROWS = "decoder.gate_layer.linear_layer."


@dataclass
class WarmStart:
    """What a new model took over from other weights; the texts begin with a weight's name."""

    source: str = ""
    """Whose weights they are."""
    taken: list[str] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    """Taken in another order or in part, and how."""
    left: list[str] = field(default_factory=list)
    """Theirs that we have no place for, and why."""
    fresh: list[str] = field(default_factory=list)
    """Ours that stay as initialised."""
    other_sizes: list[str] = field(default_factory=list)
    """Settings in which the models differ, as 'prenet_dim 256 (here 128)'."""
    share: float = 0.0
    """Of the model's parameters, recogniser and head aside, how much was taken or mapped."""

    def __str__(self) -> str:
        """A table for the report."""
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
        lines.append(f"  {self.share:.0%} of the weights came along, head and recogniser aside.")
        return "\n".join(lines)


def warm_start(
    model: Tacotron2,
    symbols: Sequence[str],
    path: Path,
    ctc_symbols: Sequence[str] = CTC_SYMBOLS,
) -> WarmStart:
    """Start a new model from other weights: NVIDIA's layout, the seed's, or one of our voices.

    A plain head is folded into a new 'mmi' head where that is wide enough, so that the new model
    speaks as the other one did; the other way a head cannot be brought over, and stays new.

    Args:
        model: changed in place.
        symbols: its symbol table.
        path: the other checkpoint or shared voice, or a run's folder, whose best one is taken.
        ctc_symbols: the alphabet of its recogniser.

    Raises:
        RunError: there is no voice at that place.
        CheckpointError: it cannot be read, or hardly anything in it fits.
    """
    path = _weights_file(path)
    content = read_content(path)
    theirs = _weights(content)
    ours = model.state_dict()
    here = sizes_of(ours, model.decoder.n_mels)
    there = sizes_of(theirs, model.decoder.n_mels)
    report = WarmStart(
        source=_source(path, content, there),
        other_sizes=[f"{k} {v} (here {here[k]})" for k, v in there.items() if v != here.get(k)],
    )
    tables = _tables(content, theirs)
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
    # "embedding.weight (148 of 179 symbols)" is taken, too
    taken = {*report.taken, *map(_name, report.mapped)}
    report.fresh = [name for name in ours if name not in taken]
    report.share = _share(model, taken)
    if report.share < _LEAST_TAKEN:
        raise CheckpointError(_why_too_little(path, report.share, here, there))
    return report


def sizes_in(path: Path) -> dict[str, Any]:
    """As ``sizes_of``, for a file or a run's folder.

    Raises:
        RunError, CheckpointError: as ``warm_start``.
    """
    return sizes_of(_weights(read_content(_weights_file(path))))


def _weights_file(path: Path) -> Path:
    if not path.exists():
        try:
            voice_files(path)
        except RunError as error:
            raise RunError(
                f"{error} (NVIDIA's voice comes with: ponytaco fetch tacotron2)"
            ) from None
    return voice_files(path)[0]


def _share(model: Tacotron2, taken: Collection[str]) -> float:
    """Of the parameters that read and speak, those that were taken."""
    new_in_many = (*_PARTS["recogniser"], *_PARTS["head"])
    sizes = {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if not name.startswith(new_in_many)
    }
    return sum(size for name, size in sizes.items() if name in taken) / sum(sizes.values())


def _why_too_little(
    path: Path, share: float, here: Mapping[str, Any], there: Mapping[str, Any]
) -> str:
    asked = {name: size for name, size in there.items() if name not in _MAPPED_SIZES}
    if not asked:
        return (
            f"Nothing in {path} fits: it holds no weights of a Tacotron 2. Give another voice, or "
            "leave the warm start out."
        )
    found = f"Only {share:.0%} of what a voice needs could be taken from {path}"
    other = {name: size for name, size in asked.items() if size != here.get(name)}
    if not other:
        return f"{found}: it lacks the rest. Give another voice, or leave the warm start out."
    presets = presets_with(asked)
    if presets:
        give = f"--preset {' or '.join(presets)}, which fits"
    else:
        give = f"its sizes: {' '.join(f'--set {name}={size}' for name, size in other.items())}"
    return (
        f"{found}, for that is a model of another size. Give {give}; or leave the warm start out."
    )


def _weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a file by name, out of the layouts that are found in the wild."""
    held = [content.get("state_dict"), content.get("model"), content]
    state: Mapping[Any, Any] = next((table for table in held if isinstance(table, Mapping)), {})
    weights = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            continue
        while name.startswith(_WRAPPERS):
            name = name.partition(".")[2]
        weights[name] = value
    return weights


def _source(path: Path, content: Mapping[str, Any], sizes: Mapping[str, Any]) -> str:
    head = f", {sizes['head']} head" if "head" in sizes else ""
    progress = content.get("progress")
    step = progress.get("step") if isinstance(progress, Mapping) else content.get("iteration")
    at = f", step {step:,}" if type(step) is int else ""
    kind = "a voice of ponytaco" if "format_version" in content else "weights of another program"
    return f"{path} ({kind}{at}{head})"


def _tables(
    content: Mapping[str, Any], theirs: Mapping[str, Tensor]
) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """Their symbols and their recogniser's, as they say or as their number tells."""
    embedding = theirs.get("embedding.weight")
    n_symbols = len(embedding) if embedding is not None and embedding.dim() else 0
    known = {len(table): table for table in (NVIDIA_SYMBOLS, SYMBOLS)}
    said, ctc_said = content.get("symbols"), content.get("ctc_symbols")
    table = said if _is_texts(said) else known.get(n_symbols)
    return (
        table if table is not None and len(table) == n_symbols else None,
        ctc_said if _is_texts(ctc_said) else CTC_SYMBOLS,
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _rows_for(
    name: str,
    ours: Tensor,
    theirs: Tensor,
    model: Tacotron2,
    r_there: int,
    our_tables: tuple[Sequence[str], Sequence[str]],
    their_tables: tuple[Sequence[str] | None, Sequence[str] | None],
) -> Rows | None:
    """The rows of a weight whose rows have a meaning of their own; None for any other weight."""
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
        # The blank is a sign of its own, at the end.
        places = by_sign([*our_tables[1], ""], [*their_tables[1], ""])
        return of_frames(places, len(their_tables[1]) + 1, n_theirs, r_there, r)
    if name.startswith(_MEL_ROWS):
        return of_frames(range(n_mels), n_mels, n_theirs, r_there, r)
    if name.startswith(_GATE_ROWS):
        # NVIDIA's gate has one value a step, whatever the step makes.
        return of_frames([0], 1, n_theirs, 1 if n_theirs == 1 else r_there, r)
    return None


def _problem(ours: Tensor, theirs: Tensor, rows: Rows | None) -> str:
    """Why a weight cannot be taken; empty when it can."""
    fits = ours.shape == theirs.shape
    if rows is not None and theirs.dim():
        fits = ours.shape[1:] == theirs.shape[1:]
        if not rows.n_theirs:
            return f"their symbol table of {len(theirs)} rows is not known"
    if not fits:
        return f"their shape {list(theirs.shape)}, ours {list(ours.shape)}"
    if ours.is_floating_point() != theirs.is_floating_point():
        return f"of type {theirs.dtype}"
    if not torch.isfinite(theirs).all():
        return "it holds values that are no numbers"
    return ""


def _why_no_place(name: str, model: Tacotron2) -> str:
    if name.startswith((*_MMI_HEAD, _GATE_ROWS)) and model.mi is None:
        return "of the head 'mmi'; this model's is 'plain'"
    if name.startswith((_PLAIN_HEAD, _GATE_ROWS)) and model.mi is not None:
        return "of the head 'plain'; this model's is 'mmi'"
    return "no such weight here"


def _fold_plain_head(model: Tacotron2, theirs: Mapping[str, Tensor], report: WarmStart) -> None:
    """Let a new 'mmi' head begin as their plain head, and tell it."""
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
    how = f"begins as their plain head, in {n_units} of {hidden:,} hidden units"
    report.mapped += [f"{name} ({how})" for name in names_here]


def _name(line: str) -> str:
    return line.partition(" ")[0]


def _grouped(lines: Iterable[str]) -> list[str]:
    """One line for all weights of one reason."""
    by_reason: dict[str, list[str]] = {}
    for line in lines:
        name, _, reason = line.partition(" ")
        by_reason.setdefault(reason, []).append(name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''} {reason}"
        for reason, names in by_reason.items()
    ]


def _row(part: str, *counts: object) -> str:
    return f"  {part:<12}" + "".join(f"{count!s:>8}" for count in counts)
