import shutil
import sys
import types

import pytest
from support.drives import on_drive, touch

from ponytaco.errors import PonytacoError
from ponytaco.notebook import storage
from ponytaco.notebook.character_notes import add_notes, read_notes
from ponytaco.notebook.characters import Character
from ponytaco.notebook.errors import NotebookError
from ponytaco.notebook.prepare_cell import prepare_clips
from ponytaco.notebook.storage import (
    Storage,
    connect_storage,
    drive_root,
)
from ponytaco.notebook.train_cell import train_voice
from ponytaco.notebook.training_form import TrainingSettings


@pytest.mark.parametrize("name", ["MyDrive", "My Drive"])
def test_drives_root_has_had_two_names(tmp_path, name):
    (tmp_path / name).mkdir()
    assert drive_root(tmp_path) == tmp_path / name


def test_a_drive_without_a_root_is_refused(tmp_path):
    with pytest.raises(PonytacoError, match="no folder MyDrive"):
        drive_root(tmp_path)


def test_away_from_colab_a_folder_is_used(tmp_path, capsys):
    connected = connect_storage(str(tmp_path / "new" / "place"))
    assert connected.root == tmp_path / "new" / "place"
    assert connected.runs.is_dir()
    assert "Voices are kept in" in capsys.readouterr().out
    assert connected.run("Zecora").folder == connected.root / "colab" / "Zecora"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PonytacoError, match="Cannot make the folder"):
        connect_storage(str(tmp_path / "file"))


def test_a_drive_that_is_refused_says_what_to_do(monkeypatch):
    def mount(mountpoint):
        raise ValueError("mount failed")

    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=mount)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setattr(storage, "in_colab", lambda: True)
    with pytest.raises(PonytacoError, match="Run this cell again and allow access"):
        connect_storage()


def test_an_older_flat_run_is_seen(tmp_path):
    storage = on_drive(tmp_path)
    assert storage.older_run is None
    path = touch(storage.runs / "current_model")
    assert storage.older_run == path


def test_nothing_is_written_into_the_mount_point_of_a_drive_that_is_gone(tmp_path, capsys):
    """A voice would begin anew there, be lost with the machine, and keep Drive from mounting."""
    storage = on_drive(tmp_path)
    add_notes(storage, "Zecora", minutes=1.0)
    shutil.rmtree(storage.root)
    add_notes(storage, "Zecora", minutes=2.0)
    assert "the list will not show the last use" in capsys.readouterr().out
    for cell in (
        lambda: train_voice(storage, Character("Zecora"), TrainingSettings("tiny"), "2"),
        lambda: prepare_clips(storage, tmp_path / "Zecora.tar", "Zecora", "auto"),
    ):
        with pytest.raises(NotebookError, match="not connected any more.*Connect storage' again"):
            cell()
    assert not list(storage.drive_mount.iterdir())


def test_notes_add_up(tmp_path):
    storage = on_drive(tmp_path)
    assert read_notes(storage) == {}
    add_notes(storage, "Zecora", minutes=12.5)
    add_notes(storage, "Zecora", last_used=3.0)
    add_notes(storage, "Apple", minutes=1.0)
    assert read_notes(storage)["Zecora"] == {"minutes": 12.5, "last_used": 3.0}
    assert [path.name for path in storage.runs.iterdir()] == ["characters.json"]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe"])
def test_broken_notes_are_reported_and_ignored(tmp_path, content, capsys):
    storage = on_drive(tmp_path)
    touch(storage.runs / "characters.json").write_bytes(content)
    assert read_notes(storage) == {}
    assert "characters.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["soundtools/x", " soundtools/x ", "'soundtools/x'", '"soundtools/x"', "MyDrive/soundtools/x",
     "My Drive/soundtools/x", "/content/drive/MyDrive/soundtools/x", "drive/MyDrive/soundtools/x",
     "“soundtools/x”", "/MyDrive/soundtools/x"],
)  # fmt: skip
def test_a_field_names_a_path_on_drive_in_any_way(tmp_path, text):
    storage = on_drive(tmp_path)
    assert storage.resolve(text) == storage.root / "soundtools" / "x"


def test_elsewhere_a_path_is_taken_as_it_is(tmp_path):
    storage = Storage(root=tmp_path, disk=tmp_path)
    assert storage.resolve("MyDrive/x") == tmp_path / "MyDrive" / "x"
    assert storage.resolve(f"'{tmp_path}/a b'") == tmp_path / "a b"
