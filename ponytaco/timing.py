"""Comparable timings: alternatives measured in turns, and a description of the machine.

Other work on a machine slows whatever runs at that moment. Measured in turns, the alternatives of
one round meet the same conditions, so that their ratio holds where their times do not.
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
    """Seconds that each alternative took, round by round."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Return the median time of one call, in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """Return the median over the rounds of time(name) / time(to)."""
        return statistics.median(self._ratios(name, to))

    def ratio_range(self, name: str, to: str) -> tuple[float, float]:
        """Return the smallest and the largest of the rounds' ratios."""
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
        alternatives: functions to time, by name.
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
    """Time one call in seconds, including the work that it starts on a GPU."""
    _wait_for_gpu()
    started = time.perf_counter()
    call()
    _wait_for_gpu()
    return time.perf_counter() - started


def machine() -> str:
    """Describe the processor or GPU, threads and versions, in one line."""
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    return (
        f"{gpu}{_processor()}, {cores} core{'s' * (cores != 1)}, "
        f"{threads} thread{'s' * (threads != 1)}, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    """Return the processor's model as Linux names it, and the vector instructions torch uses."""
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
