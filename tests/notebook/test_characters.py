import os
import shutil
import sys
import types

import pytest

from ponytaco.config import ConfigError
from ponytaco.device import choose_device
from ponytaco.notebook import characters as characters_module
from ponytaco.notebook import training_form
from ponytaco.notebook.character_notes import note
from ponytaco.notebook.characters import copy_whole, fetch_archive, find_characters, pick_character
from ponytaco.notebook.environment import NotebookError
from ponytaco.notebook.storage import Storage, StorageError
from ponytaco.notebook.training_form import NVIDIA, OLDER_RUN, Settings
from ponytaco.notebook.widgets.chooser import Picked


@pytest.fixture
def storage(tmp_path):
    storage = Storage(root=tmp_path / "root", disk=tmp_path / "disk")
    storage.archives.mkdir(parents=True)
    for name in ("apple", "Berry", "Zecora"):
        (storage.archives / f"{name}.tar").write_bytes(b"x" * 2_000_000)
    return storage


@pytest.fixture
def run_of_zecora(storage, trained_run):
    shutil.copytree(trained_run.run.folder, storage.run("Zecora").folder)
    return storage.run("Zecora")


def fake_gdown(monkeypatch, **functions):
    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(**functions))


def picking(monkeypatch, name, ticked=False):
    """Answer the question, and keep what was asked."""
    asked = []

    def pick(*arguments):
        asked.append(arguments)
        return Picked(name, ticked)

    monkeypatch.setattr(characters_module, "pick", pick)
    return asked


def test_last_used_first_then_by_name(storage, run_of_zecora):
    assert [c.name for c in find_characters(storage)] == ["Zecora", "apple", "Berry"]
    note(storage, "Berry", last_used=9e9, minutes=12.3)
    first, second, _ = find_characters(storage)
    assert (first.label, second.name) == ("Berry (12 minutes of speech, 2 MB)", "Zecora")
    assert second.label == "Zecora (trained to step 60, 2 MB)"


def test_the_resumable_one_counts_down(storage, run_of_zecora, monkeypatch, capsys):
    asked = picking(monkeypatch, "Zecora")
    assert pick_character(storage, wait_seconds=7).step == 60
    _, _, _, countdown, question = asked[0]
    assert (countdown.name, countdown.seconds, question) == ("Zecora", 7, "")
    assert countdown.promise == "Zecora goes on at step 60"
    assert "Picked Zecora" in capsys.readouterr().out


def test_nothing_counts_down_when_the_last_one_has_no_run(storage, run_of_zecora, monkeypatch):
    note(storage, "Berry", last_used=9e9)
    asked = picking(monkeypatch, "Berry")
    assert pick_character(storage).step is None
    assert asked[0][3] is None


def test_an_older_run_is_offered_and_begins_a_new_voice_only(storage, run_of_zecora, monkeypatch):
    older = storage.runs / "current_model"
    older.write_bytes(b"weights")
    asked = picking(monkeypatch, "apple", ticked=True)
    assert pick_character(storage).begin_with == older
    assert "colab/current_model" in asked[0][4]
    picking(monkeypatch, "Zecora", ticked=True)
    assert pick_character(storage).begin_with is None


def test_a_name_is_picked_without_asking(storage):
    assert pick_character(storage, " Berry.tar").name == "Berry"
    with pytest.raises(NotebookError, match="There are: Berry, apple, Zecora"):
        pick_character(storage, "Celestia")


def test_broken_memories_do_no_harm(storage):
    note(storage, "Berry", last_used="yesterday", minutes=None)
    assert [c.name for c in find_characters(storage)] == ["apple", "Berry", "Zecora"]


# The public folder


@pytest.fixture
def empty(tmp_path):
    return Storage(root=tmp_path, disk=tmp_path / "disk", drive_mount=tmp_path)


def test_without_archives_the_public_ones_are_offered(empty, monkeypatch, capsys):
    files = [
        types.SimpleNamespace(id="1", path="Zecora.tar"),
        types.SimpleNamespace(id="2", path="../../evil/Apple.tar"),
        types.SimpleNamespace(id="3", path="readme.txt"),
    ]
    got = []

    def get(id, output, quiet):
        got.append(id)
        output.write(b"tar")

    fake_gdown(monkeypatch, download_folder=lambda **options: files, download=get)
    empty.runs.mkdir(parents=True)
    asked = picking(monkeypatch, "Apple")
    character = pick_character(empty)
    assert [option.name for option in asked[0][0]] == ["Apple", "Zecora"]
    assert "Add shortcut" in capsys.readouterr().out
    assert fetch_archive(character, empty) == empty.disk / "archives" / "Apple.tar"
    fetch_archive(character, empty)
    assert got == ["2"]  # the second time it is there


def test_a_folder_that_cannot_be_listed_says_how_to_add_the_shortcut(empty, monkeypatch):
    def refuse(**options):
        raise RuntimeError("quota")

    fake_gdown(monkeypatch, download_folder=refuse)
    with pytest.raises(NotebookError, match=r"does not give it out.*Add shortcut"):
        pick_character(empty)


# To the local disk


def test_drives_archive_is_copied_once(storage, tmp_path):
    on_drive = Storage(root=storage.root, disk=storage.disk, drive_mount=tmp_path)
    character = find_characters(on_drive)[0]
    copy = fetch_archive(character, on_drive)
    assert copy == storage.disk / "archives" / "apple.tar"
    assert copy.read_bytes() == character.archive.read_bytes()
    before = copy.stat().st_mtime_ns
    assert fetch_archive(character, on_drive).stat().st_mtime_ns == before
    assert [path.name for path in copy.parent.iterdir()] == ["apple.tar"]


def test_away_from_drive_nothing_is_copied(storage):
    character = find_characters(storage)[0]
    assert fetch_archive(character, storage) == character.archive


def test_a_full_disk_is_said_before_copying(storage, tmp_path, monkeypatch):
    usage = types.SimpleNamespace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match="needs 2 MB.*has 1 MB"):
        copy_whole(storage.archives / "apple.tar", tmp_path / "there" / "apple.tar")


def test_an_interrupted_copy_leaves_nothing(storage, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        copy_whole(storage.archives / "apple.tar", tmp_path / "there" / "apple.tar")
    assert list((tmp_path / "there").iterdir()) == []


# The form


def test_auto_takes_the_machines_preset(storage):
    small = Settings().config_for(storage.run("new"))
    expected = "full" if choose_device("auto").type == "cuda" else "small"
    assert small.model == training_form.presets.preset(expected).model


def test_the_forms_values_count(storage):
    form = Settings("tiny", "4", "1e-4", 3, mmi=False, mixed_precision=False)
    config = form.config_for(storage.run("new"), "77")
    train = config.train
    assert (train.batch_size, train.learning_rate, train.max_steps) == (4, 1e-4, 77)
    assert (train.save_every_minutes, train.mmi, train.precision) == (3, False, "float32")


def test_a_run_goes_on_with_its_own_settings(run_of_zecora, trained_run):
    config = Settings().config_for(run_of_zecora)
    assert config.model == trained_run.config.model
    assert config.train.batch_size == trained_run.config.train.batch_size
    assert Settings(batch_size="8").config_for(run_of_zecora).train.batch_size == 8


def test_a_wrong_value_is_said(storage):
    with pytest.raises(ConfigError, match="batch_size"):
        Settings(batch_size="many").config_for(storage.run("new"))


def test_where_a_new_voice_begins(storage, monkeypatch):
    assert Settings().begin_with(storage) is None
    with pytest.raises(ConfigError, match="no file .*current_model"):
        Settings(warm_start=OLDER_RUN).begin_with(storage)
    older = storage.runs / "current_model"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"weights")
    assert Settings(warm_start=OLDER_RUN).begin_with(storage) == older
    assert Settings(warm_start="colab/current_model").begin_with(storage) == older
    with pytest.raises(ConfigError, match="counts from the storage"):
        Settings(warm_start="nowhere").begin_with(storage)
    weights = storage.disk / "weights" / "tacotron2_statedict.pt"
    fake_gdown(monkeypatch, download=lambda id, output, quiet: output.write(b"PK"))
    assert Settings(warm_start=NVIDIA).begin_with(storage) == weights and weights.is_file()


def test_a_new_voice_begins_with_one_of_the_users(storage, run_of_zecora, trained_run):
    begin_with = Settings(warm_start="Zecora").begin_with(storage)
    assert begin_with == run_of_zecora.best_model
    assert Settings(warm_start="colab/Zecora").begin_with(storage) == run_of_zecora.folder
    for path in (begin_with, run_of_zecora.folder):
        config = Settings().config_for(storage.run("new"), begin_with=path)
        assert config.model.attention_rnn_dim == trained_run.config.model.attention_rnn_dim
        assert config.model.n_frames_per_step == trained_run.config.model.n_frames_per_step
        assert (
            config.train.learning_rate == training_form.presets.preset("warm").train.learning_rate
        )
    config = Settings("small").config_for(storage.run("new"), begin_with=begin_with)
    assert config.model == training_form.presets.preset("small").model
