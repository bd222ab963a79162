"""Choice of the device to compute on, and modules on none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ponytaco.config import ConfigError


def is_on_gpu(name: str) -> bool:
    """Whether a device setting means a GPU; takes no memory on it."""
    return not name.startswith("cpu") and torch.cuda.is_available()


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """Return the device for a setting; 'auto' is CUDA if available, else the CPU.

    Args:
        name: 'auto', 'cpu', 'cuda', 'cuda:1' ….
        local_rank: number of this process on its machine if several train together; it takes the
            GPU of that number.

    Raises:
        ConfigError: if the device does not exist, or cannot be shared by several processes.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type == "cuda" and local_rank is not None:
            if device.index is not None:
                raise ConfigError(
                    f"Several processes cannot train on the one device '{name}'. Use 'auto'."
                )
            device = torch.device("cuda", local_rank)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise ConfigError(f"There is no device '{name}' here. Use 'auto' or 'cpu'.") from None
    if device.type == "cpu":
        _ask_for_large_pages()
    return device


def _ask_for_large_pages() -> None:
    """Let torch use large memory pages for large tensors, unless the user chose otherwise.

    A step allocates and frees gigabytes, and with small pages a twentieth of its time went into
    providing them. torch reads this variable once, before its first allocation; only Linux has such
    pages.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Make modules whose tensors have shapes alone, whatever their size, without any memory."""
    with torch.device("meta"), _NoInitialisation():
        yield


class _NoInitialisation(TorchFunctionMode):
    """Leaves out random values, for which torch would load its compiler: 3 seconds and 80 MB."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
