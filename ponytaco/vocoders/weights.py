"""Reading of vocoders' weights in any published layout, with weight norm folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ponytaco.errors import PonytacoError
from ponytaco.io.state_dicts import mismatch
from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.foreign import ForeignObject, module_weights
from ponytaco.io.torchfile.reader import load_torch_file

# Where the published files keep the state dict: HiFi-GAN, NGC, a pickled WaveGlow.
_TABLES = ("generator", "state_dict", "model")
# The two parts of a weight-normed weight, as torch named them before 2.0 and since.
_NORMED = (
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)


class VocoderError(PonytacoError):
    """A vocoder does not exist, cannot be used, or does not fit the voice."""


@dataclass(frozen=True)
class Weights:
    """Content of a vocoder's file.

    Attributes:
        path: the file.
        state: the weights by their published names, on the CPU, float32.
        class_name: the pickled module's class; '' where the file holds weights alone.
        has_config: whether the file has the program's settings, too, as NGC's.
    """

    path: Path
    state: dict[str, Tensor]
    class_name: str = ""
    has_config: bool = False

    def count(self, pattern: str) -> int:
        """Count the layers of a pattern such as 'ups.{}.weight'."""
        n = 0
        while pattern.format(n) in self.state:
            n += 1
        return n

    def put_into(self, network: nn.Module) -> None:
        """Load the weights into a network on the device 'meta'.

        Raises:
            VocoderError: they are not those of the network.
        """
        if why := mismatch(self.state, network.state_dict()):
            raise VocoderError(
                f"{self.path} does not have the expected weights: {why}. Download it again."
            )
        network.load_state_dict(self.state, assign=True)
        network.requires_grad_(False).eval()


def read_weights(path: Path) -> Weights:
    """Read a vocoder's weights from an untrusted file; nothing in it runs.

    Raises:
        VocoderError: it is missing, damaged, or cannot be used as a vocoder.
    """
    if not path.is_file():
        raise VocoderError(f"There is no vocoder at {path}.")
    class_name = ""
    try:
        whole = load_torch_file(path)
        has_config = isinstance(whole, Mapping) and isinstance(whole.get("config"), Mapping)
        content = _table_in(whole)
        if isinstance(content, ForeignObject):
            class_name = content.class_name
            content = module_weights(content)
    except TorchFileError as error:
        raise VocoderError(f"{path} cannot be used as a vocoder: {error}.") from None
    except OSError as error:
        raise VocoderError(f"Cannot read {path}: {error.strerror or error}.") from None
    # Training on several GPUs prefixes each name with "module.".
    state = {
        name.removeprefix("module."): value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    # Folding copies the weights: a file must not let one number stand for many.
    if sum(value.nbytes for value in state.values()) > path.stat().st_size:
        raise VocoderError(f"{path} cannot be used as a vocoder: its weights share their numbers.")
    state = {name: value.float() for name, value in state.items() if value.is_floating_point()}
    state = _folded(state)
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise VocoderError(
                f"{path} is damaged: {name} has infinite or NaN values. Download it again."
            )
    return Weights(path, state, class_name, has_config)


def _table_in(content: Any) -> Mapping[Any, Any] | ForeignObject:
    """Find the table of weights, or the module, in a file's content."""
    for table in _TABLES:
        held = content.get(table) if isinstance(content, Mapping) else None
        if isinstance(held, Mapping) or _is_module(held):
            content = held
    if isinstance(content, Mapping) and not any(isinstance(v, Tensor) for v in content.values()):
        content = next(filter(_is_module, content.values()), content)
    return content if isinstance(content, Mapping) or _is_module(content) else {}


def _is_module(value: Any) -> bool:
    return isinstance(value, ForeignObject) and value.is_module


def _folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fold weight norm: direction and length into one weight (Salimans and Kingma 2016)."""
    folded = dict(state)
    for length, direction in _NORMED:
        for name in [name for name in state if name.endswith(direction)]:
            stem = name.removesuffix(direction)
            v, g = state[name], state.get(stem + length)
            # Unmatched parts stay, and loading reports them.
            if g is None or v.dim() < 2 or g.numel() != len(v):
                continue
            norm = torch.linalg.vector_norm(v.flatten(1), dim=1)
            folded[f"{stem}.weight"] = v * (g.flatten() / norm).view(-1, *[1] * (v.dim() - 1))
            del folded[name], folded[stem + length]
    return folded
