from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ponytaco.errors import PonytacoError
from ponytaco.notebook.recordings import (
    locate_recordings,
    pack_recordings,
    save_archive,
    show_packed,
)
from ponytaco.notebook.storage import Storage


@pytest.mark.parametrize(
    ("folder_or_tar", "character", "message"),
    [
        ("", "Me", "Fill in where"),
        ("nowhere", "Me", "There is no"),
        ("clip.zip", "Me", "neither a folder nor a .tar"),
        ("mine", "../Me", "cannot name a character"),
        ("mine", "", "cannot name a character"),
    ],
)
def test_wrong_fields_are_refused(tmp_path, folder_or_tar, character, message):
    (tmp_path / "mine").mkdir()
    (tmp_path / "clip.zip").write_bytes(b"")
    with pytest.raises(PonytacoError, match=message):
        locate_recordings(Storage(root=tmp_path, disk=tmp_path), folder_or_tar, character)


def test_a_folder_or_a_tar_is_found_and_saved(tmp_path):
    storage = Storage(root=tmp_path / "drive", disk=tmp_path / "disk")
    (storage.root / "mine").mkdir(parents=True)
    assert locate_recordings(storage, "mine", "Me") == storage.root / "mine"
    (storage.root / "Me.tar").write_bytes(b"tar")
    tar = locate_recordings(storage, "Me.tar", "Twilight Sparkle")
    assert pack_recordings(storage, tar, "Twilight Sparkle") == tar
    target = save_archive(storage, tar, "Me")
    (storage.root / "Me.tar").write_bytes(b"new")  # as long as the old one
    assert save_archive(storage, tar, "Me") == target
    assert target.read_bytes() == b"new"
    assert save_archive(storage, target, "Me") == target and target.read_bytes() == b"new"


def test_what_packing_left_out(capsys, tmp_path):
    left_out = tuple(map(str, range(20)))
    report = tmp_path / "Me.report.csv"
    show_packed(SimpleNamespace(clips=3, seconds=90.0, left_out=left_out, notes=(), report=report))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Packed 3 clips, 1.5 minutes."
    assert printed[-2:] == ["Left out 8 more.", f"{report} lists everything that was left out."]


@pytest.mark.parametrize(
    ("table", "cells"),
    [
        ("a|Hello.|me\nb|Bye now.|me\n", ["column 3: character", "Hello.", "Bye now.", "me (2)"]),
        (
            "file,line\na,Hello.\nb,Bye now.\n",
            ["with a header", "column 2: text", "by comma"],
        ),
        ("a\tHello.\n", ["column 1: sound", "1 sound without a text"]),
    ],
)
def test_how_a_folder_was_understood_is_shown(tmp_path, capsys, table, cells):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.sin(np.arange(9_000)), 22_050)
    (tmp_path / "metadata.csv").write_text(table)
    storage = Storage(root=tmp_path, disk=tmp_path / "disk")
    assert pack_recordings(storage, tmp_path, "Me") == tmp_path / "disk" / "Me.tar"
    printed = capsys.readouterr().out
    assert all(cell in printed for cell in cells)
    assert printed.index("Understood as a table") < printed.index("Packed")
