"""Choice of the device to compute on."""

from __future__ import annotations

import os

import torch

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
