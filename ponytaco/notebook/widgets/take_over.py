"""A button that takes a voice over from another session, for a cell that waits for its folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ponytaco.notebook.widgets.events import show_live
from ponytaco.notebook.widgets.html import paragraph

_QUESTION = (
    "Another session has this voice. If it has ended, training begins here by itself within two "
    "minutes; if it still trains, this cell waits for its end. Press 'Take over' to train here "
    "from the last save: the other session then stops by itself."
)


class TakeOver:
    """The question whether to take a run's folder over; it appears when it is first asked.

    Args:
        events: handles the clicks that have arrived.
    """

    def __init__(self, events: Callable[[], None]) -> None:
        import ipywidgets as widgets

        self._events = events
        self.open = False
        """Whether the question is shown and not settled."""
        self._clicked = False
        self.note = widgets.HTML(paragraph(_QUESTION))
        self.button = widgets.Button(description="Take over", button_style="warning")
        self.button.on_click(self._on_click)
        self.box = widgets.VBox([self.note, self.button])

    def asked(self) -> bool:
        """Return whether the user has pressed the button; call it often while waiting."""
        if not self.open:
            self.open = True
            show_live(self.box)
        self._events()
        return self._clicked

    def close(self, outcome: str) -> None:
        """End the question.

        Args:
            outcome: a sentence that takes its place.
        """
        if self.open:
            self.open = False
            self._settle(outcome)

    def _on_click(self, event: Any) -> None:
        self._clicked = True
        self._settle("Taking over: waiting for the other session to notice, 20 seconds at most …")

    def _settle(self, note: str) -> None:
        self.button.disabled = True
        self.note.value = paragraph(note)
