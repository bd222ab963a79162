import shutil

import pytest

from ponytaco.config import ConfigError
from ponytaco.notebook import train_cell, training_form
from ponytaco.notebook.characters import Character
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.train_cell import train_voice
from ponytaco.notebook.training_form import TrainingSettings
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
