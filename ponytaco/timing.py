"""Times that can be compared: alternatives taken in turns, and the machine they hold for.

A machine that does something else besides slows whatever runs just then. Taken in turns, the
alternatives of one round meet the same machine, so that their ratio holds where their times do
not.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Timings:
    """What each alternative took, round by round."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Seconds that one call took."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """How many times as long one took as the other, the median of the rounds' ratios."""
        return statistics.median(self._ratios(name, to))

    def ratio_range(self, name: str, to: str) -> tuple[float, float]:
        """The smallest and the largest of the rounds' ratios."""
        ratios = self._ratios(name, to)
        return min(ratios), max(ratios)

    def _ratios(self, name: str, to: str) -> list[float]:
        pairs = zip(self.seconds[name], self.seconds[to], strict=True)
        return [ours / theirs for ours, theirs in pairs]


def take_turns(
    alternatives: Mapping[str, Callable[[], object]], rounds: int = 5, warm_up: int = 1
) -> Timings:
    """Time alternatives one after the other, in several rounds.

    Args:
        alternatives: what to call, by name; each call is one measurement.
        rounds: measurements of each.
        warm_up: rounds before these that do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for number in range(warm_up + rounds):
        for name, call in alternatives.items():
            took = seconds_of(call)
            if number >= warm_up:
                seconds[name].append(took)
    return Timings(seconds)


def seconds_of(call: Callable[[], object]) -> float:
    """What one call takes, until a GPU has done with it."""
    _wait_for_gpu()
    started = time.perf_counter()
    call()
    _wait_for_gpu()
    return time.perf_counter() - started


def machine() -> str:
    """The machine and the versions that a time holds for, in one line."""
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    return (
        f"{gpu}{_processor()}, {cores} core{'s' * (cores != 1)}, "
        f"{threads} thread{'s' * (threads != 1)}, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    """Its model as Linux knows it, and the widest vectors that torch uses on it."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # another system than Linux
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
