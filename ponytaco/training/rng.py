"""Random number generators: their states are saved, restored and seeded by rank."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch


def rng_state(device: torch.device | None = None) -> dict[str, Any]:
    """Return the states of all random number generators that training on a device uses."""
    state: dict[str, Any] = {"torch": torch.get_rng_state(), "python": list(random.getstate()[1])}
    if device is not None and device.type == "cuda":
        state["cuda"] = [torch.cuda.get_rng_state(device)]
    return state


def set_rng_state(state: Mapping[str, Any], device: torch.device | None = None) -> None:
    """Restore what ``rng_state`` returned; one saved on a CPU leaves a GPU's generator alone."""
    torch.set_rng_state(state["torch"])
    random.setstate((3, tuple(state["python"]), None))
    if device is not None and device.type == "cuda" and (of_gpus := state.get("cuda")):
        # Older files have one state per GPU of the machine.
        torch.cuda.set_rng_state(of_gpus[min(device.index or 0, len(of_gpus) - 1)], device)


def all_rng_states(by_rank: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge the states of all processes into a checkpoint's: rank 0's, with the others inside."""
    others = [dict(state) for state in by_rank[1:]]
    return {**by_rank[0], **({"others": others} if others else {})}


def rng_states_by_rank(saved: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Split what ``all_rng_states`` merged."""
    return [saved, *saved.get("others", [])]


def seed_rank(seed: int, rank: int, step: int) -> None:
    """Seed all generators, differently for each rank and step."""
    number = int(np.random.SeedSequence((seed, rank, step)).generate_state(1, np.uint64)[0])
    torch.manual_seed(number)
    random.seed(number)
