"""A dropdown that a busy cell waits for, with a filter and a countdown to a default."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ponytaco.notebook.widgets.events import can_wait, show_live, widget_events
from ponytaco.notebook.widgets.html import headline, paragraph
from ponytaco.printable import printable, say

Events = Callable[[], AbstractContextManager[Callable[[], None]]]

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Option:
    """Line of the list."""

    name: str
    label: str
    """Text of the line: the name and what is known of it."""


@dataclass(frozen=True)
class Countdown:
    """Option that is chosen by itself if the user touches nothing."""

    name: str
    seconds: float
    announcement: str
    """Such as 'Zecora continues from step 12,400'."""


@dataclass(frozen=True)
class Choice:
    """Result of a chooser."""

    name: str
    checked: bool = False
    """State of the checkbox below the list."""


def choose(
    options: Sequence[Option],
    title: str,
    button: str,
    countdown: Countdown | None = None,
    checkbox: str = "",
    events: Events = widget_events,
) -> Choice:
    """Let the user choose, and wait for it, also under Run all.

    Args:
        options: at least one; the first is selected.
        title: above the list.
        button: label of the button.
        countdown: to a default; stopped when the user touches anything.
        checkbox: label of a checkbox; none if empty.
        events: source of clicks.
    """
    if not can_wait() and events is widget_events:
        return _ask_in_text(options, title, countdown)
    chooser = Chooser(options, title, button, countdown, checkbox)
    show_live(chooser.box)
    with events() as poll:
        while chooser.choice is None:
            poll()
            chooser.update_countdown()
            time.sleep(_POLL_SECONDS)
    return chooser.choice


def matching(options: Sequence[Option], words: str) -> list[Option]:
    """Return the options whose labels contain all of the words, in any case."""
    wanted = words.lower().split()
    return [o for o in options if all(word in o.label.lower() for word in wanted)]


class Chooser:
    """Widgets of a choice, and its result.

    Args:
        options: at least one.
        title: above the list.
        button: label of the button.
        countdown: to a default; stopped when the user touches anything.
        checkbox: label of a checkbox; none if empty.
        clock: returns seconds, for the countdown.
    """

    def __init__(
        self,
        options: Sequence[Option],
        title: str,
        button: str,
        countdown: Countdown | None = None,
        checkbox: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        import ipywidgets as widgets

        self.choice: Choice | None = None
        self._options = list(options)
        self._countdown = countdown
        self._clock = clock
        self._started = clock()
        self._shown_second = -1
        wide = widgets.Layout(width="min(560px, 98%)")
        self.filter = widgets.Text(
            placeholder="type part of a name", description="Filter:", layout=wide
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
        self.checkbox = widgets.Checkbox(
            value=False, description=checkbox, indent=False, layout=wide
        )
        self.note = widgets.HTML()
        rows: list[Any] = [widgets.HTML(paragraph(title, bold=True))]
        if len(self._options) > 5:
            rows.append(self.filter)
        rows.append(self.list)
        if checkbox:
            rows.append(self.checkbox)
        buttons = [self.use, self.wait] if countdown else [self.use]
        self.box = widgets.VBox([*rows, widgets.HBox(buttons), self.note])
        self.filter.observe(self._on_filter, "value")
        self.list.observe(self._on_touch, "value")
        self.checkbox.observe(self._on_touch, "value")
        self.use.on_click(self._on_use)
        self.wait.on_click(self._on_touch)
        self.update_countdown()

    def update_countdown(self) -> None:
        """Show the seconds left, and choose at 0; call it often."""
        if self._countdown is None or self.choice is not None:
            return
        left = self._countdown.seconds - (self._clock() - self._started)
        if left <= 0:
            self._finish(Choice(self._countdown.name))
        elif math.ceil(left) != self._shown_second:
            self._shown_second = math.ceil(left)
            self.note.value = paragraph(
                f"{self._countdown.announcement} in {self._shown_second} s, unless you choose "
                "another one."
            )

    def _on_filter(self, change: Any) -> None:
        self._on_touch()
        found = matching(self._options, self.filter.value)
        self.list.options = _lines(found)
        self.use.disabled = not found
        self.note.value = "" if found else paragraph("No name matches. Clear the filter.")

    def _on_touch(self, event: Any = None) -> None:
        if self._countdown is not None and self.choice is None:
            self._countdown = None
            self.wait.layout.display = "none"
            self.note.value = ""

    def _on_use(self, event: Any) -> None:
        if self.list.value is not None and self.choice is None:
            self._finish(Choice(self.list.value, bool(self.checkbox.value)))

    def _finish(self, choice: Choice) -> None:
        self.choice = choice
        for widget in (self.filter, self.list, self.use, self.wait, self.checkbox):
            widget.disabled = True
        self.wait.layout.display = "none"
        self.note.value = headline("Chosen", choice.name)


def _lines(options: Sequence[Option]) -> list[tuple[str, str]]:
    return [(printable(option.label), option.name) for option in options]


def _ask_in_text(options: Sequence[Option], title: str, countdown: Countdown | None) -> Choice:
    """Ask in a terminal; a default is chosen at once."""
    if countdown is not None:
        say(f"{countdown.announcement}.")
        return Choice(countdown.name)
    say(title)
    for number, option in enumerate(options, start=1):
        say(f"{number:4}  {option.label}")
    while True:
        answer = input("Number or name: ").strip()
        by_name = [o for o in options if o.name.lower() == answer.lower()]
        if by_name:
            return Choice(by_name[0].name)
        if answer.isdecimal() and 1 <= int(answer) <= len(options):
            return Choice(options[int(answer) - 1].name)
        say("That is not a number or a name of the list.")
