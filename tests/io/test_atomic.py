import errno
import fcntl
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

import ponytaco.io.atomic as atomic
from ponytaco.io.atomic import atomic_write


def test_it_takes_the_place_when_it_is_complete(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path and temporary.name.startswith(".")
        assert temporary.suffix != ".txt"  # what looks for such files does not find it
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError(), KeyboardInterrupt()])
@pytest.mark.parametrize("begun", [True, False])
def test_whatever_is_raised_leaves_all_as_it_was(tmp_path, error, begun):
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(type(error)) as raised, atomic_write(path) as temporary:
        if begun:
            temporary.write_text("half")
        raise error
    assert raised.value is error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_leads_to_a_pipe_is_not_replaced(tmp_path):
    """A privileged user could: `-o /dev/stdout` would leave a file in the place of that link."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "stdout").symlink_to(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="pipe or a device"), atomic_write(tmp_path / "stdout") as f:
        f.write_text("x")
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "stdout").is_symlink()


def test_a_device_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "zero"
    path.touch()
    device = os.stat("/dev/zero")  # itself at stake if this fails
    monkeypatch.setattr(os, "stat", lambda asked, **_: device if asked == path else None)
    with pytest.raises(OSError, match="pipe or a device"), atomic_write(path) as temporary:
        temporary.write_text("x")
    assert path.read_bytes() == b"" and list(tmp_path.iterdir()) == [path]


def fail(*args, **kwargs):
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_what_fails_at_the_end_leaves_nothing(tmp_path, monkeypatch, failing):
    monkeypatch.setattr(os, failing, fail)
    with (
        pytest.raises(OSError, match="Input/output"),
        atomic_write(tmp_path / "f", durable=True) as temporary,
    ):
        temporary.write_text("new")
    assert list(tmp_path.iterdir()) == []


def test_only_what_must_last_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fail)
    with atomic_write(tmp_path / "f") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "f").read_text() == "new"


def test_without_its_folder_it_cannot_begin(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "none" / "f") as temporary:
        temporary.write_text("new")


# Processes that write the same file


@pytest.fixture
def writer(tmp_path):
    """Begin to write ``f`` in another process, which then waits."""
    context = multiprocessing.get_context("fork")
    processes = []

    def write(go_on, begun):
        with atomic_write(tmp_path / "f") as temporary:
            temporary.write_text("theirs, and much longer than ours")
            begun.set()
            go_on.wait(60)

    def start():
        go_on, begun = context.Event(), context.Event()
        process = context.Process(target=write, args=(go_on, begun))
        process.start()
        processes.append(process)
        assert begun.wait(60)
        return process, go_on

    yield start
    for process in processes:
        process.kill()
        process.join()


def test_what_a_killed_process_left_is_overwritten(tmp_path, writer):
    path = tmp_path / "f"
    process, _ = writer()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    (leftover,) = tmp_path.iterdir()
    with atomic_write(path) as temporary:
        assert temporary == leftover and temporary.read_text() == ""
        temporary.write_text("ours")
    assert path.read_text() == "ours" and list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_meet(tmp_path, writer):
    path = tmp_path / "f"
    process, go_on = writer()
    with atomic_write(path) as temporary, atomic_write(path) as third:
        temporary.write_text("ours")
        third.write_text("of another thread")
        assert len(list(tmp_path.iterdir())) == 3
    assert path.read_text() == "ours"
    go_on.set()
    process.join(60)
    assert process.exitcode == 0 and path.read_text().startswith("theirs")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_has_just_been_renamed_is_not_taken_for_a_leftover(tmp_path, monkeypatch):
    path = tmp_path / "f"
    real = fcntl.flock

    def flock(descriptor, operation):
        monkeypatch.setattr(fcntl, "flock", real)
        Path(tmp_path / ".f.0.part").write_text("theirs")
        os.replace(tmp_path / ".f.0.part", path)
        real(descriptor, operation)

    monkeypatch.setattr(atomic.fcntl, "flock", flock)
    with atomic_write(path) as temporary:
        assert path.read_text() == "theirs" and temporary.read_text() == ""
        temporary.write_text("ours")
    assert path.read_text() == "ours" and list(tmp_path.iterdir()) == [path]


def test_a_disk_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.fcntl, "flock", fail)
    with atomic_write(tmp_path / "f") as temporary:
        assert str(os.getpid()) in temporary.name
        temporary.write_text("new")
    assert (tmp_path / "f").read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_a_link_in_the_way_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".f.0.part").symlink_to(tmp_path / "precious")
    with atomic_write(tmp_path / "f") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "f").read_text() == "new" and not (tmp_path / "f").is_symlink()
