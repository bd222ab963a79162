import os
import sys
import types

import pytest

from ponytaco.errors import PonytacoError
from ponytaco.notebook import storage
from ponytaco.notebook.character_notes import add_notes, read_notes
from ponytaco.notebook.storage import (
    Storage,
    connect_storage,
    drive_root,
    find_archives,
)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"tar")
    return path


def on_drive(folder):
    root = folder / "drive" / "MyDrive"
    root.mkdir(parents=True)
    return Storage(root=root, disk=folder, drive_mount=folder / "drive")


@pytest.mark.parametrize(
    "place",
    [
        "MyDrive/soundtools/data/audio-trimmed-22khz",
        "MyDrive/soundtools",
        "MyDrive/ponies/soundtools/data/audio-trimmed-22khz",
        "MyDrive/audio-trimmed-22khz",
        "MyDrive",
        ".shortcut-targets-by-id/1SWIe/soundtools/data/audio-trimmed-22khz",
        ".shortcut-targets-by-id/11H3I/audio-trimmed-22khz",
        "MyDrive/.shortcut-targets-by-id/1SWIe/soundtools/data/audio-trimmed-22khz",
        "Shareddrives/Ponies/soundtools/data/audio-trimmed-22khz",
    ],
)
def test_archives_are_found_in_the_usual_places(tmp_path, place):
    storage = on_drive(tmp_path)
    path = touch(tmp_path / "drive" / place / "Zecora.tar")
    touch(path.with_name(".Zecora.tar.partial.tar"))
    touch(path.with_name("readme.txt"))
    assert find_archives(storage) == [path]


def test_one_archive_a_name_and_own_ones_first(tmp_path):
    storage = on_drive(tmp_path)
    shared = tmp_path / "drive/.shortcut-targets-by-id/1/soundtools/data/audio-trimmed-22khz"
    touch(shared / "Zecora.tar")
    touch(shared / "apple.tar")
    own = touch(storage.archives / "Zecora.tar")
    assert find_archives(storage) == [shared / "apple.tar", own]


def test_a_folder_that_drive_cannot_list_is_reported_and_skipped(tmp_path, monkeypatch, capsys):
    storage = on_drive(tmp_path)
    own = touch(storage.archives / "Zecora.tar")
    broken = storage.root / "ponies" / "soundtools"
    broken.mkdir(parents=True)
    real = os.scandir

    def scandir(folder):
        if os.fspath(folder) == str(broken):
            raise OSError(5, "Input/output error")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert find_archives(storage) == [own]
    assert "Input/output error" in capsys.readouterr().out


def test_a_listing_that_times_out_once_is_tried_again(tmp_path, monkeypatch):
    storage = on_drive(tmp_path)
    own = touch(storage.archives / "Zecora.tar")
    real, calls = os.scandir, []

    def scandir(folder):
        calls.append(os.fspath(folder))
        if calls.count(str(storage.archives)) == 1 and calls[-1] == str(storage.archives):
            raise OSError(5, "Input/output error")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert find_archives(storage) == [own]


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
