"""Widget events in a busy cell, which a kernel would deliver only after the cell."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ponytaco.notebook.environment import has_widgets, is_installed, kernel, show


def can_wait() -> bool:
    """Tell whether a busy cell can receive clicks."""
    return has_widgets() and (_has_subshells() or is_installed("jupyter_ui_poll"))


@contextlib.contextmanager
def widget_events() -> Iterator[Callable[[], None]]:
    """Let a busy cell handle the events of widgets that ``show_live`` has shown.

    Yields:
        A function to call often, which handles the clicks and key strokes that have arrived. It
        does nothing if there can be none, or if a thread of the kernel handles them.
    """
    if not can_wait() or _has_subshells():
        yield lambda: None
        return
    from jupyter_ui_poll import ui_events

    _free_message_queue()
    with ui_events() as poll:
        yield lambda: poll(10)


def show_live(widget: Any) -> None:
    """Display a widget whose events are handled while the cell is busy."""
    if _has_subshells():
        _take_events_beside_the_cell(widget)
    show(widget)


def _has_subshells() -> bool:
    """Tell whether the kernel handles messages in threads beside the cell (ipykernel 7).

    ipykernel 6, which Colab has, handles them between cells; jupyter-ui-poll does so within one.
    """
    return getattr(kernel(), "shell_channel_thread", None) is not None


def _take_events_beside_the_cell(widget: Any) -> None:
    """Keep a widget's events where the page sends them: in a thread beside the busy cell.

    ipykernel 7.4 would move them to the thread that last wrote to the page, which is the cell's.
    """
    widget.comm._reply_subshell_for = lambda data, default: default
    for child in getattr(widget, "children", ()):
        _take_events_beside_the_cell(child)


def _free_message_queue() -> None:
    """Let polling receive the messages, also in the second waiting cell of a Run all.

    jupyter-ui-poll runs the cells that were queued while an earlier one polled, and ipykernel 6's
    own reader still waits for a message. The queue would hand it the next one, a click, which it
    cannot handle before the cell ends. An empty message satisfies it instead.
    """

    async def nothing() -> None:
        pass

    queue = getattr(kernel(), "msg_queue", None)
    if queue is not None:
        queue.put_nowait((0, nothing, ()))
