"""A run in one file: saving it whole, and reading it safely."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco import __version__
from ponytaco.config import Config, ConfigError
from ponytaco.errors import PonytacoError
from ponytaco.io.atomic import atomic_write
from ponytaco.io.torchfile.claims import TorchFileError
from ponytaco.io.torchfile.files import check_members, load_torch_file
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import preset_of
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS

FORMAT_VERSION = 1
_MOST_SYMBOLS = 10_000


class CheckpointError(PonytacoError):
    """A checkpoint is missing, broken, of another kind, or cannot be written."""


@dataclass
class Checkpoint:
    """All that is needed to resume or to speak; ``save_checkpoint`` writes it."""

    config: Config
    state_dict: Mapping[str, Tensor]
    """The weights that speak: of a run the mean over its last steps."""
    symbols: Sequence[str]
    ctc_symbols: Sequence[str]
    mean_frame: Tensor
    """(n_mels,), the data set's mean frame."""
    lexicon: Mapping[str, str] = field(default_factory=dict)
    """The character's words and phones, 'hello' -> 'HH AH0 L OW1'."""
    seen_symbols: Sequence[str] = ()
    """The symbols that it has learnt from its texts; empty where that is not known."""
    longest_text: int = 0
    """Symbols of the longest training text; 0 where that is not known."""
    run_state: RunState = field(default_factory=RunState)
    trained: Mapping[str, Tensor] | None = None
    """The weights that training goes on with; None where they are those that speak."""
    optimizer: Mapping[str, Any] | None = None
    scaler: Mapping[str, Any] | None = None
    """The loss's scale, when training in float16."""
    sampler: Mapping[str, Any] | None = None
    rng: Mapping[str, Any] | None = None
    """Of ``randomness.all_rng_states``."""
    fingerprint: str = ""
    """Of the data set, to notice that it changed."""
    dataset: str = ""
    """Where the data set was; a line each where there were several."""
    version: str = __version__
    """Of ponytaco, when it was saved."""
    clips: int = 0
    """Clips that it learns from."""
    minutes: float = 0.0
    """Of speech in these clips."""
    card: Mapping[str, str | float] | None = None
    """What a voice says of itself that is made to be shared; None in a run."""

    @property
    def dataset_folders(self) -> list[Path]:
        """Where the data sets were."""
        return [Path(line) for line in self.dataset.splitlines()]

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
        """Compare all weights with the settings, before anything of their size is made.

        Raises:
            CheckpointError: they do not fit.
        """
        try:
            with torch.device("meta"):  # shapes only: settings may claim any size
                model = new_model(self.config, self.symbols, self.ctc_symbols)
            for weights in self._all_weights():
                model.load_state_dict(weights, assign=True)
        except (RuntimeError, OverflowError) as error:
            raise CheckpointError(
                "The checkpoint's weights do not fit its own settings: "
                f"{str(error).strip().splitlines()[-1].strip()}"
            ) from None

    def check_values(self, path: Path) -> None:
        """Make sure that all weights are numbers.

        Raises:
            CheckpointError: naming ``path`` and the first that are not.
        """
        for weights in self._all_weights():
            for name, value in weights.items():
                if not torch.isfinite(value).all():
                    raise CheckpointError(
                        f"{path} is damaged: {name} holds values that are no numbers.{_again(path)}"
                    )

    def _all_weights(self) -> list[Mapping[str, Tensor]]:
        return [self.state_dict] if self.trained is None else [self.state_dict, self.trained]


def not_learnt_yet(step: int) -> str:
    """What there is to say of a voice that no validation has found aligned, in plain words."""
    return f"This voice has not learnt to read yet (step {step:,})."


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
    save_atomically(path, _content(checkpoint))


def save_atomically(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values with torch; the file is there whole or as it was before.

    Raises:
        CheckpointError: it cannot be written, as on a full disk.
    """
    try:
        with atomic_write(path, durable=True) as temporary, temporary.open("wb") as file:
            torch.save(dict(content), file)
    except (OSError, RuntimeError) as error:  # torch's zip writer says the latter of a full disk
        raise CheckpointError(
            f"Cannot write {path}: {error}. Is the disk full? What was there before still is."
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
        "trained": None if checkpoint.trained is None else dict(checkpoint.trained),
        "lexicon": dict(checkpoint.lexicon),
        "seen_symbols": list(checkpoint.seen_symbols),
        "card": None if checkpoint.card is None else dict(checkpoint.card),
        "run_state": dataclasses.asdict(checkpoint.run_state),
    }


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of ours, or a voice to share, without running any code from it.

    A shared voice's weights are in half precision; here they come back in float32.

    Raises:
        CheckpointError: it is missing, broken, or not one of ours.
    """
    content = read_content(path)
    version = content.get("format_version")
    if not isinstance(version, int):
        raise CheckpointError(
            f"{path} is not a ponytaco checkpoint. "
            "Weights of another program can be the start of a run: --warm-start."
        )
    if version > FORMAT_VERSION:
        raise CheckpointError(f"{path} was written by a newer ponytaco. Upgrade ponytaco.")
    try:
        fields = {f.name: content[f.name] for f in dataclasses.fields(Checkpoint)}
        fields["config"] = Config.from_dict(fields["config"])
        fields["run_state"] = RunState(**fields["run_state"])
    except ConfigError as error:
        raise CheckpointError(f"{path} is damaged or of another version: {error}") from None
    except (KeyError, TypeError):
        raise CheckpointError(
            f"{path} is damaged, or another version of ponytaco wrote it, which this one cannot "
            "read."
        ) from None
    for name, is_right in _CONTENT.items():
        if not is_right(fields[name]):
            raise CheckpointError(
                f"{path} is damaged: its {name} is not what it should be.{_again(path)}"
            )
    fields["state_dict"] = {
        name: value.float() if value.dtype is torch.float16 else value
        for name, value in fields["state_dict"].items()
    }
    return Checkpoint(**fields)


def verified_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and make sure that it is sound.

    Beyond ``load_checkpoint`` every member agrees with its checksum, the weights have the shapes
    that the settings ask for, and all of them are numbers.

    Raises:
        CheckpointError: it is missing, damaged, or not one of ours.
    """
    checkpoint = load_checkpoint(path)
    try:
        check_members(path)
    except TorchFileError as error:
        raise CheckpointError(f"{path} cannot be used: {error}.{_again(path)}") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    checkpoint.check_shapes()
    checkpoint.check_values(path)
    return checkpoint


def _is_texts(value: Any) -> bool:
    few = isinstance(value, list) and len(value) <= _MOST_SYMBOLS
    return few and all(isinstance(text, str) for text in value)


def _is_table(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(held, kind) for name, held in value.items()
    )


def _is_mean_frame(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 1 and value.is_floating_point()


# What load_checkpoint asks of each part; the settings check themselves.
_CONTENT: Mapping[str, Callable[[Any], bool]] = {
    "state_dict": lambda value: _is_table(value, Tensor),
    "trained": lambda value: value is None or _is_table(value, Tensor),
    "symbols": _is_texts,
    "ctc_symbols": _is_texts,
    "mean_frame": _is_mean_frame,
    "lexicon": lambda value: _is_table(value, str),
    "seen_symbols": _is_texts,
    "longest_text": lambda value: type(value) is int and 0 <= value < 2**31,
    "run_state": lambda value: value.is_possible,
    "optimizer": lambda value: value is None or isinstance(value, Mapping),
    "sampler": lambda value: value is None or isinstance(value, Mapping),
    "rng": lambda value: value is None or isinstance(value, Mapping),
    "fingerprint": lambda value: isinstance(value, str),
    "dataset": lambda value: isinstance(value, str),
    "version": lambda value: isinstance(value, str),
    "clips": lambda value: type(value) is int and 0 <= value < 2**53,
    "minutes": lambda value: type(value) in (int, float) and 0 <= value < 2**53,
    "card": lambda value: value is None or _is_table(value, (str, int, float)),
    "scaler": lambda value: value is None or isinstance(value, Mapping),
}


def require_same_architecture(saved: Config, wanted: Config, path: Path) -> None:
    """Refuse to resume with another model or other mels.

    A run whose frames a step have been reduced goes on with the settings that it began with.

    Raises:
        CheckpointError: naming the first setting that differs.
    """
    for section in ("model", "audio"):
        old, new = getattr(saved, section), getattr(wanted, section)
        for f in dataclasses.fields(old):
            # A dropout is no part of the architecture.
            if f.name.startswith("p_") or getattr(old, f.name) == getattr(new, f.name):
                continue
            if f.name == "n_frames_per_step" and getattr(old, f.name) in wanted.frames_per_step:
                continue  # the run has come to it
            name = preset_of(saved.model)
            began = f"the preset it began with, {name}," if name else "the settings it began with,"
            raise CheckpointError(
                f"{path} was trained with {f.name}={getattr(old, f.name)}, not "
                f"{getattr(new, f.name)}: another model cannot go on from it. Use {began} or "
                "another folder for a new run."
            )


def read_content(path: Path) -> Mapping[str, Any]:
    """Read a checkpoint of anybody's as it is: tensors and plain values only.

    Raises:
        CheckpointError: it is missing, broken, or no table.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    try:
        content = load_torch_file(path)
    except TorchFileError as error:
        raise CheckpointError(
            f"{path} cannot be used as a checkpoint: {error}.{_again(path)}"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} is not a checkpoint: it holds a {type(content).__name__}.")
    return content


def _again(path: Path) -> str:
    """What to do with a damaged file that came from elsewhere, as one of a run does not."""
    return " Download or copy it again." if path.suffix else ""
