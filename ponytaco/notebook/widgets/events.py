"""Widget events in a busy cell; by themselves they arrive only when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ponytaco.notebook.environment import has_widgets, is_installed, kernel, show


def can_wait() -> bool:
    """Whether a busy cell can learn of clicks."""
    return has_widgets() and (_has_subshells() or is_installed("jupyter_ui_poll"))


@contextlib.contextmanager
def widget_events() -> Iterator[Callable[[], None]]:
    """Let a busy cell handle the events of widgets that ``show_live`` has shown.

    Yields:
        A function to call often: it handles the clicks and key strokes that have arrived. It does
        nothing where there can be none, and where a thread of the kernel handles them.
    """
    if not can_wait() or _has_subshells():
        yield lambda: None
        return
    from jupyter_ui_poll import ui_events

    _free_message_queue()
    with ui_events() as poll:
        yield lambda: poll(10)


def show_live(widget: Any) -> None:
    """Display a widget whose events are wanted while the cell is busy."""
    if _has_subshells():
        _take_events_beside_the_cell(widget)
    show(widget)


def _has_subshells() -> bool:
    """Whether the kernel handles messages in threads beside the cell (ipykernel 7).

    ipykernel 6, which Colab has, handles them between cells, and jupyter-ui-poll within.
    """
    return getattr(kernel(), "shell_channel_thread", None) is not None


def _take_events_beside_the_cell(widget: Any) -> None:
    """Let a widget's events go where the page sends them: to a thread beside the busy cell.

    ipykernel 7.4 sends them to the thread that last spoke to the page instead, the cell's own.
    """
    widget.comm._reply_subshell_for = lambda data, default: default
    for child in getattr(widget, "children", ()):
        _take_events_beside_the_cell(child)


def _free_message_queue() -> None:
    """Let polling have the messages, also in the second cell of a Run all that waits.

    Cells that were queued while an earlier one polled are run by jupyter-ui-poll, while ipykernel
    6's own reader is waiting for a message: the queue hands it the next one, a click, which it
    cannot handle before the cell is over. A message that does nothing satisfies it instead.
    """

    async def nothing() -> None:
        pass

    queue = getattr(kernel(), "msg_queue", None)
    if queue is not None:
        queue.put_nowait((0, nothing, ()))
