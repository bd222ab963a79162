import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from ponytaco.notebook.widgets import panel as panel_module
from ponytaco.notebook.widgets import panel_text
from ponytaco.notebook.widgets.budget import Budget
from ponytaco.notebook.widgets.panel import Panel, TextPanel, thinned
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.loop import train


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def shown(monkeypatch):
    """Widgets that were displayed."""
    things = []
    monkeypatch.setattr(panel_module, "show_live", things.append)
    return things


@pytest.fixture
def panel(trained_run, shown):
    return Panel(trained_run.run, trained_run.config.train, lambda: None)


# The budget


@pytest.mark.parametrize("cost", [0.001, 0.1, 0.5, 3.0])
def test_a_budget_keeps_to_its_share(cost):
    clock = Clock()
    budget = Budget(0.01, least_seconds=1.0, clock=clock)
    times = 0
    while clock.now < 3600:
        if budget.ready:
            times += 1
            with budget.spending():
                clock.now += cost
        clock.now += 0.05
    assert budget.spent <= 0.011 * 3600
    assert times <= 3600 / 1.0
    assert times >= min(3500, 0.9 * 36 / cost) - 1 if cost > 0.01 else times > 3000


# The panel


def test_it_appears_after_the_first_step(panel, trained_run, shown):
    assert shown == []
    assert panel.poll() is False
    assert shown == [panel.box]
    assert "first steps" in panel.title.value
    panel.on_step(dataclasses.replace(trained_run.reports[-1], step=30, max_steps=60))
    panel._texts = Budget(1.0)
    panel.poll()
    assert "step 31 of 60" in panel.title.value
    assert panel.bar.value == 31
    assert "Next picture and sample at step 60" in panel.milestones.value
    for name in ("loss", "GAF", "learning rate", "attention"):
        assert f">{name}<" in panel.numbers.value


def test_a_validation_brings_picture_and_sound(panel, trained_run):
    panel.poll()
    validation = trained_run.validations[-1]
    panel.on_validation(validation)
    assert panel.picture.value == trained_run.run.picture(validation.step).read_bytes()
    assert panel.picture.layout.display != "none"
    assert "<audio" in panel.sample.value


def test_the_curves_are_drawn_again_when_there_is_something_new(panel, trained_run):
    panel.on_step(trained_run.reports[0])
    panel.poll()
    first = panel.curves.value
    assert first.startswith(b"\x89PNG")
    panel._curves = Budget(1.0)
    panel.poll()
    assert panel.curves.value == first
    panel.on_step(dataclasses.replace(trained_run.reports[-1], step=90))
    panel.poll()
    assert panel.curves.value != first


def test_the_stop_button_stops(trained_run, shown):
    clicks = [False]
    panel = Panel(
        trained_run.run, trained_run.config.train, lambda: clicks[0] and panel.stop.click()
    )
    assert panel.poll() is False
    clicks[0] = True
    panel._polls = Budget(1.0)
    assert panel.poll() is True
    assert panel.stop.disabled and "Stopping" in panel.stop.description
    panel.close("stopped and saved at step 60")
    assert "stopped and saved at step 60" in panel.title.value


def test_stop_saves_a_real_training(fake_dataset, trained_run, tmp_path, shown):
    run = Run(tmp_path / "Beeps <b>")
    config = trained_run.config.replace(max_steps=1000, validate_every=10)
    clicks = []

    def click():
        if clicks:
            panel.stop.click()

    panel = Panel(run, config.train, click)
    panel._polls = Budget(1.0)

    def on_validation(validation):
        panel.on_validation(validation)
        clicks.append(1)

    result = train(
        fake_dataset, run, config, log=lambda text: None, stop=panel.poll,
        on_step=panel.on_step, on_validation=on_validation,
    )  # fmt: skip
    panel.close("stopped")
    assert result.step == 11 and not result.finished  # the button was pressed after step 10
    assert run.resumable
    assert "<b>" in run.folder.name and "Beeps &lt;b&gt;" in panel.title.value
    assert panel.spent_seconds > 0


def test_a_panel_that_never_appeared_closes(panel, shown):
    panel.close("stopped by an error")
    assert shown == []


def test_the_terminal_gets_lines(trained_run, capsys):
    panel = TextPanel(trained_run.run, least_seconds=1000)
    assert panel.poll() is False
    panel.on_step(trained_run.reports[0])
    panel.on_step(trained_run.reports[1])
    panel.on_validation(trained_run.validations[0])
    panel.close("finished")
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2  # the second report comes too soon
    assert printed[0].startswith("step 10 of 60: attention")
    assert "focus" in printed[1]


def test_thinning_keeps_the_newest_and_all_validations():
    rows = [{"step": i, "loss": 1.0} for i in range(1000)]
    rows[500]["val_loss"] = 1.0
    few = thinned(rows, 100)
    assert len(few) <= 101
    assert few[-1] is rows[-1] and rows[500] in few
    assert [row["step"] for row in few] == sorted(row["step"] for row in few)
    assert thinned(rows[:50], 100) == rows[:50]


# Files that Drive does not give back


def test_it_shows_a_validation_whose_files_are_gone(trained_run, shown, tmp_path):
    panel = Panel(Run(tmp_path / "gone"), trained_run.config.train, lambda: None)
    validation = trained_run.validations[0]
    panel.on_validation(validation)
    assert panel.picture.value == validation.picture != b""
    assert "<audio" in panel.sample.value
    panel.on_validation(dataclasses.replace(validation, picture=b"", sample=b""))
    assert panel.picture.value == validation.picture  # the last one that could be drawn


@pytest.mark.parametrize("kind", [Panel, TextPanel])
def test_it_starts_without_what_cannot_be_read(trained_run, shown, monkeypatch, capsys, kind):
    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(panel_module, "read_history", fail)
    monkeypatch.setattr(Path, "read_bytes", fail)
    arguments = (trained_run.config.train, lambda: None) if kind is Panel else ()
    panel = kind(trained_run.run, *arguments)
    panel.poll()
    panel.on_step(trained_run.reports[0])
    panel.on_validation(trained_run.validations[0])
    assert shown == ([panel.box] if kind is Panel else [])
    assert kind is Panel or "step 10 of 60" in capsys.readouterr().out


# Words


@pytest.mark.parametrize(
    ("checks", "printed"),
    [
        ([], "not checked yet"),
        ([0, 0], "not aligned yet"),
        ([0, 1], "aligned at step 500"),
        ([1, 1, 1], "aligned at step 250"),
        ([1, 0], "aligned at step 250, but not at the moment"),
    ],
)
def test_alignment_in_words(checks, printed):
    rows = [{"step": 250.0 * i, "aligned": float(c)} for i, c in enumerate(checks, start=1)]
    assert panel_text.alignment_state([{"step": 10.0}, *rows]) == printed


def test_alignment_of_a_real_history(trained_run):
    assert panel_text.alignment_state(read_history(trained_run.run.history)) != "not checked yet"


def test_the_next_check():
    assert panel_text.next_check(0, 250, 1000) == 250
    assert panel_text.next_check(250, 250, 1000) == 500
    assert panel_text.next_check(990, 250, 995) == 995


def test_skipped_steps_are_shown_once_there_are_some(trained_run):
    report = trained_run.reports[0]
    assert "steps skipped" not in dict(panel_text.numbers(report))
    some = SimpleNamespace(**{**vars(report), "skipped_steps": 3})
    assert dict(panel_text.numbers(some))["steps skipped"] == "3"


def test_what_judges_hear_is_shown_beside_the_clips(trained_run):
    heard = {"step": 750.0, "understood": 0.62, "clips_understood": 0.96, "mos": 2.1,
             "clips_mos": 4.3, "listening_share": 0.021}  # fmt: skip
    shown = dict(panel_text.numbers(trained_run.reports[-1], [heard, {"step": 760.0}]))
    assert shown["words understood"] == "62 % (the clips: 96 %)"
    assert shown["MOS, 1 to 5"] == "2.1 (the clips: 4.3)" and "likeness" not in shown
    assert shown["listened"] == "at step 750, in 2.1 % of the time"
    assert "words understood" not in dict(panel_text.numbers(trained_run.reports[-1]))
