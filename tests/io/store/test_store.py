"""Nothing that a disk or an end of the session does loses a save, or makes one of half a file."""

import errno
import itertools
import json
import os
import random
import shutil
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from support.faulty_files import OPERATIONS, Faults, Kill
from support.soak import IS_SOAK

from ponytaco.errors import PonytacoError
from ponytaco.io.store.errors import NewerVersionError, StoreError, UnreadableError
from ponytaco.io.store.files import PASSING_ERRORS, Files
from ponytaco.io.store.saves import describe
from ponytaco.io.store.store import Store


def content(step, extra=b""):
    """A file of a save: its step, and bytes that differ from step to step."""
    body = b"%d\n" % step + random.Random(step).randbytes(500) + extra
    return body + b"%08x" % zlib.crc32(body)


def read(path):
    data = path.read_bytes()
    if len(data) < 10 or b"%08x" % zlib.crc32(data[:-8]) != data[-8:]:
        raise PonytacoError("it is damaged")
    return int(data.split(b"\n")[0]), data


def writer(step, extra=b""):
    return lambda path: path.write_bytes(content(step, extra))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "drive"


def store_in(folder, scratch=None, said=None, faults=None):
    log = (said if said is not None else []).append
    files = faults.files if faults else None
    return Store(folder, read, scratch, log=log, files=files, delays=(0, 0))


@pytest.fixture(params=["at once", "beside"])
def scratch(request, tmp_path):
    return tmp_path / "scratch" if request.param == "beside" else None


def fill(folder, scratch=None, steps=(10, 20, 30), best=20, extra=b""):
    store = store_in(folder, scratch)
    store.load()
    for step in steps:
        assert store.save(writer(step, extra), step, is_best=step == best)
        store.close()
    return store


def loaded_step(folder, scratch=None, said=None):
    found = store_in(folder, scratch, said).load()
    return None if found is None else found.save.step


# What a user finds


def test_a_folder_has_the_current_the_best_and_the_one_before(folder, scratch):
    store = fill(folder, scratch)
    assert read(folder / "current_model")[0] == 30
    assert read(folder / "best_model")[0] == 20
    names = sorted(path.name for path in (folder / "saves").iterdir())
    assert [name[:13] for name in names] == ["pointer.json", "step-00000020"]
    pointer = json.loads((folder / "saves" / "pointer.json").read_text())
    assert [save["step"] for save in pointer["saves"]] == [30, 20]
    assert pointer["best"]["step"] == 20
    assert set(pointer["best"]) == {"step", "size", "sha256", "time", "session", "number"}
    assert store.problem == ""
    if scratch is not None:
        assert not list(scratch.iterdir())
    assert not any(path.is_symlink() for path in folder.rglob("*"))


def test_what_was_saved_is_loaded(folder, scratch):
    fill(folder, scratch)
    found = store_in(folder, scratch).load()
    assert found.content == content(30) and found.sentence == ""
    assert found.path == folder / "current_model"


def test_nothing_is_none(folder):
    assert store_in(folder).load() is None
    assert not folder.exists()


def test_older_files_are_emptied_before_they_are_removed(folder, scratch):
    fill(folder, scratch)
    faults = Faults()
    sizes = []
    remove = faults.files.remove

    def spy(path):
        sizes.append(path.stat().st_size)
        remove(path)

    object.__setattr__(faults.files, "remove", spy)
    store = store_in(folder, scratch, faults=faults)
    store.load()
    store.save(writer(40), 40, is_best=True)
    store.close()
    assert len(sizes) >= 2 and set(sizes) == {0}
    assert loaded_step(folder) == 40


def test_a_run_from_before_there_was_a_store_goes_on(folder, scratch):
    folder.mkdir()
    (folder / "current_model").write_bytes(content(7))
    (folder / "best_model").write_bytes(content(5))
    store = store_in(folder, scratch)
    assert store.load().save.step == 7
    store.save(writer(8), 8)
    store.close()
    assert read(folder / "current_model")[0] == 8 and read(folder / "best_model")[0] == 5
    (folder / "current_model").unlink()
    assert loaded_step(folder) == 7


def test_a_checkpoint_that_a_user_put_there_is_taken(folder):
    fill(folder)
    (folder / "current_model").write_bytes(content(4))
    assert loaded_step(folder) == 4


def test_steps_may_go_back(folder, scratch):
    """After many steps that were no numbers a run goes back to an older save."""
    fill(folder, scratch, steps=(10, 20, 30, 15))
    assert loaded_step(folder) == 15
    (folder / "current_model").unlink()
    assert loaded_step(folder) == 30


# Damage


def damage(path, how, place):
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[: int(place * (len(data) - 1))]
    elif how == "bit":
        data[int(place * (len(data) - 1))] ^= 1 << (int(place * 1000) % 8)
    elif how == "emptied":
        data = b""
    path.write_bytes(data)
    if how == "deleted":
        path.unlink()


POINTERS = ["there", "lost", "torn", "empty", "json of another kind"]


def damage_pointer(path, how):
    if how == "lost":
        path.unlink()
    elif how == "torn":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "empty":
        os.truncate(path, 0)
    elif how != "there":
        path.write_text('{"saves": [3], "best": {}}')


@pytest.mark.parametrize("pointer", POINTERS)
@pytest.mark.parametrize("how", ["truncated", "bit", "emptied", "deleted"])
def test_a_damaged_newest_save_gives_the_older_one_and_says_so(tmp_path, pointer, how):
    fill(tmp_path / "whole")
    places = range(0, 100, 1 if pointer == "there" or IS_SOAK else 9)
    for i in places if how in ("truncated", "bit") else [0]:
        folder = Path(shutil.copytree(tmp_path / "whole", tmp_path / f"{i}"))
        damage(folder / "current_model", how, i / 100)
        damage_pointer(folder / "saves" / "pointer.json", pointer)
        store = store_in(folder)
        found = store.load()
        assert found.save.step == 20 and found.content == content(20)
        if pointer == "there" or how != "deleted":
            assert "Resuming from step 20" in found.sentence and "current_model" in found.sentence
        store.save(writer(21), 21)
        again = store_in(folder).load()
        assert again.save.step == 21 and again.sentence == ""
        damage(folder / "current_model", how, i / 100)
        assert loaded_step(folder) == 20  # what the run went on from was kept
        assert read(folder / "best_model")[0] == 20


@pytest.mark.parametrize(
    "hostile",
    [
        b"[" * 60_000,
        b'{"saves": [], "best": ' + b"9" * 5000 + b"}",
        b'{"saves": [{"step": 9, "size": 1, "sha256": "../../evil", "time": ""}], "best": null}',
        b'{"saves": [{"step": -9, "size": 1, "sha256": "' + b"0" * 64 + b'", "time": ""}]}',
        b'{"saves": [], "best": null}' + b" " * 2**21,
    ],
)
def test_a_pointer_by_a_stranger_is_lost_at_most(folder, hostile):
    fill(folder)
    (folder / "saves" / "pointer.json").write_bytes(hostile)
    assert loaded_step(folder) == 30


@pytest.mark.parametrize("pointer", POINTERS[1:])
def test_without_a_pointer_the_newest_is_still_found(folder, pointer):
    fill(folder)
    damage_pointer(folder / "saves" / "pointer.json", pointer)
    found = store_in(folder).load()
    assert found.save.step == 30 and "pointer.json" in found.sentence


def test_whole_files_with_other_bytes_are_not_taken_for_saves(folder):
    fill(folder)
    (folder / "current_model").write_bytes(content(30, b"other"))
    (older,) = (folder / "saves").glob("step-*")
    assert store_in(folder).load().path == older
    older.write_bytes(content(20, b"other"))
    assert store_in(folder).load().path == folder / "best_model"


def test_a_best_that_was_being_replaced_is_put_back(folder):
    fill(folder)
    (folder / "best_model").rename(folder / "saves" / ".old-best")
    store_in(folder).load()
    assert read(folder / "best_model")[0] == 20


def test_a_full_drive_is_not_filled_with_parts(folder, tmp_path):
    fill(folder, tmp_path / "scratch")
    store = store_in(folder, tmp_path / "scratch", faults=Faults(0, 10_000, 28, only=("write",)))
    store.load()
    for step in (40, 50):
        store.save(writer(step), step)
        store.close()
    assert not list((folder / "saves").glob(".partial*"))


def test_all_that_is_written_is_synced_before_it_counts(folder, tmp_path):
    done = count_operations(*fresh(tmp_path, "count", tmp_path))
    assert done.count("fsync") == done.count("write") + 1  # the save itself is written by torch
    for i, name in enumerate(done):
        assert name != "write" or done[i + 1] == "fsync"


def test_the_best_is_the_last_resort(folder):
    fill(folder)
    (folder / "current_model").write_bytes(b"")
    for path in (folder / "saves").glob("step-*"):
        path.write_bytes(b"")
    assert loaded_step(folder) == 20
    (folder / "best_model").write_bytes(b"")
    with pytest.raises(StoreError, match=r"No save can be used: .*current_model.*best_model"):
        store_in(folder).load()


# Errors of the disk


def count_operations(folder, scratch):
    faults = Faults()
    store = store_in(folder, scratch, faults=faults)
    store.load()
    store.save(writer(40), 40, is_best=True)
    store.close()
    return faults.done


def fresh(tmp_path, name, scratch):
    folder = tmp_path / name
    local = None if scratch is None else tmp_path / f"{name}-scratch"
    fill(folder, local)
    return folder, local


@pytest.mark.parametrize("number", sorted(PASSING_ERRORS))
@pytest.mark.parametrize("n_failures", [1, 10_000])
def test_an_error_at_any_operation_loses_nothing(tmp_path, scratch, number, n_failures):
    operations = count_operations(*fresh(tmp_path, "count", scratch))
    assert {"write", "fsync", "rename", "truncate", "remove"} == set(operations) == set(OPERATIONS)
    for i in range(len(operations)):
        folder, local = fresh(tmp_path, f"{i}", scratch)
        faults, said = Faults(i, n_failures, number), []
        store = store_in(folder, local, said, faults)
        before = store.load()
        assert before.save.step == 30
        saved = [store.save(writer(40), 40, is_best=True)]
        store.close()
        saved.append(store.save(writer(50), 50))
        store.close()
        if n_failures == 1:  # it was tried again
            assert all(saved) and not said and not store.problem
            assert loaded_step(folder) == 50 and read(folder / "best_model")[0] == 40
            continue
        assert len(said) == 1 and "last good save" in said[0], operations[i]
        assert store.problem
        # whatever arrived is whole, and nothing went back
        found = store_in(folder, local).load()
        assert found.save.step in (30, 40, 50)
        assert read(found.path)[0] == found.save.step
        # and when the disk is there again, all goes on
        store = store_in(folder, local)
        store.load()
        assert store.save(writer(60), 60)
        store.close()
        assert loaded_step(folder) == 60
        assert read(folder / "best_model")[0] in (20, 40)


def test_an_error_that_does_not_pass_is_not_waited_for(folder):
    fill(folder)
    faults, said = Faults(0, 10_000, errno.EACCES), []
    assert errno.EACCES not in PASSING_ERRORS
    store = store_in(folder, said=said, faults=faults)
    store.load()
    assert not store.save(writer(40), 40)
    assert len(said) == 1 and faults.done.count("fsync") == 1


def test_it_is_said_when_saving_works_again(folder):
    fill(folder)
    faults, said = Faults(0, 6, errno.ENOSPC, only=("fsync",)), []
    store = store_in(folder, said=said, faults=faults)
    store.load()
    for step in range(40, 46):
        store.save(writer(step), step)
    assert len(said) == 2 and "No space left" in said[0] and "works again: step" in said[1]
    assert not store.problem


def test_a_file_that_reads_otherwise_than_it_was_written_is_no_save(folder, tmp_path):
    """Drive has been seen to keep zeros where bytes were."""
    fill(folder, tmp_path / "scratch")
    faults, said = Faults(), []

    def write(file, data):
        file.write(bytes(len(data)) if data.startswith(b"40\n") else data)

    object.__setattr__(faults.files, "write", write)
    store = store_in(folder, tmp_path / "scratch", said, faults)
    store.load()
    store.save(writer(40), 40)
    store.close()
    assert len(said) == 1 and "bytes read differ" in said[0]
    assert loaded_step(folder) == 30


@pytest.mark.parametrize("is_new", [True, False])
def test_a_folder_that_vanishes_is_not_made_again(folder, scratch, tmp_path, is_new):
    if not is_new:
        fill(folder, scratch)
    said = []
    store = store_in(folder, scratch, said)
    store.load()
    steps = range(40, 46)
    for step in steps:
        if step == 41:
            folder.rename(tmp_path / "away")
        elif step == 44:
            (tmp_path / "away").rename(folder)
        store.save(writer(step), step)
        store.close()
        assert folder.exists() == (step not in (41, 42, 43)) == (not store.problem)
    assert len(said) == 2 and "connect Drive again" in said[0] and "step 44 is saved" in said[1]
    assert str(folder) in said[0]
    assert loaded_step(folder, scratch) == 45


def test_an_empty_folder_in_the_place_of_the_runs_stays_empty(folder, scratch, tmp_path):
    fill(folder, scratch)
    store = store_in(folder, scratch)
    store.load()
    folder.rename(tmp_path / "away")
    folder.mkdir()
    store.save(writer(40), 40)
    store.close()
    assert store.problem and not list(folder.iterdir())


@pytest.mark.parametrize("error", [PonytacoError("no"), RuntimeError("no"), OSError(28, "full")])
def test_a_save_that_cannot_be_made_is_said(folder, error):
    fill(folder)
    said = []
    store = store_in(folder, said=said)
    store.load()

    def fail(path):
        path.write_bytes(b"half")
        raise error

    assert not store.save(fail, 40) and len(said) == 1 and store.problem
    assert not [p for p in (folder / "saves").iterdir() if "partial" in p.name]


@pytest.mark.parametrize("bad", [b"", b"half", content(39)])
def test_a_save_that_does_not_verify_is_none(folder, bad):
    fill(folder)
    said = []
    store = store_in(folder, said=said)
    store.load()
    assert not store.save(lambda path: path.write_bytes(bad), 40)
    assert len(said) == 1 and loaded_step(folder) == 30


# A disk that is full


LARGE = random.Random(0).randbytes(50_000)


def resumable(folder):
    """What a session would resume, without touching the folder."""
    copied = Path(shutil.copytree(folder, folder.with_name("copied")))
    found = store_in(copied).load()
    shutil.rmtree(copied)
    assert found.content == content(found.save.step, LARGE)
    return found.save.step


class SmallDisk:
    """A disk that holds so many large saves, and Files that notice."""

    def __init__(self, folder, n_saves):
        self._folder, self.n_saves = folder, n_saves
        self.most_used = 0.0
        self.files = Files(write=self.write)

    @property
    def used(self):
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files) / len(content(40, LARGE))

    def write(self, file, data):
        file.flush()
        room = int((self.n_saves - self.used) * len(content(40, LARGE)))
        file.write(data[: max(room, 0)])
        file.flush()
        self.most_used = max(self.most_used, self.used)
        if room < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def writer(self, step):
        def write(path):
            with path.open("wb") as file:
                self.write(file, content(step, LARGE))

        return write


def test_what_a_full_disk_leaves_does_not_fill_it_further(folder, scratch):
    for n_saves in np.arange(3.0, 6.5, 0.1 if IS_SOAK else 0.25):
        shutil.rmtree(folder, ignore_errors=True)
        fill(folder, scratch, extra=LARGE)
        disk, said = SmallDisk(folder, n_saves), []
        write = disk.writer if scratch is None else lambda step: writer(step, LARGE)
        store = Store(folder, read, scratch, log=said.append, files=disk.files, delays=(0,))
        arrived = store.load().save.step
        for step in range(40, 50):
            store.save(write(step), step, is_best=step == 44)
            store.close()
            # current, the one before it, one that could not be listed, and best_model
            assert disk.used < 4.1
            at_least = arrived if store.problem else step
            arrived = resumable(folder)
            assert arrived >= at_least
        if store.problem:
            assert len(said) == 1 and f"{folder}: No space left on device. " in said[0]
            assert n_saves < 5.1  # those and the best's copy
        disk.n_saves = 20
        assert store.save(write(50), 50)
        store.close()
        assert resumable(folder) == 50 and disk.used < 3.1


def test_a_save_that_fits_though_its_pointer_does_not_is_resumed(folder, scratch):
    fill(folder, scratch, extra=LARGE)
    disk = SmallDisk(folder, 100)

    def write(file, data):
        if file.name.endswith("pointer.json.new"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.write(data)

    object.__setattr__(disk.files, "write", write)
    store = Store(folder, read, scratch, files=disk.files, delays=())
    store.load()
    for step in (40, 50, 60):
        store.save(writer(step, LARGE), step, is_best=step == 50)
        store.close()
        assert store.problem and resumable(folder) == step and disk.used < 5.1
    assert fill(folder, scratch, steps=(70,), extra=LARGE).problem == ""
    assert resumable(folder) == 70 and disk.used < 3.1
    assert read(folder / "best_model")[0] == 50


@pytest.mark.parametrize(
    ("number", "reason"), [(28, "No space left on device. Free"), (5, "Input/output error.")]
)
def test_a_full_local_disk_is_named(folder, tmp_path, number, reason):
    scratch, said = tmp_path / "scratch", []
    store = store_in(folder, scratch, said)

    def fail(path):
        raise OSError(number, os.strerror(number))

    assert not store.save(fail, 40)
    assert f"in {scratch}, on the local disk: {reason}" in store.problem
    assert len(said) == 1


def test_local_saves_that_cannot_be_copied_do_not_pile_up(folder, tmp_path):
    scratch = tmp_path / "scratch"
    store = store_in(folder, scratch, faults=Faults(0, 10_000, errno.ENOSPC, only=("write",)))
    left = []

    def write(step):
        def write(path):
            left.append(len(list(scratch.iterdir())))
            path.write_bytes(content(step))

        return write

    for step in range(1, 9):
        assert store.save(write(step), step)
        store.close()
    assert max(left) == 1 and loaded_step(folder, scratch) == 8


# Reading


class BadReads:
    """Let opening files by these names for reading fail ``n`` times, after ``skip`` that work."""

    def __init__(self, monkeypatch, number=errno.EIO):
        self.stop()
        real = Path.open

        def open_(path, mode="r", *args, **kwargs):
            if (
                mode == "rb"
                and path.name.startswith(self.names)
                and next(self.count) in self.failing
            ):
                raise OSError(number, os.strerror(number), str(path))
            return real(path, mode, *args, **kwargs)

        monkeypatch.setattr(Path, "open", open_)

    def fail(self, *names, n=10_000, skip=0):
        self.names, self.count, self.failing = names, itertools.count(), range(skip, skip + n)

    def stop(self):
        self.fail(n=0)


@pytest.fixture
def bad_reads(monkeypatch):
    return BadReads(monkeypatch)


def read_as_training_does(path):
    """A reader that makes every error one of the file."""
    try:
        return read(path)
    except OSError as error:
        raise PonytacoError(f"{path} cannot be read: {error}") from None


@pytest.mark.parametrize("names", [("current_model",), ("pointer.json",), ("step-",), ("",)])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("reader", [read, read_as_training_does])
def test_a_read_that_fails_for_a_moment_costs_nothing(folder, scratch, bad_reads, names, n, reader):
    fill(folder, scratch)
    for skip in range(6):
        bad_reads.fail(*names, n=n, skip=skip)
        found = Store(folder, reader, scratch, delays=(0, 0)).load()
        assert found.save.step == 30 and found.sentence == ""


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ETIMEDOUT])
def test_what_cannot_be_read_is_never_deleted(folder, scratch, monkeypatch, number):
    fill(folder, scratch)
    newest = (folder / "current_model").read_bytes()
    bad_reads = BadReads(monkeypatch, number)

    def kept():
        return [path for path in (folder / "saves").glob("unread-*") if path.stat().st_size]

    bad_reads.fail("current_model")
    store = store_in(folder, scratch)
    found = store.load()
    assert found.save.step == 20 and "current_model cannot be read" in found.sentence
    bad_reads.fail("unread-")
    for step in (21, 22, 23):
        assert store.save(writer(step), step)
        store.close()
        assert len(kept()) == 1 and not store.problem
    bad_reads.stop()
    assert kept()[0].read_bytes() == newest
    fill(folder, scratch, steps=(24,))
    assert len(kept()) == 1  # it can be read, but the run is not as far
    bad_reads.fail("unread-")
    fill(folder, scratch, steps=(31,))
    assert len(kept()) == 1
    bad_reads.stop()
    fill(folder, scratch, steps=(32,))
    assert not kept() and loaded_step(folder, scratch) == 32


def test_an_unread_save_is_resumed_if_the_others_are_damaged(folder, bad_reads):
    fill(folder)
    bad_reads.fail("current_model")
    store = store_in(folder)
    store.load()
    store.save(writer(21), 21)
    bad_reads.stop()
    assert len(list((folder / "saves").glob("unread-step-00000030-*"))) == 1
    for path in (folder / "current_model", *(folder / "saves").glob("step-*")):
        path.write_bytes(b"")
    assert loaded_step(folder) == 30


def test_an_old_best_is_not_resumed_while_newer_saves_cannot_be_read(folder, bad_reads):
    fill(folder, best=10)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    bad_reads.fail("current_model", "step-")
    with pytest.raises(UnreadableError, match="current_model cannot be read .Input/output error"):
        store_in(folder).load()
    bad_reads.stop()
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert loaded_step(folder) == 30


def test_a_save_of_a_newer_version_is_neither_passed_over_nor_deleted(folder, scratch):
    fill(folder, scratch)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def read_older(path):
        if read(path)[0] == 30:
            raise NewerVersionError("Upgrade ponytaco.")
        return read(path)

    for _ in range(2):
        with pytest.raises(NewerVersionError):
            Store(folder, read_older, scratch).load()
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The end of a session, anywhere


def test_a_death_at_any_operation_leaves_a_save(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    n_operations = len(count_operations(*fresh(tmp_path, "count", scratch)))
    for i in range(n_operations):
        folder, local = fresh(tmp_path, f"{i}", scratch)
        store = store_in(folder, local, faults=Faults(i, number=None))
        try:
            store.load()
            store.save(writer(40), 40, is_best=True)
            store.close()
        except Kill:
            pass
        for machine in {None, local}:  # the same machine again, or another one
            found = store_in(folder, machine).load()
            assert found.save.step in (30, 40)
            assert found.content == content(found.save.step)
        store = store_in(folder, None)
        first = store.load().save.step
        store.save(writer(50), 50)
        assert loaded_step(folder) == 50
        pointer = json.loads((folder / "saves" / "pointer.json").read_text())
        assert read(folder / "best_model")[0] == pointer["best"]["step"]
        left = sorted(path.name[:13] for path in (folder / "saves").iterdir())
        assert left == ["pointer.json", f"step-{first:08d}"]


# Beside training


class SlowDrive:
    """Files of which each write waits for leave."""

    def __init__(self):
        self.faults = Faults()
        self.leave, self.threads = threading.Event(), set()
        write = self.faults.files.write

        def slow(file, data):
            self.threads.add(threading.get_ident())
            assert self.leave.wait(10)
            write(file, data)

        object.__setattr__(self.faults.files, "write", slow)


def test_training_does_not_wait_for_a_slow_drive(folder, tmp_path):
    drive = SlowDrive()
    store = store_in(folder, tmp_path / "scratch", faults=drive.faults)
    started = time.monotonic()
    for step in range(1, 9):
        assert store.save(writer(step), step, is_best=step == 4)
        assert sum(t.name == "copying to Drive" for t in threading.enumerate()) == 1
    assert time.monotonic() - started < 5
    assert not (folder / "current_model").exists()
    # the one under way, the best and the newest: the others would be waste
    assert len(list((tmp_path / "scratch").iterdir())) == 3
    drive.leave.set()
    store.close()
    assert loaded_step(folder) == 8 and read(folder / "best_model")[0] == 4
    assert len(drive.threads) == 1 and not list((tmp_path / "scratch").iterdir())


def test_what_never_arrived_is_taken_from_the_machine(folder, tmp_path):
    scratch = tmp_path / "scratch"
    fill(folder, scratch)
    time.sleep(0.02)
    faults = Faults(0, 10_000, errno.ENOTCONN, only=("write",))
    store = store_in(folder, scratch, faults=faults)
    store.load()
    assert store.save(writer(40), 40)
    store.close()
    assert "not connected" in store.problem
    assert loaded_step(folder) == 30
    found = store_in(folder, scratch).load()
    assert found.save.step == 40 and found.path.parent == scratch
    store = store_in(folder, scratch)
    store.load()
    store.save(writer(50), 50)
    store.close()
    assert loaded_step(folder, scratch) == 50 and not list(scratch.iterdir())


def scratch_with_a_save_that_never_arrived(folder, tmp_path):
    scratch = tmp_path / "scratch"
    fill(folder, scratch)
    store = store_in(folder, scratch, faults=Faults(0, 10_000, errno.EIO, only=("write",)))
    store.load()
    assert store.save(writer(40), 40)
    store.close()
    return scratch


@pytest.mark.parametrize("is_best", [False, True])
def test_what_never_arrived_arrives_without_another_save(folder, tmp_path, is_best):
    """A session may have nothing left to do, or be cut off long before its next save."""
    scratch = scratch_with_a_save_that_never_arrived(folder, tmp_path)
    store = store_in(folder, scratch)
    assert store.publish(store.load(), is_best)
    store.close()
    assert not store.problem and not list(scratch.iterdir())
    assert read(folder / "current_model")[0] == 40
    assert read(folder / "best_model")[0] == (40 if is_best else 20)
    names = [path.name[:13] for path in (folder / "saves").iterdir() if "owner" not in path.name]
    assert sorted(names) == ["pointer.json", "step-00000030"]
    assert not store.publish(store_in(folder, scratch).load(), is_best)


def test_what_does_not_arrive_again_is_a_problem_again(folder, tmp_path):
    scratch = scratch_with_a_save_that_never_arrived(folder, tmp_path)
    store = store_in(folder, scratch, faults=Faults(0, 10_000, errno.EIO, only=("write",)))
    store.publish(store.load(), is_best=False)
    store.close()
    assert "Step 40 could not be saved" in store.problem and loaded_step(folder) == 30
    assert loaded_step(folder, scratch) == 40


def test_a_save_that_was_cut_off_becomes_current(folder, scratch):
    fill(folder, scratch)
    save = describe(folder / "current_model", 30, 1, 3)
    (folder / "current_model").rename(folder / "saves" / save.name)
    store = store_in(folder, scratch)
    assert store.publish(store.load(), is_best=False)
    store.close()
    assert read(folder / "current_model")[0] == 30 and loaded_step(folder) == 30


def test_an_older_save_does_not_replace_a_damaged_one_by_itself(folder, scratch):
    fill(folder, scratch)
    (folder / "current_model").write_bytes(b"damaged")
    store = store_in(folder, scratch)
    assert not store.publish(store.load(), is_best=False)
    assert (folder / "current_model").read_bytes() == b"damaged"


@pytest.mark.parametrize("shift", [-1e6, 1e6])
def test_a_clock_that_is_set_decides_nothing(folder, tmp_path, shift):
    scratch = scratch_with_a_save_that_never_arrived(folder, tmp_path)
    for path in (folder / "current_model", *(folder / "saves").glob("step-*")):
        os.utime(path, (time.time() + shift, time.time() + shift))
    found = store_in(folder, scratch).load()
    assert found.save.step == 40 and found.sentence == ""
    (folder / "current_model").write_bytes(content(5))  # a user put it there
    os.utime(folder / "current_model", (time.time() + shift, time.time() + shift))
    assert loaded_step(folder, scratch) == 5


def test_what_never_arrived_is_older_than_a_later_sessions_save(folder, tmp_path):
    """A run that went on elsewhere from an earlier save is not put back by the first machine."""
    scratch = scratch_with_a_save_that_never_arrived(folder, tmp_path)
    for step in (35, 36):
        fill(folder, tmp_path / "elsewhere", steps=(step,))
    assert loaded_step(folder, scratch) == 36
    store = fill(folder, scratch, steps=(37,))
    assert loaded_step(folder, scratch) == 37 and not store.problem and not list(scratch.iterdir())


def test_saves_of_an_older_ponytaco_are_ordered_by_step(folder, tmp_path):
    scratch = scratch_with_a_save_that_never_arrived(folder, tmp_path)
    for path in (*scratch.iterdir(), *(folder / "saves").glob("step-*")):
        path.rename(path.with_name("-".join(path.name.split("-")[:3])))
    pointer = json.loads((folder / "saves" / "pointer.json").read_text())
    for save in (*pointer["saves"], pointer["best"]):
        del save["session"], save["number"]
    (folder / "saves" / "pointer.json").write_text(json.dumps(pointer))
    assert loaded_step(folder, scratch) == 40
    assert loaded_step(folder) == 30
    (folder / "current_model").unlink()
    assert loaded_step(folder) == 20


def test_after_one_from_the_machine_the_folder_still_keeps_two(folder, tmp_path):
    scratch = scratch_with_a_save_that_never_arrived(folder, tmp_path)
    store = store_in(folder, scratch)
    assert store.load().save.step == 40
    assert store.save(writer(50), 50)
    store.close()
    assert read(folder / "current_model")[0] == 50
    (folder / "current_model").write_bytes(b"")
    assert loaded_step(folder) == 30


def test_an_older_copys_arrival_mends_no_newer_failure(folder, tmp_path):
    drive = SlowDrive()
    store = store_in(folder, tmp_path / "scratch", faults=drive.faults)
    assert store.save(writer(1), 1)

    def fail(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert not store.save(fail, 2)
    drive.leave.set()
    store.close()
    assert loaded_step(folder) == 1 and "Step 2" in store.problem
