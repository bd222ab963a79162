"""Where to compute."""

from __future__ import annotations

import os

import torch

from ponytaco.config import ConfigError


def is_on_gpu(name: str) -> bool:
    """Whether a setting means a GPU; asked without taking memory on any."""
    return not name.startswith("cpu") and torch.cuda.is_available()


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """The device that a setting means; 'auto' is CUDA where there is one.

    Args:
        name: 'auto', 'cpu', 'cuda', 'cuda:1' ….
        local_rank: the place of this process on its machine, where several train together: each
            takes the GPU of that number.

    Raises:
        ConfigError: there is no such device.
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
    """Let torch take large pages for large tensors, unless the user has said otherwise.

    A step takes and drops gigabytes, and with small pages a twentieth of it passed with their being
    handed out and looked up. torch reads this once, when it takes its first memory; only Linux has
    such pages.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
