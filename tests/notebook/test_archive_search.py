"""Archives are found wherever they usually lie, without listing a whole Drive."""

import itertools
import os
import shutil

import pytest
from support.drives import on_drive, touch

from ponytaco.errors import PonytacoError
from ponytaco.notebook import archive_search
from ponytaco.notebook.archive_search import find_archives, find_archives_at
from ponytaco.notebook.characters import find_characters, pick_character
from ponytaco.notebook.public_archives import PUBLIC_FOLDERS
from ponytaco.notebook.storage import Storage


@pytest.fixture
def listings(monkeypatch):
    """The folders that were listed, in order."""
    real, listed = os.scandir, []

    def scandir(folder="."):
        if not isinstance(folder, int):  # as shutil.rmtree lists, when the folder is taken away
            listed.append(os.fspath(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    return listed


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
    own = touch(storage.root / "audio-trimmed-22khz" / "Zecora.tar")
    broken = storage.root / "soundtools"
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


@pytest.mark.parametrize("n_failures", [1, 2])
def test_a_listing_that_times_out_is_tried_again(tmp_path, monkeypatch, n_failures):
    storage = on_drive(tmp_path)
    own = touch(storage.archives / "Zecora.tar")
    real, calls = os.scandir, []

    def scandir(folder):
        calls.append(os.fspath(folder))
        n_calls = calls.count(str(storage.archives))
        if 1 <= n_calls <= n_failures and calls[-1] == str(storage.archives):
            raise OSError(5, "Input/output error")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert find_archives(storage) == [own]


# Large Drives


PLACES = (
    "MyDrive/soundtools/data/audio-trimmed-22khz",
    "MyDrive/soundtools/audio-trimmed-22khz",
    "MyDrive/soundtools",
    "MyDrive/data/audio-trimmed-22khz",
    "MyDrive/audio-trimmed-22khz",
    "MyDrive/ponytaco",
    "MyDrive",
    f".shortcut-targets-by-id/{PUBLIC_FOLDERS[0]}/soundtools/data/audio-trimmed-22khz",
    f".shortcut-targets-by-id/{PUBLIC_FOLDERS[1]}/audio-trimmed-22khz",
    "Shareddrives/Ponies/soundtools/data/audio-trimmed-22khz",
)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A Drive of 2,000 folders, 500 shortcuts and 40 shared drives, in which nothing lies."""
    folder = tmp_path_factory.mktemp("crowd")
    for number in range(2_000):
        (folder / "drive" / "MyDrive" / f"folder {number:04}").mkdir(parents=True)
    for number in range(500):
        (folder / "drive" / ".shortcut-targets-by-id" / f"1{number:032}" / "x").mkdir(parents=True)
    for number in range(40):
        (folder / "drive" / "Shareddrives" / f"work {number}" / "x").mkdir(parents=True)
    return Storage(folder / "drive" / "MyDrive", folder, folder / "drive")


@pytest.fixture
def crowded(crowd):
    """That Drive; what a test puts there is taken away."""
    put = []

    def place(path):
        put.append(touch(crowd.drive_mount / path))
        return put[-1]

    yield crowd, place
    for path in put:  # and the character's notes
        shutil.rmtree(crowd.runs, ignore_errors=True)
        path.unlink()


@pytest.mark.parametrize("place", PLACES)
def test_a_usual_place_takes_a_few_tens_of_listings(crowded, place, listings, capsys):
    storage, put = crowded
    path = put(f"{place}/Zecora.tar")
    (character,) = find_characters(storage)
    assert character.archive == path
    assert len(listings) < 50
    assert "Looking for soundtools archives" in capsys.readouterr().out


def test_the_search_beyond_has_limits_and_shows_that_it_goes_on(crowded, listings, capsys):
    storage, put = crowded
    clock = itertools.count(0, 0.05)
    assert find_archives(storage, clock=lambda: next(clock)) == []
    assert len(listings) < 400
    printed = capsys.readouterr().out
    assert "looking into 2,0" in printed and "100 folders so far" in printed
    assert "Stopped after 300 folders" in printed and "the field 'archives'" in printed
    listings.clear()
    slow = itertools.count(0, 1)
    assert find_archives(storage, clock=lambda: next(slow)) == []
    assert len(listings) < 80 and "Stopped after 30 folders" in capsys.readouterr().out


def test_likely_folders_come_first_and_are_remembered(crowded, listings, monkeypatch):
    storage, put = crowded
    path = put("MyDrive/zz my Ponies/soundtools/data/audio-trimmed-22khz/Zecora.tar")
    assert find_archives(storage) == [path]
    assert pick_character(storage, "Zecora").archive == path
    listings.clear()
    monkeypatch.setattr(archive_search, "_MOST_FOLDERS", 0)
    assert pick_character(storage, "Zecora").archive == path
    assert len(listings) < 50


@pytest.mark.parametrize(
    "place", ["clips/of mine", "MyDrive/clips/of mine", "'clips/of mine/'", "clips", "{root}/clips",
              "clips/of mine/Me.tar", "{root}/clips/of mine/Me.tar"]
)  # fmt: skip
def test_the_place_that_a_user_names(tmp_path, place):
    storage = on_drive(tmp_path)
    path = touch(storage.root / "clips" / "of mine" / "Me.tar")
    touch(storage.archives / "Zecora.tar")
    assert find_archives_at(storage, place.format(root=storage.root)) == [path]
    assert pick_character(storage, "Me", archives=place.format(root=storage.root)).archive == path


def test_a_place_without_archives_says_so(tmp_path):
    storage = on_drive(tmp_path)
    (storage.root / "empty" / "folder").mkdir(parents=True)
    with pytest.raises(PonytacoError, match="no folder .*nowhere"):
        pick_character(storage, archives="nowhere")
    with pytest.raises(PonytacoError, match="no archive .*empty"):
        pick_character(storage, archives="empty")
