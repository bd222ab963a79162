"""Interrupts and errors: a run saves before it ends, and survives a disk that refuses a file."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from ponytaco.audio.wav import AudioError


class BestEffort:
    """Writer of files that a run can do without: a failure is logged once, and training continues.

    Args:
        log: takes messages for the user.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._failed: set[str] = set()

    def __call__(self, what: str, action: Callable[..., object], *arguments: object) -> None:
        """Call ``action``, whose result the message calls ``what``."""
        try:
            action(*arguments)
            self._failed.discard(what)
        except (OSError, AudioError) as error:
            if what not in self._failed:
                self._log(f"The {what} could not be written ({error}). Training continues.")
            self._failed.add(what)


def save_on_error(save: Callable[[], object]) -> Callable[..., None]:
    """Return an ExitStack callback that saves after an error, but not after a KeyboardInterrupt."""

    def leave(kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and issubclass(kind, Exception):
            with contextlib.suppress(Exception):  # the first error is the one to report
                save()

    return leave


@contextlib.contextmanager
def interruptible(log: Callable[[str], None]) -> Iterator[threading.Event]:
    """Catch the first SIGINT or SIGTERM, so that the step under way can finish.

    A second one raises KeyboardInterrupt. Signals reach only the main thread: in another one
    nothing is caught.

    Args:
        log: takes a message at once, because a step may take many seconds.

    Yields:
        An event that the first signal sets.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def on_signal(number: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        # A stream that was interrupted while writing raises this error. Then the loop is between
        # two steps, and soon reports that it has stopped.
        with contextlib.suppress(RuntimeError):
            log(
                "Stopping after this step and saving. (Interrupt again to stop at once, without "
                "saving.)"
            )

    for number in signals:
        signal.signal(number, on_signal)
    try:
        yield interrupted
    finally:
        for number in signals:
            signal.signal(number, before[number])
