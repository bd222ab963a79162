import contextlib
import json
import shutil
from types import SimpleNamespace

import pytest
from support.other_session import OtherSession

import ponytaco.io.store.owner as owner_module
from ponytaco.config import ConfigError
from ponytaco.errors import PonytacoError
from ponytaco.notebook import train_cell, training_form
from ponytaco.notebook.characters import Character
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.train_cell import train_voice
from ponytaco.notebook.training_form import TrainingSettings
from ponytaco.notebook.widgets import panel as panel_module
from ponytaco.notebook.widgets import take_over as take_over_module
from ponytaco.notebook.widgets.panel import TextPanel
from ponytaco.training.tensorboard import EventLog


def test_training_in_a_terminal(fake_dataset, tmp_path, capsys):
    storage = Storage(root=tmp_path / "root", disk=tmp_path / "disk")
    shutil.copytree(fake_dataset, storage.dataset("Beeps"))
    form = TrainingSettings("tiny", "4", save_every_minutes=5)
    assert train_voice(storage, Character("Beeps"), form, "20", tensorboard=True).finished
    printed = capsys.readouterr().out
    assert printed.index("Starting Beeps") < printed.index("step 10 of 20: attention")
    assert "alignment.gif" in printed and "--logdir" in printed
    assert list((storage.disk / "tensorboard" / "Beeps").glob("events.out.*"))
    again = train_voice(storage, Character("Beeps"), TrainingSettings(), "21")
    assert again.step == 21  # with the settings the run began with
    assert "Resuming Beeps at step 20" in capsys.readouterr().out


def test_what_only_shows_cannot_stop_training(fake_dataset, tmp_path, capsys, monkeypatch):
    """Every method of the panel and of the event log is broken, and so is the movie."""

    def fail(*args):
        raise ZeroDivisionError

    for kind in (TextPanel, EventLog):
        for name in ("poll", "on_step", "on_validation", "close"):
            monkeypatch.setattr(kind, name, fail, raising=False)
    monkeypatch.setattr(train_cell, "make_movie", lambda run: (_ for _ in ()).throw(OSError(5)))
    storage = Storage(root=tmp_path / "root", disk=tmp_path / "disk")
    shutil.copytree(fake_dataset, storage.dataset("Beeps"))
    form = TrainingSettings("tiny", "4")
    assert train_voice(storage, Character("Beeps"), form, "20", tensorboard=True).finished
    printed = capsys.readouterr().out
    assert printed.count("The panel could not be shown") == 1
    assert printed.count("TensorBoard's files could not be written") == 1


@pytest.mark.parametrize("where", ["EventLog", "Panel"])
def test_a_display_that_cannot_begin_does_not_stop_training(
    fake_dataset, tmp_path, capsys, monkeypatch, where
):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train_cell, where, fail)
    monkeypatch.setattr(train_cell, "has_widgets", lambda: where == "Panel")
    storage = Storage(root=tmp_path / "root", disk=tmp_path / "disk")
    shutil.copytree(fake_dataset, storage.dataset("Beeps"))
    form = TrainingSettings("tiny", "4")
    assert train_voice(storage, Character("Beeps"), form, "2", tensorboard=True).finished
    printed = capsys.readouterr().out
    assert "No space left on device). Training continues." in printed
    assert "step 2: voice" in printed  # the panel of a terminal takes its place


def test_a_wrong_number_of_steps_is_refused_before_anything_is_downloaded(tmp_path, monkeypatch):
    storage = Storage(root=tmp_path / "root", disk=tmp_path / "disk")
    monkeypatch.setattr(training_form, "fetch", lambda *args: pytest.fail("downloaded"))
    form = TrainingSettings(warm_start=training_form.NVIDIA)
    with pytest.raises(ConfigError, match="max_steps cannot be 'a lot'"):
        train_voice(storage, Character("Beeps"), form, "a lot")


# Another session


@pytest.fixture
def page(monkeypatch):
    """A page with widgets, whose user acts at each look for clicks; what was shown is in it."""
    page = SimpleNamespace(shown=[], act=lambda: None)

    @contextlib.contextmanager
    def widget_events():
        yield lambda: page.act()

    monkeypatch.setattr(train_cell, "has_widgets", lambda: True)
    monkeypatch.setattr(train_cell, "can_wait", lambda: True)
    monkeypatch.setattr(train_cell, "widget_events", widget_events)
    monkeypatch.setattr(panel_module, "show_live", page.shown.append)
    monkeypatch.setattr(take_over_module, "show_live", page.shown.append)
    return page


@pytest.fixture
def storage(fake_dataset, tmp_path):
    storage = Storage(root=tmp_path / "root", disk=tmp_path / "disk")
    shutil.copytree(fake_dataset, storage.dataset("Beeps"))
    return storage


def train_beeps(storage, **options):
    return train_voice(storage, Character("Beeps"), TrainingSettings("tiny", "4"), "2", **options)


def test_a_click_takes_the_voice_over(storage, page, capsys):
    looks = []

    def act():
        looks.append(len(page.shown))
        if len(looks) == 3:
            assert "Another session has this voice" in page.shown[0].children[0].value
            page.shown[0].children[1].click()

    page.act = act
    with OtherSession(storage.run("Beeps")):
        assert train_beeps(storage).finished
    printed = capsys.readouterr().out
    assert "in use by another session (on 3f2a1c" in printed and "Taking over" in printed
    note, button = page.shown[0].children
    assert button.disabled and "trained here now" in note.value
    assert len(page.shown) == 2  # and the panel


def test_a_free_voice_asks_nothing(storage, page):
    assert train_beeps(storage).finished
    assert len(page.shown) == 1


def test_one_that_ends_is_no_question_any_more(storage, page):
    other = OtherSession(storage.run("Beeps"))
    page.act = lambda: other.path.unlink(missing_ok=True)
    assert train_beeps(storage).finished
    assert page.shown[0].children[1].disabled


def test_a_tick_takes_over_without_a_page(storage, capsys):
    with OtherSession(storage.run("Beeps")):
        assert train_beeps(storage, take_over=True).finished
    assert "Taking over" in capsys.readouterr().out


@pytest.mark.parametrize("has_page", [True, False])
def test_without_a_button_one_that_lives_is_left_alone(storage, page, monkeypatch, has_page):
    monkeypatch.setattr(train_cell, "has_widgets", lambda: has_page)
    monkeypatch.setattr(train_cell, "can_wait", lambda: False)
    with OtherSession(storage.run("Beeps")), pytest.raises(PonytacoError) as raised:
        train_beeps(storage)
    (line,) = raised.value._render_traceback_()
    assert "being trained by another session (on 3f2a1c" in line
    assert "The other session goes on" in line and "tick 'take_over'" in line


def test_to_stop_waiting_changes_nothing(storage, page):
    def act():
        raise KeyboardInterrupt

    page.act = act
    with OtherSession(storage.run("Beeps")), pytest.raises(PonytacoError) as raised:
        train_beeps(storage)
    (line,) = raised.value._render_traceback_()
    assert line.startswith("⚠ Stopped waiting. The other session goes on")
    assert [path.name[:8] for path in storage.run("Beeps").saves.iterdir()] == ["owner-1-"]


def test_the_one_that_lost_the_voice_says_that_the_other_goes_on(storage, page, monkeypatch):
    monkeypatch.setattr(owner_module, "_LOOK", 0.05)
    run = storage.run("Beeps")

    def act():
        fields = {"state": "training", "host": "3f2a1c", "since": "2026-08-19 11:05 UTC"}
        new = run.folder / "new"
        new.write_text(json.dumps(fields))  # the session may look at any moment
        new.rename(run.saves / f"owner-9-{'e' * 16}.json")

    page.act = act
    with pytest.raises(PonytacoError) as raised:
        train_voice(storage, Character("Beeps"), TrainingSettings("tiny", "4"), "100000")
    (line,) = raised.value._render_traceback_()
    assert "(on 3f2a1c, since 2026-08-19 11:05 UTC) has taken over" in line
    assert "this one stops" in line and "The other session goes on" in line
    assert "stopped" in page.shown[0].children[0].value
