import shutil

from ponytaco.notebook.characters import Character
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.train_cell import train_voice
from ponytaco.notebook.training_form import TrainingSettings


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
