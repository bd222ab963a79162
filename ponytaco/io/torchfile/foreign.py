"""Objects of classes that a file names: they do nothing, and remember the state they are given.

WaveGlow was published as a pickled program, and checkpoints of other programs carry their settings
as an object. The weights of a program are found where ``torch.nn.Module`` keeps them, in
``_parameters``, ``_buffers`` and ``_modules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.printable import brief

# A published WaveGlow has about 700 modules, 8 deep, with 2,000 weights.
_MOST_MODULES = 20_000
_MOST_ITEMS = 200_000
_MOST_NAME_CHARACTERS = 8 * 2**20  # of all weights
_LONGEST_NAME = 200
_DEEPEST = 32


@dataclass(frozen=True, slots=True, eq=False)
class ForeignClass:
    """A class or function of another program, by its full name, as 'glow.WaveGlow'."""

    name: str


@dataclass(slots=True, eq=False)
class ForeignObject:
    """An object of another program's class, with its pickled state."""

    class_name: str
    state: Any = None
    table: dict[Any, Any] | None = None
    """The items of an object that is also a table, as a dict's subclass."""

    def __repr__(self) -> str:
        """Name the class only: the state may be of any size, or contain the object."""
        return f"<{brief(self.class_name)}>"

    @property
    def is_module(self) -> bool:
        """Whether it was a ``torch.nn.Module``."""
        return isinstance(self.state, dict) and {"_parameters", "_modules"} <= self.state.keys()


def module_weights(module: ForeignObject) -> dict[str, Tensor]:
    """Collect the state dict of a pickled module and of the modules in it.

    Raises:
        TorchFileError: if it contains itself, or more than any model.
    """
    weights: dict[str, Tensor] = {}
    waiting = [("", module)]
    n_modules = n_items = n_characters = 0
    while waiting:
        prefix, module = waiting.pop()
        tables = {name: _items(module, name) for name in ("_parameters", "_buffers", "_modules")}
        n_modules += 1
        n_items += sum(map(len, tables.values()))
        # A file may contain one module in a thousand places, or within itself.
        if n_modules > _MOST_MODULES or n_items > _MOST_ITEMS or prefix.count(".") > _DEEPEST:
            raise TorchFileError("it has more modules than any model")
        # Each weight's name begins with those of all modules around it.
        n_characters += sum(len(prefix) + len(name) for table in tables.values() for name in table)
        if n_characters > _MOST_NAME_CHARACTERS:
            raise TorchFileError("it has longer names than any model")
        for name, value in {**tables["_parameters"], **tables["_buffers"]}.items():
            if isinstance(value, Tensor):
                weights[prefix + name] = value.detach()
        for name, value in tables["_modules"].items():
            if isinstance(value, ForeignObject) and value.is_module:
                waiting.append((f"{prefix}{name}.", value))
    return weights


def _items(module: ForeignObject, table: str) -> dict[str, Any]:
    held = module.state.get(table)
    if not isinstance(held, Mapping):
        return {}
    if len(held) > _MOST_ITEMS or any(len(str(name)) > _LONGEST_NAME for name in held):
        raise TorchFileError("it has more modules than any model")
    return {name: value for name, value in held.items() if isinstance(name, str)}
