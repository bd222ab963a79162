import os
import socket
import sys

import pytest
from support.waiting import within

from ponytaco.io.strangers import inside, open_regular

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def test_a_file_is_opened_also_by_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"


def pipe(path):
    os.mkfifo(path)


def pipe_behind_a_link(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def device(path):
    path.symlink_to("/dev/zero")


def terminal(path):
    path.symlink_to("/dev/tty")


def open_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


@pytest.mark.parametrize("make", [pipe, pipe_behind_a_link, device, terminal, open_socket])
def test_what_is_not_a_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "a")
    refused = pytest.raises(OSError, match="pipe or a device, not a file")
    with within(5), refused, open_regular(tmp_path / "a"):
        pass


def test_what_becomes_a_pipe_in_the_meantime_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"")
    regular = os.stat(tmp_path / "a")
    (tmp_path / "a").unlink()
    os.mkfifo(tmp_path / "a")
    monkeypatch.setattr(os, "stat", lambda path: regular)
    with within(5), pytest.raises(OSError, match="not a file"), open_regular(tmp_path / "a"):
        pass


def test_folders_and_missing_files_are_what_they_are(tmp_path):
    for path, error in ((tmp_path, IsADirectoryError), (tmp_path / "no", FileNotFoundError)):
        with pytest.raises(error), open_regular(path):
            pass


@pytest.mark.parametrize(
    ("target", "is_fine"),
    [
        ("in", True),
        ("../folder/in", True),
        ("deep/../in", True),
        ("nothing", True),
        ("../out", False),
        ("/etc/passwd", False),
        ("deep/../../out", False),
        ("../folder-too/in", False),
        ("link", False),
    ],
)
def test_links_stay_inside(tmp_path, target, is_fine):
    for name in ("folder", "folder/deep", "folder-too"):
        (tmp_path / name).mkdir()
    for name in ("folder/in", "out", "folder-too/in"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder" / "link").symlink_to(target)
    assert inside(tmp_path / "folder")(tmp_path / "folder" / "link") == is_fine
    (tmp_path / "named").symlink_to("folder")  # the folder itself may be a link
    assert inside(tmp_path / "named")(tmp_path / "named" / "link") == is_fine
    assert inside(tmp_path / "named")(tmp_path / "named" / "deep" / "new")


def test_names_lead_outside_too(tmp_path):
    is_inside = inside(tmp_path)
    for name in ("..", "../x", "a/../../x", "deep/../.."):
        assert not is_inside(tmp_path / name)
    assert not is_inside(tmp_path / "a\0b" / "c") or os.name == "nt"
