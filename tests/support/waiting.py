"""Tests of what could wait for ever."""

import contextlib
import signal


@contextlib.contextmanager
def within(seconds):
    """Fail a block that takes longer, such as one that waits for a pipe's writer."""

    def give_up(number, frame):
        raise AssertionError(f"it still waits after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
