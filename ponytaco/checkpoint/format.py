"""The checkpoint, a run in one file: writing it atomically and reading it safely."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco import __version__
from ponytaco.checkpoint.fields import invalid_field
from ponytaco.config import Config, ConfigError
from ponytaco.device import shapes_only
from ponytaco.errors import PonytacoError, disk_problem
from ponytaco.io.atomic import atomic_write
from ponytaco.io.state_dicts import mismatch
from ponytaco.io.store.errors import NewerVersionError
from ponytaco.io.tensor_file.errors import TensorFileError
from ponytaco.io.tensor_file.file import (
    TensorFile,
    is_tensor_file,
    open_tensor_file,
    write_tensor_file,
)
from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.foreign import ForeignObject, module_weights
from ponytaco.io.torchfile.reader import describe_other, is_torch_file, load_torch_file
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import preset_of
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS

FORMAT_VERSION = 2
_FORMAT, _WRITER = "format_version", "ponytaco"
"""The file's metadata beside its content; the writer tells a checkpoint from other files."""
# A run has its weights twice, and an optimizer at most three times beside them.
_MOST_BYTES_PER_WEIGHT, _MOST_OTHER_BYTES = 5, 16 * 2**20
_START_BYTES = 512
_WARM_START = "A run can start from weights of another program: --warm-start."


class CheckpointError(PonytacoError):
    """A checkpoint is missing, damaged, of another kind, or cannot be written."""


class NewerCheckpointError(CheckpointError, NewerVersionError):
    """A checkpoint was written by a newer ponytaco."""


class OtherProgramError(CheckpointError):
    """A checkpoint is of the kind that other programs write."""


@dataclass
class Checkpoint:
    """All that is needed to resume a run or to speak."""

    config: Config
    state_dict: Mapping[str, Tensor]
    """The weights for synthesis: the EMA of a run."""
    symbols: Sequence[str]
    ctc_symbols: Sequence[str]
    mean_frame: Tensor
    """(n_mels,), the data set's mean frame."""
    lexicon: Mapping[str, str] = field(default_factory=dict)
    """The character's pronunciations, 'hello' -> 'HH AH0 L OW1'."""
    seen_symbols: Sequence[str] = ()
    """The symbols of the training texts; empty if unknown."""
    longest_text: int = 0
    """Symbols of the longest training text; 0 if unknown."""
    run_state: RunState = field(default_factory=RunState)
    trained: Mapping[str, Tensor] | None = None
    """The weights to resume training with; None if they are ``state_dict``."""
    optimizer: Mapping[str, Any] | None = None
    adversary: Mapping[str, Any] | None = None
    """The state of the postnet's adversarial training; None before it has begun."""
    scaler: Mapping[str, Any] | None = None
    """The state of the GradScaler, when training in float16."""
    sampler: Mapping[str, Any] | None = None
    rng: Mapping[str, Any] | None = None
    """The states from ``training.rng.all_rng_states``."""
    fingerprint: str = ""
    """The data set's fingerprint, to notice changes."""
    dataset: str = ""
    """The path of the data set; one per line if there are several."""
    version: str = __version__
    """The version of ponytaco that saved it."""
    clips: int = 0
    """Number of training clips."""
    minutes: float = 0.0
    """Speech in these clips, in minutes."""
    card: Mapping[str, str | float] | None = None
    """The model card of a shared voice; None in a run."""

    @property
    def dataset_folders(self) -> list[Path]:
        """The paths of the data sets."""
        return [Path(line) for line in self.dataset.splitlines()]

    def build_model(self) -> Tacotron2:
        """Build the model with its weights, in evaluation mode, on the CPU.

        Raises:
            CheckpointError: if the weights do not fit the settings.
        """
        self.check_shapes()
        model = new_model(self.config, self.symbols, self.ctc_symbols)
        model.load_state_dict(self.state_dict)
        return model.eval()

    def check_shapes(self, of: str = "the checkpoint") -> None:
        """Compare the shapes of all weights with the settings, without any memory.

        Raises:
            CheckpointError: if they do not fit; the message names the weights as those ``of``.
        """
        try:
            with shapes_only():  # settings may claim any size
                model = new_model(self.config, self.symbols, self.ctc_symbols)
        except (RuntimeError, OverflowError):
            raise CheckpointError(
                f"The weights of {of} do not fit its own settings: no model is that large."
            ) from None
        wanted = model.state_dict()
        for weights in self._all_weights():
            if why := mismatch(weights, wanted):
                raise CheckpointError(f"The weights of {of} do not fit its own settings: {why}.")

    def check_values(self, path: Path) -> None:
        """Check that all weights are finite.

        Raises:
            CheckpointError: if not; the message names ``path`` and the first bad weight.
        """
        for weights in self._all_weights():
            for name, value in weights.items():
                if not torch.isfinite(value).all():
                    raise CheckpointError(
                        f"{path} is damaged: {name} holds NaN or infinite values.{_again(path)}"
                    )

    def _all_weights(self) -> list[Mapping[str, Tensor]]:
        return [self.state_dict] if self.trained is None else [self.state_dict, self.trained]


def not_learnt_yet(step: int) -> str:
    """Return the message about a voice that no validation has found aligned."""
    return f"This voice has not learnt to read yet (step {step:,})."


def new_model(
    config: Config,
    symbols: Sequence[str] = SYMBOLS,
    ctc_symbols: Sequence[str] = CTC_SYMBOLS,
) -> Tacotron2:
    """Build a model with new weights for a run's settings and symbol tables."""
    return Tacotron2(config.model, len(symbols), config.audio.n_mels, len(ctc_symbols))


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically.

    Raises:
        CheckpointError: if it cannot be written, as on a full disk.
    """
    with writing_atomically(path) as temporary:
        write_checkpoint(temporary, checkpoint)


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[Path]:
    """Write a voice's file atomically and durably; see ``atomic_write``.

    Raises:
        CheckpointError: if it cannot be written, as on a full disk.
    """
    try:
        with atomic_write(path, durable=True) as temporary:
            yield temporary
    except (OSError, RuntimeError) as error:  # torch's zip writer raises the latter on a full disk
        raise CheckpointError(
            f"Cannot write {path}: {disk_problem(error)} An earlier file there is unchanged."
        ) from None


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint directly, for a store that verifies and renames it.

    Raises:
        OSError: if the disk fails.
    """
    metadata = {_WRITER: __version__, _FORMAT: str(FORMAT_VERSION)}
    write_tensor_file(path, _content(checkpoint), metadata)


def _content(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
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


def load_checkpoint(path: str | Path, *, verify: bool = False) -> Checkpoint:
    """Read a checkpoint of ponytaco, or a shared voice, without running any code from it.

    Everything is judged before its weights are read. The half-precision weights of a shared voice
    are returned in float32.

    Args:
        path: the file.
        verify: compare its tensors with their checksums, as those of a shared voice always are.

    Raises:
        OtherProgramError: if it is not one of ponytaco's.
        CheckpointError: if it is missing or damaged.
    """
    path = Path(path)
    with _reading(path):
        start = _start(path)
        if is_torch_file(start):
            raise OtherProgramError(
                f"{path} is not a ponytaco checkpoint, but torch's kind of file, as other programs "
                f"write it, and ponytaco did before 0.2. {_WARM_START}"
            )
        if not is_tensor_file(start):
            raise TensorFileError(describe_other(start))
        with open_tensor_file(path) as file:
            if not _is_ours(file, path):
                raise OtherProgramError(f"{path} is not a ponytaco checkpoint. {_WARM_START}")
            checkpoint = _checkpoint(file, path)
            file.read(verify=verify or checkpoint.card is not None)
    checkpoint.state_dict = {
        name: value.float() if value.dtype is torch.float16 else value
        for name, value in checkpoint.state_dict.items()
    }
    return checkpoint


def load_config(path: Path) -> Config:
    """Read the settings of a checkpoint alone, which is quick.

    Raises:
        CheckpointError: as ``load_checkpoint``.
    """
    with _reading(path):
        if not is_tensor_file(_start(path)):
            raise CheckpointError(f"{path} is not a ponytaco checkpoint.")
        with open_tensor_file(path) as file:
            return _checkpoint(file, path).config


def _is_ours(file: TensorFile, path: Path) -> bool:
    """Whether ponytaco wrote a file, in a version that this one can read.

    Raises:
        NewerCheckpointError: if a newer one did.
    """
    if _WRITER not in file.metadata:
        return False
    version = file.metadata.get(_FORMAT, "")
    if version.isdecimal() and int(version[:9]) > FORMAT_VERSION:
        raise NewerCheckpointError(f"{path} was written by a newer ponytaco. Upgrade ponytaco.")
    return True


def _checkpoint(file: TensorFile, path: Path) -> Checkpoint:
    """Make a checkpoint of a file's content, whose weights have not been read, and judge it."""
    content = file.content()
    try:
        fields = {f.name: content[f.name] for f in dataclasses.fields(Checkpoint)}
        fields["config"] = Config.from_dict(fields["config"])
        fields["run_state"] = RunState(**fields["run_state"])
    except ConfigError as error:
        raise CheckpointError(f"{path} is damaged or of another version: {error}") from None
    except (KeyError, TypeError):
        raise CheckpointError(
            f"{path} is damaged, or was written by another version of ponytaco that this one "
            "cannot read."
        ) from None
    if wrong := invalid_field(fields):
        raise CheckpointError(f"{path} is damaged: its {wrong} is invalid.{_again(path)}")
    checkpoint = Checkpoint(**fields)
    checkpoint.check_shapes(of=str(path))
    n_bytes = sum(v.nbytes for weights in checkpoint._all_weights() for v in weights.values())
    if file.n_bytes > _MOST_BYTES_PER_WEIGHT * n_bytes + _MOST_OTHER_BYTES:
        raise TensorFileError("it holds more than the states of any run")
    return checkpoint


def verified_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and verify it.

    Beyond ``load_checkpoint`` this checks the checksums, and that the weights are finite.

    Raises:
        OtherProgramError: if it is not one of ponytaco's.
        CheckpointError: if it is missing or damaged.
    """
    checkpoint = load_checkpoint(path, verify=True)
    checkpoint.check_values(path)
    return checkpoint


def require_same_architecture(saved: Config, wanted: Config, path: Path) -> None:
    """Refuse to resume with another model or other mels.

    A run whose reduction factor has been lowered is resumed with the settings that it began with.

    Raises:
        CheckpointError: if a setting differs; the message names the first one.
    """
    for section in ("model", "audio"):
        old, new = getattr(saved, section), getattr(wanted, section)
        for f in dataclasses.fields(old):
            # Dropouts are not part of the architecture.
            if f.name.startswith("p_") or getattr(old, f.name) == getattr(new, f.name):
                continue
            if f.name == "n_frames_per_step" and getattr(old, f.name) in wanted.frames_per_step:
                continue  # a later factor of the same run
            name = preset_of(saved.model)
            began = f"the preset it began with, {name}," if name else "the settings it began with,"
            raise CheckpointError(
                f"{path} was trained with {f.name}={getattr(old, f.name)}, not "
                f"{getattr(new, f.name)}, and cannot be resumed with another model. Use {began} or "
                "another folder for a new run."
            )


def read_content(path: Path) -> Mapping[str, Any]:
    """Read a checkpoint of any program: a table of tensors, plain values and inert objects.

    Pickled modules are read as their state dicts.

    Raises:
        CheckpointError: if it is missing, damaged, or not a table.
    """
    with _reading(path):
        if is_tensor_file(_start(path)):
            return _tensor_file_content(path)
        content = load_torch_file(path)
        if isinstance(content, ForeignObject):  # a module alone
            content = {"model": content}
        if not isinstance(content, Mapping):
            raise CheckpointError(
                f"{path} is not a checkpoint: it holds a {type(content).__name__}."
            )
        return {
            name: module_weights(value)
            if isinstance(value, ForeignObject) and value.is_module
            else value
            for name, value in content.items()
        }


def _tensor_file_content(path: Path) -> Mapping[str, Any]:
    """Read a checkpoint of ponytaco as a table, or the tensors that another program wrote."""
    with open_tensor_file(path) as file:
        is_ours = _is_ours(file, path)
        content = {_FORMAT: FORMAT_VERSION, **file.content()} if is_ours else {**file.tensors}
        file.read(verify=True)
    return content


def _start(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    with path.open("rb") as file:
        return file.read(_START_BYTES)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn errors of the file into CheckpointErrors."""
    try:
        yield
    except (TensorFileError, TorchFileError) as error:
        raise CheckpointError(
            f"{path} cannot be used as a checkpoint: {error}.{_again(path)}"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None


def _again(path: Path) -> str:
    """Return what to do about a damaged download, which unlike a run's file has a suffix."""
    return " Download or copy it again." if path.suffix else ""
