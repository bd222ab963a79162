"""What keeps a run alive, or lets it end well: refused files, errors, and interrupts."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from ponytaco.audio.wav import AudioError


class Attempts:
    """Does what a run can go on without, and says once when a disk refuses it.

    Args:
        say: takes a sentence for the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._failed: set[str] = set()

    def __call__(self, what: str, action: Callable[..., object], *arguments: object) -> None:
        """Call ``action``; ``what`` names its result in the sentence."""
        try:
            action(*arguments)
            self._failed.discard(what)
        except (OSError, AudioError) as error:
            if what not in self._failed:
                self._say(f"The {what} could not be written ({error}). Training goes on.")
            self._failed.add(what)


def save_on_error(save: Callable[[], object]) -> Callable[..., None]:
    """For an ExitStack: saves when the loop ends by an error, but not by a second interrupt."""

    def leave(kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and issubclass(kind, Exception):
            with contextlib.suppress(Exception):  # the error itself is what matters
                save()

    return leave


@contextlib.contextmanager
def interruptible(say: Callable[[str], None]) -> Iterator[threading.Event]:
    """Turn the first interrupt into a wish to stop, so that no step is left half done.

    A second one interrupts at once. Only the main thread may take signals; elsewhere the
    caller's ``stop`` is the only way.

    Args:
        say: is told at once that the wish was heard, for a step may take many seconds.
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
        # Interrupted just while it was writing, a stream refuses more; then the loop is between
        # two steps, and soon says that it has stopped.
        with contextlib.suppress(RuntimeError):
            say(
                "Stopping after this step, and saving. (Interrupt again to stop at once, without "
                "saving.)"
            )

    for number in signals:
        signal.signal(number, on_signal)
    try:
        yield interrupted
    finally:
        for number in signals:
            signal.signal(number, before[number])
