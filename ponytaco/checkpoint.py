"""A run in one file: saving it whole, reading it safely, and starting from another's weights."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco import __version__
from ponytaco.config import Config, ConfigError
from ponytaco.model import Tacotron2
from ponytaco.text import CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS
from ponytaco.torchfile import TorchFileError, check_members, load_torch_file

FORMAT_VERSION = 1
_MOST_SYMBOLS = 10_000
# Parts that older files of the same format lack.
_ADDED_LATER = {"scaler": None, "version": ""}


class CheckpointError(ValueError):
    """A checkpoint is missing, broken, of another kind, or cannot be written."""


@dataclass
class Progress:
    """How far a run has come, beyond weights and optimizer."""

    step: int = 0
    seconds: float = 0.0
    """Time spent training, over all sessions."""
    gaf: float = 0.0
    """The gradient-adaptive factor as last refreshed."""
    skipped_steps: int = 0
    """Steps left out because their loss or gradient was no number."""
    aligned_since: int | None = None
    """Step since which every validation has found the model aligned."""
    first_aligned: int | None = None
    """Step of the first validation that did."""
    rate_factor: float = 1.0
    """Of the learning rate; halved whenever too many steps in a row were no numbers."""
    n_parts: int = 1
    """Parts that a batch is computed in, where the memory is too small for the whole."""
    best_aligned: bool = False
    best_score: float | None = None
    """Whether the best model was aligned, and its voice's score."""
    best_step: int = 0
    validations_since_best: int = 0
    """Its step, and how many validations have found no better voice since."""


@dataclass
class Checkpoint:
    """All that is needed to resume or to speak; ``save_checkpoint`` writes it."""

    config: Config
    state_dict: Mapping[str, Tensor]
    symbols: Sequence[str]
    ctc_symbols: Sequence[str]
    mean_frame: Tensor
    """(n_mels,), the data set's mean frame."""
    lexicon: Mapping[str, str] = field(default_factory=dict)
    """The character's words and phones, 'hello' -> 'HH AH0 L OW1'."""
    progress: Progress = field(default_factory=Progress)
    optimizer: Mapping[str, Any] | None = None
    scaler: Mapping[str, Any] | None = None
    """The loss's scale, when training in float16."""
    sampler: Mapping[str, int] | None = None
    rng: Mapping[str, Any] | None = None
    fingerprint: str = ""
    """Of the data set, to notice that it changed."""
    dataset: str = ""
    """Where the data set was."""
    version: str = __version__
    """Of ponytaco, when it was saved."""

    def build_model(self) -> Tacotron2:
        """The model with its weights, in evaluation mode, on the CPU.

        Raises:
            CheckpointError: the weights do not fit the settings.
        """
        self.check_shapes()
        model = new_model(self.config, self.symbols, self.ctc_symbols)
        model.load_state_dict(self.state_dict)
        return model.eval()

    def check_shapes(self) -> None:
        """Compare the weights with the settings, before anything of their size is made.

        Raises:
            CheckpointError: they do not fit.
        """
        try:
            with torch.device("meta"):  # shapes only: settings may claim any size
                model = new_model(self.config, self.symbols, self.ctc_symbols)
            model.load_state_dict(self.state_dict, assign=True)
        except (RuntimeError, OverflowError) as error:
            raise CheckpointError(
                "The checkpoint's weights do not fit its own settings: "
                f"{str(error).strip().splitlines()[-1].strip()}"
            ) from None


def new_model(
    config: Config,
    symbols: Sequence[str] = SYMBOLS,
    ctc_symbols: Sequence[str] = CTC_SYMBOLS,
) -> Tacotron2:
    """A model with fresh weights for a run's settings and symbol tables."""
    return Tacotron2(config.model, len(symbols), config.audio.n_mels, len(ctc_symbols))


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file is there whole or as it was before.

    Raises:
        CheckpointError: it cannot be written, as on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            torch.save(_content(checkpoint), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        # torch reports a full disk as a RuntimeError of its zip writer.
        if not isinstance(error, OSError | RuntimeError):
            raise
        raise CheckpointError(
            f"Cannot write {path}: {error}. Is the disk full? The last save is still there."
        ) from None


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint plainly, for a store that sees to all else.

    Raises:
        OSError, RuntimeError: as torch reports what the disk does.
    """
    with path.open("wb") as file:  # torch refuses names that begin with a dot
        torch.save(_content(checkpoint), file)


def _content(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        **{f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(checkpoint)},
        "config": checkpoint.config.to_dict(),
        "symbols": list(checkpoint.symbols),
        "ctc_symbols": list(checkpoint.ctc_symbols),
        "state_dict": dict(checkpoint.state_dict),
        "lexicon": dict(checkpoint.lexicon),
        "progress": dataclasses.asdict(checkpoint.progress),
    }


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of ours, without running any code from it.

    Raises:
        CheckpointError: it is missing, broken, or not one of ours.
    """
    content = _load_untrusted(path)
    version = content.get("format_version")
    if not isinstance(version, int):
        raise CheckpointError(
            f"{path} is not a ponytaco checkpoint. "
            "Weights of another program can be the start of a run: --warm-start."
        )
    if version > FORMAT_VERSION:
        raise CheckpointError(f"{path} was written by a newer ponytaco. Upgrade ponytaco.")
    try:
        content = {**_ADDED_LATER, **content}
        fields = {f.name: content[f.name] for f in dataclasses.fields(Checkpoint)}
        fields["config"] = Config.from_dict(fields["config"])
        fields["progress"] = Progress(**fields["progress"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path} is damaged or of another version: {error}.") from None
    for name, is_right in _CONTENT.items():
        if not is_right(fields[name]):
            raise CheckpointError(f"{path} is damaged: its {name} is not what it should be.")
    return Checkpoint(**fields)


def verified_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and make sure that a run can go on from it.

    Beyond ``load_checkpoint`` every member agrees with its checksum, the weights have the shapes
    that the settings ask for, and all of them are numbers.

    Raises:
        CheckpointError: it is missing, damaged, or not one of ours.
    """
    checkpoint = load_checkpoint(path)
    try:
        check_members(path)
    except TorchFileError as error:
        raise CheckpointError(f"{path} cannot be used: {error}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    checkpoint.check_shapes()
    for name, value in checkpoint.state_dict.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(f"{path} is damaged: {name} holds values that are no numbers.")
    return checkpoint


def _is_texts(value: Any) -> bool:
    few = isinstance(value, list) and len(value) <= _MOST_SYMBOLS
    return few and all(isinstance(text, str) for text in value)


def _is_table(value: Any, kind: type) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(held, kind) for name, held in value.items()
    )


def _is_progress(value: Progress) -> bool:
    counts = (
        value.step,
        value.skipped_steps,
        value.aligned_since or 0,
        value.first_aligned or 0,
        value.n_parts,
        value.best_step,
        value.validations_since_best,
    )
    numbers = (value.seconds, value.gaf, value.rate_factor)
    return (
        all(type(count) is int and 0 <= count < 2**53 for count in counts)
        and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
        and (value.best_score is None or type(value.best_score) in (int, float))
    )


def _is_mean_frame(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 1 and value.is_floating_point()


# What load_checkpoint asks of each part; the settings check themselves.
_CONTENT: Mapping[str, Callable[[Any], bool]] = {
    "state_dict": lambda value: _is_table(value, Tensor),
    "symbols": _is_texts,
    "ctc_symbols": _is_texts,
    "mean_frame": _is_mean_frame,
    "lexicon": lambda value: _is_table(value, str),
    "progress": _is_progress,
    "optimizer": lambda value: value is None or isinstance(value, Mapping),
    "sampler": lambda value: value is None or _is_table(value, int),
    "rng": lambda value: value is None or isinstance(value, Mapping),
    "fingerprint": lambda value: isinstance(value, str),
    "dataset": lambda value: isinstance(value, str),
    "version": lambda value: isinstance(value, str),
    "scaler": lambda value: value is None or isinstance(value, Mapping),
}


def require_same_architecture(saved: Config, wanted: Config, path: Path) -> None:
    """Refuse to resume with another model or other mels.

    Raises:
        CheckpointError: naming the first setting that differs.
    """
    for section in ("model", "audio"):
        old, new = getattr(saved, section), getattr(wanted, section)
        for f in dataclasses.fields(old):
            # A dropout is no part of the architecture.
            if f.name.startswith("p_") or getattr(old, f.name) == getattr(new, f.name):
                continue
            raise CheckpointError(
                f"{path} was trained with {f.name}={getattr(old, f.name)}, not "
                f"{getattr(new, f.name)}: another model cannot go on from it. Use the preset and "
                "settings it began with, or another folder for a new run."
            )


def rng_state() -> dict[str, Any]:
    """The states of every random number generator that training uses."""
    state: dict[str, Any] = {"torch": torch.get_rng_state(), "python": list(random.getstate()[1])}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """The inverse of ``rng_state``; a GPU's generators are set where there are as many."""
    torch.set_rng_state(state["torch"])
    random.setstate((3, tuple(state["python"]), None))
    if torch.cuda.is_available() and len(state.get("cuda", [])) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


# Names of each kind that a warm start's table shows.
_SHOWN = 12


@dataclass
class WarmStart:
    """What a new model took over from other weights."""

    taken: list[str] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    """Parameters taken in part, symbol by symbol."""
    left: list[str] = field(default_factory=list)
    """Theirs that we have no place for, and why."""
    fresh: list[str] = field(default_factory=list)
    """Ours that stay as initialised."""

    def __str__(self) -> str:
        """A table for the report."""
        lines = [f"Warm start: {len(self.taken)} weights taken as they are."]
        not_taken = {line.partition(" ")[0] for line in self.left}
        for title, names in (
            ("mapped by symbol", self.mapped),
            ("not taken", self.left),
            ("new", [name for name in self.fresh if name not in not_taken]),
        ):
            lines += [f"  {title}: {name}" for name in names[:_SHOWN]]
            if len(names) > _SHOWN:
                lines.append(f"  {title}: … and {len(names) - _SHOWN} more")
        if len(self.fresh) > len(self.taken):
            lines.append(
                "  Hardly anything fits: that voice has another size. Use its preset, or leave "
                "the warm start out."
            )
        return "\n".join(lines)


def warm_start(model: Tacotron2, symbols: Sequence[str], path: Path) -> WarmStart:
    """Start a new model from other weights: NVIDIA's layout, the seed's, or one of our runs.

    A weight is taken where name and shape agree, symbols' rows by their sign and not by their
    place in the table.

    Args:
        model: changed in place.
        symbols: its symbol table.
        path: the other checkpoint.

    Raises:
        CheckpointError: it cannot be read, or nothing in it fits.
    """
    content = _load_untrusted(path)
    state = content.get("state_dict", content)
    theirs = {
        name.removeprefix("module."): value
        for name, value in (state.items() if isinstance(state, Mapping) else ())
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    ours = model.state_dict()
    report = WarmStart()
    for name, value in theirs.items():
        if name not in ours:
            report.left.append(f"{name} (no such weight here)")
        elif name == "embedding.weight":
            _take_embedding(ours[name], value, symbols, content.get("symbols"), report)
        elif ours[name].shape != value.shape:
            report.left.append(
                f"{name} (their shape {list(value.shape)}, ours {list(ours[name].shape)})"
            )
        elif not (value.is_floating_point() or name.endswith("num_batches_tracked")):
            report.left.append(f"{name} (of type {value.dtype})")
        elif not torch.isfinite(value).all():
            report.left.append(f"{name} (it holds values that are no numbers)")
        else:
            ours[name].copy_(value)
            report.taken.append(name)
    # "embedding.weight (148 of 179 symbols)" is taken, too
    taken = {*report.taken, *(line.partition(" ")[0] for line in report.mapped)}
    report.fresh = [name for name in ours if name not in taken]
    if not taken:
        raise CheckpointError(
            f"Nothing in {path} fits this model. Choose a Tacotron 2 of the same size, "
            "or leave the warm start out."
        )
    return report


def _take_embedding(
    ours: Tensor,
    theirs: Tensor,
    symbols: Sequence[str],
    their_symbols: Any,
    report: WarmStart,
) -> None:
    name = "embedding.weight"
    tables = {len(table): table for table in (NVIDIA_SYMBOLS, SYMBOLS)}
    if theirs.dim() != 2 or theirs.shape[1:] != ours.shape[1:]:
        report.left.append(f"{name} (their shape {list(theirs.shape)}, ours {list(ours.shape)})")
        return
    if not theirs.is_floating_point() or not torch.isfinite(theirs).all():
        report.left.append(f"{name} (it holds values that are no numbers)")
        return
    table = their_symbols if _is_texts(their_symbols) else tables.get(len(theirs))
    if table is None or len(table) != len(theirs):
        report.left.append(f"{name} (their symbol table of {len(theirs)} rows is not known)")
        return
    places = {symbol: i for i, symbol in enumerate(table)}
    shared = [(i, places[symbol]) for i, symbol in enumerate(symbols) if symbol in places]
    for ours_place, theirs_place in shared:
        ours[ours_place] = theirs[theirs_place]
    if list(symbols) == list(table):
        report.taken.append(name)
    else:
        report.mapped.append(f"{name} ({len(shared)} of {len(symbols)} symbols)")


def _load_untrusted(path: Path) -> Mapping[str, Any]:
    """Read a checkpoint that may come from a stranger: tensors and plain values only."""
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    try:
        content = load_torch_file(path)
    except TorchFileError as error:
        raise CheckpointError(f"{path} cannot be used as a checkpoint: {error}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} is not a checkpoint: it holds a {type(content).__name__}.")
    return content
