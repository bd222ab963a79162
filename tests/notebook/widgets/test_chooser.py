import contextlib

import pytest

from ponytaco.notebook.widgets import chooser as chooser_module
from ponytaco.notebook.widgets.chooser import (
    Choice,
    Chooser,
    Countdown,
    Option,
    choose,
    matching,
)

OPTIONS = [Option(name, f"{name} (86 MB)") for name in (
    "Twilight-Sparkle", "Zecora", "Apple Bloom", "Spike", "Rarity", "Trixie",
)]  # fmt: skip
COUNTDOWN = Countdown("Twilight-Sparkle", 30, "Twilight-Sparkle continues from step 12,400")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def chooser(clock=None, countdown=None, checkbox=""):
    return Chooser(OPTIONS, "Who?", "Use", countdown, checkbox, clock or Clock())


def offered(chooser):
    return [name for _, name in chooser.list.options]


def test_matching_takes_every_word_in_any_case():
    assert [o.name for o in matching(OPTIONS, "  BLOOM app ")] == ["Apple Bloom"]
    assert matching(OPTIONS, "") == OPTIONS
    assert matching(OPTIONS, "nopony") == []


def test_the_filter_narrows_the_list_and_the_button_takes_it():
    widgets = chooser()
    assert offered(widgets) == [o.name for o in OPTIONS]
    widgets.filter.value = "zec"
    assert offered(widgets) == ["Zecora"]
    widgets.use.click()
    assert widgets.choice == Choice("Zecora")
    assert widgets.list.disabled and widgets.use.disabled


def test_nothing_found_cannot_be_taken():
    widgets = chooser()
    widgets.filter.value = "nopony"
    assert widgets.use.disabled and "Clear the filter" in widgets.note.value
    widgets.use.click()
    assert widgets.choice is None
    widgets.filter.value = ""
    assert not widgets.use.disabled


def test_the_countdown_takes_its_option_by_itself():
    clock = Clock()
    widgets = chooser(clock, COUNTDOWN)
    assert "12,400 in 30 s, unless" in widgets.note.value
    clock.now += 12.5
    widgets.update_countdown()
    assert "in 18 s" in widgets.note.value and widgets.choice is None
    clock.now += 17.5
    widgets.update_countdown()
    assert widgets.choice == Choice("Twilight-Sparkle")


@pytest.mark.parametrize(
    "touch",
    [
        lambda w: setattr(w.filter, "value", "z"),
        lambda w: setattr(w.list, "value", "Spike"),
        lambda w: setattr(w.checkbox, "value", True),
        lambda w: w.wait.click(),
    ],
)
def test_touching_anything_ends_the_countdown(touch):
    clock = Clock()
    widgets = chooser(clock, COUNTDOWN, "Start from the older run?")
    touch(widgets)
    clock.now += 1000
    widgets.update_countdown()
    assert widgets.choice is None
    widgets.use.click()
    assert widgets.choice is not None


def test_the_checkbox_counts():
    widgets = chooser(checkbox="Start from the older run?")
    widgets.checkbox.value = True
    widgets.use.click()
    assert widgets.choice.checked


def test_names_are_shown_as_text():
    evil = Option("<script>", "<script>")
    widgets = Chooser([evil], "<b>", "Use")
    widgets.use.click()
    assert "<script>" not in widgets.note.value
    assert "<b></div>" not in widgets.box.children[0].value


def test_a_busy_cell_waits_for_the_click(monkeypatch):
    shown, polls = [], []
    monkeypatch.setattr(chooser_module, "show_live", shown.append)

    @contextlib.contextmanager
    def events():
        def poll():
            polls.append(1)
            if len(polls) == 3:
                button = shown[0].children[-2].children[0]
                button.click()

        yield poll

    assert choose(OPTIONS, "Who?", "Use", events=events) == Choice("Twilight-Sparkle")
    assert len(polls) == 3


# In a terminal


def answers(monkeypatch, *given):
    left = list(given)
    monkeypatch.setattr("builtins.input", lambda prompt: left.pop(0))


def test_a_terminal_asks_by_number_or_name(monkeypatch, capsys):
    answers(monkeypatch, "99", "nopony", "2")
    assert choose(OPTIONS, "Who?", "Use") == Choice("Zecora")
    assert "2  Zecora (86 MB)" in capsys.readouterr().out
    answers(monkeypatch, "rarity")
    assert choose(OPTIONS, "Who?", "Use") == Choice("Rarity")


def test_a_terminal_takes_the_default_without_asking(monkeypatch, capsys):
    assert choose(OPTIONS, "Who?", "Use", COUNTDOWN) == Choice("Twilight-Sparkle")
    assert "continues from step 12,400" in capsys.readouterr().out
