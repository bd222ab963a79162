from types import SimpleNamespace

import pytest

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


def test_what_packing_left_out(capsys):
    show_packed(SimpleNamespace(clips=3, seconds=90.0, left_out=tuple(map(str, range(20)))))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Packed 3 clips, 1.5 minutes."
    assert printed[-1] == "Left out 8 more, for such reasons."
