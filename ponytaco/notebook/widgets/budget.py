"""How often something may be done without slowing the work down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Budget:
    """Lets a task run by time: at most a share of the wall time, and not more often than needed.

    Args:
        share: of the wall time, 0 to 1.
        least_seconds: from one time to the next, however cheap it is.
        clock: seconds.
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
        """Seconds, in all."""

    @property
    def ready(self) -> bool:
        """Whether it may be done now."""
        return self._clock() >= self._next

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Around the task: what it takes decides when it is next."""
        started = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            cost = ended - started
            self.spent += cost
            self._next = ended + max(self._least_seconds, cost / self._share)
