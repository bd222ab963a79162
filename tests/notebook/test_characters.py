import os
import shutil
import sys
import types

import pytest

from ponytaco.errors import PonytacoError
from ponytaco.notebook import characters as characters_module
from ponytaco.notebook.character_notes import add_notes
from ponytaco.notebook.characters import fetch_archive, find_characters, pick_character
from ponytaco.notebook.storage import Storage, copy_with_progress
from ponytaco.notebook.widgets.chooser import Choice


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


def picking(monkeypatch, name, checked=False):
    """Answer the question, and keep what was asked."""
    asked = []

    def choose(*arguments):
        asked.append(arguments)
        return Choice(name, checked)

    monkeypatch.setattr(characters_module, "choose", choose)
    return asked


def test_last_used_first_then_by_name(storage, run_of_zecora):
    assert [c.name for c in find_characters(storage)] == ["Zecora", "apple", "Berry"]
    add_notes(storage, "Berry", last_used=9e9, minutes=12.3)
    first, second, _ = find_characters(storage)
    assert (first.label, second.name) == ("Berry (12 minutes of speech, 2 MB)", "Zecora")
    assert second.label == "Zecora (trained to step 60, 2 MB)"


@pytest.mark.parametrize("gone", ["current_model", "history.csv"])
def test_a_run_that_has_lost_a_file_is_listed(storage, run_of_zecora, gone):
    path = run_of_zecora.folder / gone
    path.unlink()
    path.mkdir()  # reading it is an OSError
    first = find_characters(storage)[0]
    assert first.name == "Zecora" and first.step == (0 if gone == "history.csv" else 60)


def test_the_resumable_one_counts_down(storage, run_of_zecora, monkeypatch, capsys):
    asked = picking(monkeypatch, "Zecora")
    assert pick_character(storage, wait_seconds=7).step == 60
    _, _, _, countdown, checkbox = asked[0]
    assert (countdown.name, countdown.seconds, checkbox) == ("Zecora", 7, "")
    assert countdown.announcement == "Zecora continues from step 60"
    assert "Picked Zecora" in capsys.readouterr().out


def test_nothing_counts_down_when_the_last_one_has_no_run(storage, run_of_zecora, monkeypatch):
    add_notes(storage, "Berry", last_used=9e9)
    asked = picking(monkeypatch, "Berry")
    assert pick_character(storage).step is None
    assert asked[0][3] is None


def test_an_older_run_is_offered_and_starts_a_new_voice_only(storage, run_of_zecora, monkeypatch):
    older = storage.runs / "current_model"
    older.write_bytes(b"weights")
    asked = picking(monkeypatch, "apple", checked=True)
    assert pick_character(storage).warm_start == older
    assert "colab/current_model" in asked[0][4]
    picking(monkeypatch, "Zecora", checked=True)
    assert pick_character(storage).warm_start is None


def test_a_name_is_picked_without_asking(storage):
    assert pick_character(storage, " Berry.tar").name == "Berry"
    with pytest.raises(PonytacoError, match="only of: Berry, apple, Zecora"):
        pick_character(storage, "Celestia")


def test_broken_notes_do_no_harm(storage):
    add_notes(storage, "Berry", last_used="yesterday", minutes=None)
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
        output.write(b"tar\0")

    fake_gdown(monkeypatch, download_folder=lambda **options: files, download=get)
    empty.runs.mkdir(parents=True)
    asked = picking(monkeypatch, "Apple")
    character = pick_character(empty)
    assert [option.name for option in asked[0][0]] == ["Apple", "Zecora"]
    assert "Add shortcut" in capsys.readouterr().out
    assert fetch_archive(empty, character) == empty.disk / "archives" / "Apple.tar"
    fetch_archive(empty, character)
    assert got == ["2"]  # the second time it is there


def test_a_folder_that_cannot_be_listed_says_how_to_add_the_shortcut(empty, monkeypatch):
    def refuse(**options):
        raise RuntimeError("quota")

    fake_gdown(monkeypatch, download_folder=refuse)
    with pytest.raises(PonytacoError, match=r"does not give it out.*Add shortcut"):
        pick_character(empty)


# To the local disk


def test_drives_archive_is_copied_once(storage, tmp_path):
    on_drive = Storage(root=storage.root, disk=storage.disk, drive_mount=tmp_path)
    character = find_characters(on_drive)[0]
    copy = fetch_archive(on_drive, character)
    assert copy == storage.disk / "archives" / "apple.tar"
    assert copy.read_bytes() == character.archive.read_bytes()
    before = copy.stat().st_mtime_ns
    assert fetch_archive(on_drive, character).stat().st_mtime_ns == before
    assert [path.name for path in copy.parent.iterdir()] == ["apple.tar"]


def test_away_from_drive_nothing_is_copied(storage):
    character = find_characters(storage)[0]
    assert fetch_archive(storage, character) == character.archive


def test_a_full_disk_is_reported_before_copying(storage, tmp_path, monkeypatch):
    usage = types.SimpleNamespace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(PonytacoError, match="needs 2 MB.*has only 1 MB"):
        copy_with_progress(storage.archives / "apple.tar", tmp_path / "there" / "apple.tar")


def test_an_interrupted_copy_leaves_nothing(storage, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        copy_with_progress(storage.archives / "apple.tar", tmp_path / "there" / "apple.tar")
    assert list((tmp_path / "there").iterdir()) == []
