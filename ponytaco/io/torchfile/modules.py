"""Reading the weights of a file that holds whole modules, as WaveGlow was published.

Such a pickle names classes to build and functions to call. Here each of them becomes a ``Foreign``:
an object that runs nothing, imports nothing and only remembers the state it is given. The weights
are found where ``torch.nn.Module`` keeps them, in ``_parameters``, ``_buffers`` and ``_modules``.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ponytaco.io.torchfile.claims import Claimed, Claims, TorchFileError, check_tensor
from ponytaco.io.torchfile.files import Content, inspect

# A published WaveGlow has about 700 modules, 8 deep, of about 20 classes.
_MOST_CLASSES = 1000
_MOST_MODULES = 20_000
_DEEPEST = 32
_COUNT_BYTES = 8

_DTYPES = {
    "ByteStorage": torch.uint8, "CharStorage": torch.int8, "BoolStorage": torch.bool,
    "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16, "ShortStorage": torch.int16,
    "FloatStorage": torch.float32, "IntStorage": torch.int32, "LongStorage": torch.int64,
    "DoubleStorage": torch.float64,
}  # fmt: skip
_TENSORS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
_PARAMETERS = {"torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter"}


@dataclass(frozen=True)
class Module:
    """The weights of a module.

    Attributes:
        class_name: full name of its class, as 'glow.WaveGlow'; '' for a table.
        state: its state dict.
    """

    class_name: str
    state: dict[str, Tensor]


def load_modules(path: Path) -> dict[str, Module]:
    """Read the weights of the modules in a file.

    A table of weights counts as a module without a class: other objects may lie beside it.

    Args:
        path: a file written by ``torch.save`` in its present or older format: a module, or a table
            with modules among its values.

    Returns:
        The modules by their names in the table; '' is the name of the file's own object.

    Raises:
        TorchFileError: if it is damaged, holds no module, or claims more than it has.
        OSError: if it cannot be read at all.
    """
    content = inspect(path, _Objects)
    claimed = {}
    inner = content.root if isinstance(content.root, dict) else {}
    for name, value in {"": content.root, **inner}.items():
        state = _claimed_state(value)
        if state and isinstance(name, str):
            claimed[name] = getattr(value, "full_name", ""), state
    if not claimed:
        raise TorchFileError("it holds neither weights nor modules")
    wanted = {claim.key for _, state in claimed.values() for claim in state.values()}
    if not wanted <= content.storages.keys():
        raise TorchFileError("it is damaged in its table of weights")
    try:
        numbers = _read_storages(path, content, wanted)
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise TorchFileError(f"it is damaged ({type(error).__name__})") from None
    return {
        name: Module(class_name, {k: claim.build(numbers[claim.key]) for k, claim in state.items()})
        for name, (class_name, state) in claimed.items()
    }


class _ClaimedTensor(Claimed):
    """A placeholder for a tensor that can be built from its storage."""

    def __init__(
        self, storage: Claimed, offset: int, shape: Sequence[int], stride: Sequence[int]
    ) -> None:
        super().__init__(storage.n_items, storage.item_bytes, storage.key, storage.kind)
        self._place = tuple(shape), tuple(stride), offset

    def build(self, numbers: bytearray) -> Tensor:
        if self.kind not in _DTYPES:
            raise TorchFileError(f"its storage type {self.kind} is unknown")
        if not numbers:
            return torch.zeros(self._place[0], dtype=_DTYPES[self.kind])
        return torch.frombuffer(numbers, dtype=_DTYPES[self.kind]).as_strided(*self._place)


class Foreign(Claimed):
    """A placeholder for an object of any class that a file names; it does nothing."""

    full_name = ""
    state: Any = None

    def __new__(cls, *args: object, **kwargs: object) -> Foreign:
        """Accept any arguments."""
        return object.__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def append(self, value: object) -> None:
        """Ignore an element; objects that are also lists are given theirs like this."""

    def extend(self, values: object) -> None:
        """Ignore elements likewise."""


class _Objects(Claims):
    """An unpickler that makes plain values, claimed tensors and foreign objects."""

    # Each byte may become an object. WaveGlow's pickle, with its source code, is far below.
    most_bytes = 4 * 2**20
    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[..., Any]]] = dict(Claims.dispatch)

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self._classes: dict[str, Callable[..., Any]] = {}

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        full_name = f"{module}.{name}"
        if full_name in _TENSORS:
            return _claimed_tensor
        if full_name in _PARAMETERS:
            return _first
        if full_name == "collections.OrderedDict":
            return _table
        if module == "torch" and name.endswith("Storage"):
            return super().find_class(module, name)
        if full_name not in self._classes:
            if len(self._classes) >= _MOST_CLASSES:
                raise TorchFileError("it names more classes than any model has")
            self._classes[full_name] = type("Foreign", (Foreign,), {"full_name": full_name})
        return self._classes[full_name]

    def persistent_load(self, claim: Any) -> Any:
        # The older format keeps the source code of a module's class beside it.
        if isinstance(claim, tuple) and len(claim) == 4 and claim[0] == "module":
            return claim[1]
        return super().persistent_load(claim)

    def load_build(self) -> None:
        """Let foreign objects remember their state; a file must not change any other."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], Foreign):
            self.stack[-1].state = state

    dispatch[pickle.BUILD[0]] = load_build


def _claimed_tensor(
    storage: Any, offset: int, shape: Sequence[int], stride: Sequence[int], *_: object
) -> _ClaimedTensor:
    check_tensor(storage, offset, shape, stride)
    return _ClaimedTensor(storage, offset, shape, stride)


def _first(value: Any, *_: object) -> Any:
    return value


def _table(pairs: Any = ()) -> dict[Any, Any]:
    return dict(pairs)


def _is_module(value: Any) -> bool:
    if not isinstance(value, Foreign) or not isinstance(value.state, dict):
        return False
    return {"_parameters", "_modules"} <= value.state.keys()


def _claimed_state(module: Any) -> dict[str, _ClaimedTensor]:
    """Collect the weights of a module and the modules in it, or those of a table."""
    if isinstance(module, dict):
        tensors = {k: v for k, v in module.items() if isinstance(v, _ClaimedTensor)}
        return {name: value for name, value in tensors.items() if isinstance(name, str)}
    if not _is_module(module):
        return {}
    state: dict[str, _ClaimedTensor] = {}
    waiting = [("", module)]
    n_modules = 0
    while waiting:
        prefix, module = waiting.pop()
        n_modules += 1
        # A file may contain one module in a thousand places, or within itself.
        if n_modules > _MOST_MODULES or prefix.count(".") > _DEEPEST:
            raise TorchFileError("it has more modules than any model")
        for table in ("_parameters", "_buffers"):
            for name, value in _items(module, table):
                if isinstance(value, _ClaimedTensor):
                    state[prefix + name] = value
        for name, value in _items(module, "_modules"):
            if _is_module(value):
                waiting.append((f"{prefix}{name}.", value))
    return state


def _items(module: Foreign, table: str) -> list[tuple[str, Any]]:
    held = module.state.get(table)
    if not isinstance(held, Mapping):
        return []
    return [(name, value) for name, value in held.items() if isinstance(name, str)]


def _read_storages(path: Path, content: Content, wanted: set[str]) -> dict[str, bytearray]:
    if content.prefix:
        with zipfile.ZipFile(path) as archive:
            order = f"{content.prefix.removesuffix('data/')}byteorder"
            if order in archive.namelist() and archive.read(order) != b"little":
                raise TorchFileError("it was written on a big-endian machine")
            return {key: bytearray(archive.read(content.prefix + key)) for key in wanted}
    numbers: dict[str, bytearray] = {}
    place = content.start
    with path.open("rb") as file:
        for key in content.order:
            place += _COUNT_BYTES
            n_bytes = content.storages[key]
            if key in wanted:
                file.seek(place)
                numbers[key] = bytearray(file.read(n_bytes))
                if len(numbers[key]) != n_bytes:
                    raise EOFError
            place += n_bytes
    return numbers
