"""Time budget of a side task, such as drawing while a model trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Budget:
    """Limits a repeated task to a share of the wall time.

    Args:
        share: of the wall time, 0 to 1.
        least_seconds: between two runs of the task, however cheap it is.
        clock: returns seconds.
    """

    def __init__(
        self,
        share: float,
        least_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share = share
        self._least_seconds = least_seconds
        self._clock = clock
        self._next = clock()
        self.spent = 0.0
        """Seconds spent so far."""

    @property
    def ready(self) -> bool:
        """Whether the task may run now."""
        return self._clock() >= self._next

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Time the task; the longer it takes, the later it may run again."""
        started = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            cost = ended - started
            self.spent += cost
            self._next = ended + max(self._least_seconds, cost / self._share)
