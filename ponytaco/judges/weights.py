"""Weights of the judges' networks, from data files of installed packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from ponytaco.device import shapes_only
from ponytaco.io.installed import packaged_file
from ponytaco.io.state_dicts import mismatch
from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.reader import load_torch_file
from ponytaco.judges.errors import JudgeError

Network = TypeVar("Network", bound=nn.Module)


def load_network(
    make: Callable[[], Network],
    package: str,
    name: str,
    table: str,
    rename: Callable[[str], str | None] = lambda name: name,
) -> Network:
    """Make a network with the weights in a package's file; nothing of the package is imported.

    Args:
        make: makes the network.
        package: the package's importable name.
        name: the file's path inside it.
        table: key of the state dict in the file.
        rename: takes a published name to the network's; None drops it.

    Raises:
        JudgeError: the package is not installed, or the file is not what it should be.
    """
    path = packaged_file(package, name)
    if path is None:
        raise JudgeError(f"The package {package} is not installed.")
    state = {
        ours: value.float()
        for published, value in _state(path, table).items()
        if (ours := rename(published)) and value.is_floating_point()
    }
    with shapes_only():
        network = make()
    if why := mismatch(state, network.state_dict()):
        raise JudgeError(f"{path} does not have the expected weights: {why}.")
    network.load_state_dict(state, strict=False, assign=True)
    return network.requires_grad_(False).eval()


def _state(path: Path, table: str) -> dict[str, Tensor]:
    try:
        content = load_torch_file(path)
    except TorchFileError as error:
        raise JudgeError(f"{path} cannot be used: {error}.") from None
    found = content.get(table) if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping):
        raise JudgeError(f"{path} holds no weights.")
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
