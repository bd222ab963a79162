"""Interrupts and errors: a run saves before it ends, and survives what it can do without."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ponytaco.errors import PonytacoError
from ponytaco.io.store.owner import OwnerError
from ponytaco.printable import printable

T = TypeVar("T")


class BestEffort:
    """Caller of what training can do without: a failure is logged once, and training continues.

    Args:
        log: takes messages for the user.
        errors: the errors that count as failures; others are raised.
    """

    def __init__(self, log: Callable[[str], None], errors: type[Exception] = Exception) -> None:
        self._log, self._errors = log, errors
        self._failed: set[str] = set()
        self._logged: set[str] = set()

    def __call__(self, problem: str, action: Callable[..., T], *arguments: Any) -> T | None:
        """Call ``action`` and return its result; None after a failure.

        Args:
            problem: the message if it fails, such as 'The history could not be written'.
            action: the call.
            *arguments: its arguments.
        """
        try:
            result = action(*arguments)
        except OwnerError:
            raise  # another session has taken over: this one must stop
        except self._errors as error:
            reason = str(error)
            if not isinstance(error, OSError | PonytacoError):
                reason = f"a mistake in ponytaco, please report it: {error!r}"
            message = f"{problem} ({reason}). Training continues."
            # One that fails now and then would fill the page.
            if problem not in self._failed and message not in self._logged:
                self._log(message)
            self._failed.add(problem)
            self._logged.add(message)
            return None
        self._failed.discard(problem)
        return result


def safe_log(log: Callable[[str], None]) -> Callable[[str], None]:
    """Wrap a log: a terminal that is gone, or a full disk behind it, does not end training.

    Its messages are printable.
    """

    def wrapped(message: str) -> None:
        # A ValueError is a closed stream, or a letter that it cannot encode.
        with contextlib.suppress(OSError, ValueError):
            log(printable(message))

    return wrapped


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
