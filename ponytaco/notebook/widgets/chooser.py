"""A dropdown that a busy cell waits for, with a name filter and a countdown to a default."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ponytaco.notebook.widgets.events import can_wait, show_live, widget_events
from ponytaco.notebook.widgets.html import headline, paragraph

Events = Callable[[], AbstractContextManager[Callable[[], None]]]

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Option:
    """A line of the list."""

    name: str
    label: str
    """What the list shows: the name and what is known of it."""


@dataclass(frozen=True)
class Countdown:
    """What happens when nobody touches anything."""

    name: str
    """The option that is then taken."""
    seconds: float
    promise: str
    """As 'Zecora goes on at step 12,400'."""


@dataclass(frozen=True)
class Picked:
    """What was chosen."""

    name: str
    ticked: bool = False
    """Whether the question below the list was ticked."""


def pick(
    options: Sequence[Option],
    title: str,
    button: str,
    countdown: Countdown | None = None,
    question: str = "",
    events: Events = widget_events,
) -> Picked:
    """Let the user choose, and wait for it, also under Run all.

    Args:
        options: at least one; the first is the list's default.
        title: above the list.
        button: what the button says.
        countdown: taken by itself after a while unless something is touched.
        question: a box to tick; none if empty.
        events: where clicks come from.

    Returns:
        The choice.
    """
    if not can_wait() and events is widget_events:
        return _ask_in_text(options, title, countdown)
    chooser = Chooser(options, title, button, countdown, question)
    show_live(chooser.box)
    with events() as poll:
        while chooser.picked is None:
            poll()
            chooser.tick()
            time.sleep(_POLL_SECONDS)
    return chooser.picked


def matching(options: Sequence[Option], words: str) -> list[Option]:
    """The options whose label has every one of the words, in any case."""
    wanted = words.lower().split()
    return [o for o in options if all(word in o.label.lower() for word in wanted)]


class Chooser:
    """The widgets of a choice, and what has become of it.

    Args:
        options: at least one.
        title: above the list.
        button: what the button says.
        countdown: taken by itself after a while unless something is touched.
        question: a box to tick; none if empty.
        clock: seconds, for the countdown.
    """

    def __init__(
        self,
        options: Sequence[Option],
        title: str,
        button: str,
        countdown: Countdown | None = None,
        question: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        import ipywidgets as widgets

        self.picked: Picked | None = None
        self._options = list(options)
        self._countdown = countdown
        self._clock = clock
        self._started = clock()
        self._shown_second = -1
        wide = widgets.Layout(width="min(560px, 98%)")
        self.filter = widgets.Text(
            placeholder="type a part of the name", description="Filter:", layout=wide
        )
        self.list = widgets.Dropdown(
            options=_lines(self._options), description="Choose:", layout=wide
        )
        self.use = widgets.Button(
            description=button, button_style="primary", layout=widgets.Layout(width="auto")
        )
        self.wait = widgets.Button(
            description="Wait, let me choose", layout=widgets.Layout(width="auto")
        )
        self.question = widgets.Checkbox(
            value=False, description=question, indent=False, layout=wide
        )
        self.note = widgets.HTML()
        rows: list[Any] = [widgets.HTML(paragraph(title, bold=True))]
        if len(self._options) > 5:
            rows.append(self.filter)
        rows.append(self.list)
        if question:
            rows.append(self.question)
        buttons = [self.use, self.wait] if countdown else [self.use]
        self.box = widgets.VBox([*rows, widgets.HBox(buttons), self.note])
        self.filter.observe(self._on_filter, "value")
        self.list.observe(self._on_touch, "value")
        self.question.observe(self._on_touch, "value")
        self.use.on_click(self._on_use)
        self.wait.on_click(self._on_touch)
        self.tick()

    def tick(self) -> None:
        """Let the countdown go on; to be called often."""
        if self._countdown is None or self.picked is not None:
            return
        left = self._countdown.seconds - (self._clock() - self._started)
        if left <= 0:
            self._finish(Picked(self._countdown.name))
        elif math.ceil(left) != self._shown_second:
            self._shown_second = math.ceil(left)
            self.note.value = paragraph(
                f"{self._countdown.promise} in {self._shown_second} s, unless you choose."
            )

    def _on_filter(self, change: Any) -> None:
        self._on_touch()
        found = matching(self._options, self.filter.value)
        self.list.options = _lines(found)
        self.use.disabled = not found
        self.note.value = "" if found else paragraph("Nothing has that name. Clear the filter.")

    def _on_touch(self, event: Any = None) -> None:
        if self._countdown is not None and self.picked is None:
            self._countdown = None
            self.wait.layout.display = "none"
            self.note.value = ""

    def _on_use(self, event: Any) -> None:
        if self.list.value is not None and self.picked is None:
            self._finish(Picked(self.list.value, bool(self.question.value)))

    def _finish(self, picked: Picked) -> None:
        self.picked = picked
        for widget in (self.filter, self.list, self.use, self.wait, self.question):
            widget.disabled = True
        self.wait.layout.display = "none"
        self.note.value = headline("Chosen", picked.name)


def _lines(options: Sequence[Option]) -> list[tuple[str, str]]:
    return [(option.label, option.name) for option in options]


def _ask_in_text(options: Sequence[Option], title: str, countdown: Countdown | None) -> Picked:
    """The same in a terminal, where nobody is there to be waited for when there is a default."""
    if countdown is not None:
        print(f"{countdown.promise}.")
        return Picked(countdown.name)
    print(title)
    for number, option in enumerate(options, start=1):
        print(f"{number:4}  {option.label}")
    while True:
        answer = input("Number or name: ").strip()
        by_name = [o for o in options if o.name.lower() == answer.lower()]
        if by_name:
            return Picked(by_name[0].name)
        if answer.isdecimal() and 1 <= int(answer) <= len(options):
            return Picked(options[int(answer) - 1].name)
        print("That is neither a number nor a name of the list.")
