"""One owner a run's folder: who comes waits or takes over, and who has lost it saves no more."""

import errno
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.faulty_files import Faults
from support.soak import often

import ponytaco.io.store.owner as owner_module
from ponytaco.errors import PonytacoError
from ponytaco.io.store.files import Files, digest
from ponytaco.io.store.owner import Clock, Owner, OwnerError
from ponytaco.io.store.saves import Pointer, parse_name
from ponytaco.io.store.store import Store


@pytest.fixture
def saves(tmp_path):
    return tmp_path / "run" / "saves"


class FakeClock:
    """A clock on which time passes only while something sleeps."""

    def __init__(self, while_sleeping=lambda now: None):
        self.time, self._do = 0.0, while_sleeping
        self.clock = Clock(lambda: self.time, self.sleep)

    def sleep(self, seconds):
        self.time += seconds
        self._do(self.time)


def owner_of(saves, said=None, clock=None, files=None):
    log = (said if said is not None else []).append
    return Owner(saves, log, files, clock.clock if clock else None)


def owner_files(saves):
    return sorted(path.name for path in saves.glob("*owner-*"))


def stranger(saves, session=1, beat=0, **fields):
    """The owner file of a session of another machine."""
    saves.mkdir(parents=True, exist_ok=True)
    path = saves / f"owner-{session}-{'e' * 16}.json"
    content = {"state": "training", "beat": f"{beat:010}", "host": "3f2a1c", "machine": "other",
               "process": "17-4711", "since": "2026-08-19 11:05 UTC", **fields}  # fmt: skip
    path.write_text(json.dumps(content))
    return path


# Coming to a folder


def test_a_free_folder_is_owned_at_once_and_left_as_it_was(saves):
    clock, said = FakeClock(), []
    owner = owner_of(saves, said, clock)
    owner.claim(4, None)
    assert owner.session == 5 and clock.time == 0 and not said
    (name,) = owner_files(saves)
    fields = json.loads((saves / name).read_text())
    assert name.startswith("owner-5-") and fields["state"] == "training"
    with owner.owning():
        pass
    owner.release()
    assert not saves.parent.exists()  # nothing had come of it


def test_a_folder_that_was_there_stays(saves):
    saves.parent.mkdir()
    owner = owner_of(saves)
    owner.claim(0, None)
    owner.release()
    assert saves.parent.is_dir() and not saves.exists()


def test_one_that_shows_no_sign_is_taken_over_after_a_while(saves):
    path = stranger(saves)
    late = time.time() + 1e6  # its clock says nothing
    os.utime(path, (late, late))
    clock, said = FakeClock(), []
    owner = owner_of(saves, said, clock)
    owner.claim(0, None)
    assert 90 <= clock.time < 91 and owner.session == 2
    assert len(owner_files(saves)) == 1 and not path.exists()
    assert "in use by another session (on 3f2a1c, since 2026-08-19 11:05 UTC)" in said[0]
    assert "--take-over" in said[0] and len(said) == 2
    owner.release()


def test_one_that_lives_is_not_disturbed(saves):
    stranger(saves)
    clock = FakeClock(lambda now: stranger(saves, beat=int(now / 30)))
    with pytest.raises(OwnerError, match=r"run is being trained by another session \(on 3f2a1c"):
        owner_of(saves, clock=clock).claim(0, None)
    assert 60 <= clock.time < 61 and owner_files(saves) == [f"owner-1-{'e' * 16}.json"]


def test_one_last_sign_that_comes_late_is_none(saves):
    """Drive may show what a dead machine has written after it has died."""
    stranger(saves)
    clock = FakeClock(lambda now: stranger(saves, beat=int(now > 40)))
    owner = owner_of(saves, clock=clock)
    owner.claim(0, None)
    assert 130 <= clock.time < 132
    owner.release()


def test_one_that_ends_meanwhile_leaves_the_folder(saves):
    path = stranger(saves)
    for leave in (lambda: stranger(saves, state="released"), path.unlink):
        stranger(saves)
        clock = FakeClock(lambda now, leave=leave: leave() if 10 < now < 10.3 else None)
        owner = owner_of(saves, clock=clock)
        owner.claim(0, None)
        assert clock.time < 11
        owner.release()


def test_a_click_takes_over_while_waiting(saves):
    stranger(saves)
    clock, said = FakeClock(lambda now: stranger(saves, beat=int(now / 30))), []
    owner = owner_of(saves, said, clock)
    owner.claim(0, lambda: clock.time > 200)  # who can click is not refused
    assert "--take-over" not in said[0] and "Taking over" in said[1]
    assert 220 < clock.time < 222  # it did not answer
    owner.release()


def test_one_that_is_taken_over_notices_answers_and_says_so(saves, monkeypatch):
    monkeypatch.setattr(owner_module, "_LOOK", 0.01)
    old, new = owner_of(saves), owner_of(saves)
    old.claim(0, None)
    old.last_save = "Its last save is step 1,200."
    started = time.monotonic()
    new.claim(0, lambda: True)
    assert time.monotonic() - started < 10 and len(owner_files(saves)) == 1
    sentence = (
        r"^Another session \(on .*\) has taken over .*run; this one stops\. Its last save is step "
        r"1,200\.$"
    )
    with pytest.raises(OwnerError, match=sentence):
        old.require()
    with pytest.raises(OwnerError), old.owning():
        pass
    old.release()
    with new.owning():
        pass
    new.release()
    assert not list(saves.iterdir())


def test_no_answer_is_given_while_files_are_changed(saves, monkeypatch):
    monkeypatch.setattr(owner_module, "_LOOK", 0.01)
    old, new = owner_of(saves), owner_of(saves)
    old.claim(0, None)
    with old.owning():
        thread = threading.Thread(target=new.claim, args=(0, lambda: True))
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()
    for owner in (old, new):
        owner.release()


def test_a_claim_that_is_not_finished_takes_nothing_over(saves):
    owner = owner_of(saves)
    owner.claim(0, None)
    claiming = stranger(saves, session=2, state="claiming")
    with owner.owning():
        pass
    clock = FakeClock(lambda now: owner._put("training") or setattr(owner, "_n_beats", int(now)))
    with pytest.raises(OwnerError):  # a third sees the one that trains, not the one that claims
        owner_of(saves, clock=clock).claim(0, None)
    claiming.unlink()
    owner.release()


CLAIM = (
    "import sys, time\nfrom pathlib import Path\nfrom ponytaco.io.store.owner import Owner\n"
    "Owner(Path(sys.argv[1]), print).claim(0, None)\nprint('owns', flush=True)\ntime.sleep(60)"
)


def claim_elsewhere(saves):
    root = str(Path(owner_module.__file__).parents[3])
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(saves)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert process.stdout.readline() == "owns\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not told apart there")
def test_a_killed_process_of_this_machine_is_not_waited_for(saves):
    process = claim_elsewhere(saves)
    clock = FakeClock(lambda now: clock.time > 20 and process.kill())
    process.send_signal(signal.SIGSTOP)
    owner = owner_of(saves, clock=clock)
    owner.claim(0, None)  # not even reaped yet
    assert 20 <= clock.time < 60 and owner.session == 2
    owner.release()
    process.wait()
    process.stdout.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("process", ["{pid}-1", "{parent}-1", "{gone}-1", "{me}"])
def test_a_process_whose_number_another_has_is_not_waited_for(saves, process):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    process = process.format(pid=os.getpid(), parent=os.getppid(), gone=child.pid,
                             me=owner_module._process(os.getpid()))  # fmt: skip
    stranger(saves, machine=owner_module._machine(), process=process)
    clock = FakeClock()
    owner = owner_of(saves, clock=clock)
    owner.claim(0, None)
    assert clock.time == 0
    owner.release()


def test_a_living_process_of_this_machine_is_waited_for(saves):
    parent = owner_module._process(os.getppid())
    stranger(saves, machine=owner_module._machine(), process=parent)
    clock = FakeClock()
    owner = owner_of(saves, clock=clock)
    owner.claim(0, None)
    assert clock.time >= 90
    owner.release()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 4000, b"[1]", b'{"state": 3, "host": {}}', b"\xff" * 9000,
     b'{"host": "\\u001b[2Jx", "since": "\\u202e", "process": "-1-2", "machine": []}'],
)  # fmt: skip
def test_a_damaged_owner_file_is_waited_for_and_not_shown(saves, content):
    path = stranger(saves)
    path.write_bytes(content)
    clock, said = FakeClock(), []
    owner = owner_of(saves, said, clock)
    owner.claim(0, None)
    assert clock.time >= 90 and "in use by another session. Waiting" in said[0]
    owner.release()


@pytest.mark.parametrize("number", [10**9 - 1, 10**15 - 1, 10**19 - 1])
def test_sessions_after_a_number_of_any_length_see_each_other(saves, number):
    stranger(saves, session=number)
    first, second = (owner_of(saves, clock=FakeClock()) for _ in range(2))
    for owner in (first, second):
        owner.claim(0, lambda: True)
        name = f"step-00000001-{'0' * 16}-{owner.session}.1"
        assert parse_name(name).order == (owner.session, 1, 1)
    with pytest.raises(OwnerError, match="Another session .* has taken over"), first.owning():
        pass
    with second.owning():
        pass
    first.release()
    second.release()


# Disks


def test_a_missing_owner_file_is_written_again(saves):
    owner = owner_of(saves)
    owner.claim(0, None)
    (path,) = saves.iterdir()
    path.unlink()
    with owner.owning():
        assert path.is_file()
    path.unlink()
    later = {"step": 9, "size": 1, "sha256": "0" * 64, "time": "", "session": 2, "number": 1}
    (saves / "pointer.json").write_text(json.dumps({"saves": [later], "best": None}))
    with pytest.raises(OwnerError, match="Another session has taken over"), owner.owning():
        pass
    owner.release()


def test_a_folder_that_is_gone_is_neither_lost_nor_made_again(saves):
    owner = owner_of(saves)
    owner.claim(0, None)
    saves.parent.rename(saves.parent.with_name("away"))
    with pytest.raises(FileNotFoundError), owner.owning():
        pass
    saves.parent.with_name("away").rename(saves.parent)
    with owner.owning():
        pass
    owner.release()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_owner_file_that_cannot_be_written_stops_nothing(saves, number):
    for i in range(12):
        for n_failures in (1, 10_000):
            said = []
            owner = owner_of(saves, said, files=Faults(i, n_failures, number).files)
            owner.claim(0, None)
            assert len(said) <= 1 and all("cannot be marked as in use" in text for text in said)
            assert said or i > 4
            owner.release()
            shutil.rmtree(saves.parent, ignore_errors=True)


def test_beats_that_fail_are_only_noted(saves, monkeypatch):
    monkeypatch.setattr(owner_module, "_LOOK", 0.005)
    monkeypatch.setattr(owner_module, "_BEAT", 0.005)
    faults, said = Faults(), []
    owner = owner_of(saves, said, files=faults.files)
    owner.claim(0, None)
    (path,) = saves.iterdir()

    def changes(seconds):
        before, until = path.read_bytes(), time.monotonic() + seconds
        while path.read_bytes() == before and time.monotonic() < until:
            time.sleep(0.005)
        return path.read_bytes() != before

    assert changes(10)
    size = path.stat().st_size
    faults._range, faults._only = range(10**9), ("fsync", "write")
    time.sleep(0.2)
    assert len(said) == 1 and "Training continues" in said[0]
    assert path.stat().st_size == size  # not even half a beat breaks it
    faults._range = range(0)
    assert changes(10)
    owner.release()


# Two at once


def test_of_many_that_come_at_once_one_owns(saves, monkeypatch):
    """While one changes the run's files no other believes that it may."""
    for name, seconds in (("_POLL", 0.001), ("_LOOK", 0.005), ("_BEAT", 0.005), ("_ANSWER", 30.0)):
        monkeypatch.setattr(owner_module, name, seconds)
    monkeypatch.setattr(owner_module.random, "uniform", lambda a, b: random.random() / 100)
    inside, counts = [], {"owned": 0, "refused": 0, "lost": 0}
    failures = []

    def session(seed):
        rng = random.Random(seed)
        for _ in range(often(5, 100)):
            owner = owner_of(saves)
            is_rude = rng.random() < 0.5
            try:
                owner.claim(0, (lambda: True) if is_rude else None)
                for _ in range(rng.randrange(10)):
                    with owner.owning():
                        inside.append(owner)
                        time.sleep(rng.random() * 0.002)
                        if inside != [owner]:
                            failures.append(list(inside))
                        inside.remove(owner)
                    time.sleep(rng.random() * 0.005)
                counts["owned"] += 1
            except OwnerError as error:
                counts["lost" if "taken over" in str(error) else "refused"] += 1
            owner.release()

    saves.mkdir(parents=True)
    threads = [threading.Thread(target=session, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and not owner_files(saves) and all(counts.values())


# Saving


def content(step, by):
    return f"{step} {by} ".encode() + random.Random(f"{step} {by}").randbytes(300)


def read(path):
    data = path.read_bytes()
    step, by = data.split(b" ")[:2]
    if data != content(int(step), by.decode()):
        raise PonytacoError("it is damaged")
    return int(step), by.decode()


def store_in(folder, scratch=None, files=None):
    return Store(folder, read, scratch, log=lambda text: None, files=files, delays=(0,))


def save(store, step, by, is_best=False):
    saved = store.save(lambda path: path.write_bytes(content(step, by)), step, is_best)
    store.drain()
    return saved and not store.problem


def check_names(folder):
    """Every file is the save that its name tells."""
    pointer = Pointer.read(folder / "saves" / "pointer.json")
    for path in (folder / "saves").glob("step-*"):
        assert digest(path).startswith(parse_name(path.name).digest)
    assert read(folder / "current_model")[0] == pointer.saves[0].step
    assert digest(folder / "current_model") == pointer.saves[0].sha256
    assert read(folder / "best_model")[0] == pointer.best.step


class Intruder:
    """Files during whose operation of a number another session takes over the folder, and saves."""

    def __init__(self, folder, number):
        self._folder, self._countdown, self.store = folder, number, None
        self.is_armed = False
        real = Files()
        names = ("write", "fsync", "rename", "truncate", "remove")
        self.files = Files(**{name: functools.partial(self._do, getattr(real, name))
                              for name in names})  # fmt: skip

    def _do(self, real, *args):
        # An operation that has begun cannot be called back.
        is_late = args[-1] == self._folder / "current_model"
        if self.is_armed and self.store is None and not is_late:
            self._countdown -= 1
            if self._countdown < 0:
                self.store = store_in(self._folder)
                self.store.claim(lambda: True)
                assert self.store.load().save.step in (20, 30)
                assert save(self.store, 100, "new", is_best=True)
        real(*args)


@pytest.mark.parametrize("where", ["at once", "beside"])
def test_one_that_lost_the_folder_changes_nothing_there(tmp_path, monkeypatch, where):
    """Wherever its save is when another takes over without waiting for an answer."""
    monkeypatch.setattr(owner_module, "_ANSWER", 0.0)
    for number in range(100):
        folder = tmp_path / f"{number}"
        scratch = folder.with_suffix(".scratch") if where == "beside" else None
        intruder = Intruder(folder, number)
        old = store_in(folder, scratch, intruder.files)
        old.claim()
        old.load()
        assert save(old, 10, "old", is_best=True) and save(old, 20, "old")
        intruder.is_armed = True
        saved = save(old, 30, "old", is_best=True)
        new = intruder.store
        if new is None:
            assert saved and number > 10
            old.close()
            return
        for step in (31, 32):
            assert not save(old, step, "old")
        with pytest.raises(OwnerError, match=r"this one stops. Its last save is step [23]0 \("):
            old.require_owned()
        with pytest.raises(OwnerError):
            old.while_owned(new.best.unlink)
        old.close()
        assert save(new, 110, "new") and save(new, 120, "new")
        new.close()
        check_names(folder)
        found = store_in(folder, scratch).load()
        assert found.save.step == 120 and found.content == "new" and found.sentence == ""
        assert read(folder / "best_model") == (100, "new")
        assert len(list((folder / "saves").iterdir())) == 2  # the one before, and the pointer


def test_what_never_arrived_from_a_lost_session_is_not_resumed(tmp_path):
    folder, scratch = tmp_path / "run", tmp_path / "scratch"
    faults = Faults(only=("write",))
    old = store_in(folder, scratch, faults.files)
    old.claim()
    assert save(old, 10, "old")
    faults._range = range(faults.count, 10**9)
    assert not save(old, 50, "old") and list(scratch.iterdir())
    old.close()  # the folder is left, with a word that there was this session
    new = store_in(folder)
    new.claim()
    assert new.load().save.step == 10 and save(new, 11, "new")
    new.close()
    again = store_in(folder, scratch)
    again.claim()
    assert again.load().content == "new"
    again.close()
    assert not owner_files(folder / "saves")


def test_speaking_from_a_folder_needs_no_owner(tmp_path):
    folder = tmp_path / "run"
    store = store_in(folder)
    store.claim()
    assert save(store, 10, "old")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert read(folder / "current_model") == (10, "old")
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    store.close()
