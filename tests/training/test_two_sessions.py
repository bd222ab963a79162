"""Two sessions on one run's folder, and a third that comes: one owns it, and no work is lost."""

import os
import random
import re
import signal
import time
from contextlib import ExitStack

import pytest
import torch
from support.sessions import Sessions
from support.soak import often
from support.training import SAVING, SMALLEST

from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.io.store.files import digest
from ponytaco.io.store.owner import OwnerError
from ponytaco.io.store.saves import Pointer, parse_name
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.loop import train

N_STEPS = 20
KILLED, FINISHED, LOST = -signal.SIGKILL, 0, 3


@pytest.fixture(scope="module")
def three(fake_dataset):
    with ExitStack() as stack:
        yield [stack.enter_context(Sessions(fake_dataset)) for _ in range(3)]


@pytest.fixture(scope="module")
def straight(three, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    three[0].start(folder / "run", None, folder / "log", SMALLEST.replace(max_steps=N_STEPS))
    assert three[0].end() == FINISHED
    return load_checkpoint(folder / "run" / "current_model")


class Log:
    """What a session has done: its saves and rows, and its messages with their times."""

    def __init__(self, path):
        text = path.read_text() if path.is_file() else ""
        lines = [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]
        self.arrived = [(int(line[1]), float(line[2])) for line in lines if line[0] == "arrived"]
        self.rows = [(int(line[1]), line[2]) for line in lines if line[0] == "row"]
        self.messages = [(float(line[1]), " ".join(line[2:])) for line in lines if line[0] == "#"]
        resumed = [(time, re.search(r"Resuming \S+ at step (\d+)", message))
                   for time, message in self.messages]  # fmt: skip
        self.resumed = next(((int(found[1]), time) for time, found in resumed if found), None)


def play_round(three, folder, rng, max_steps, logs):
    """Let two sessions train and a third come; kill some of them. Return their ends."""
    pids = []
    for i, sessions in enumerate(three):
        logs.append(folder / f"log-{len(logs)}")
        # A machine's disk is lost with the machine.
        scratch = folder / f"scratch-{len(logs)}" if rng.random() < 0.5 else None
        config = SMALLEST.replace(max_steps=max_steps)
        take_over = i > 0 and rng.random() < 0.6
        pids.append(sessions.start(folder / "run", scratch, logs[-1], config, take_over=take_over))
        time.sleep(rng.random() * 0.8)
    victims = rng.sample(range(3), rng.randrange(4))
    for i in victims:
        time.sleep(rng.random() * 0.5)
        os.kill(pids[i], signal.SIGKILL)
    ends = [sessions.end() for sessions in three]
    for i, end in enumerate(ends):
        is_victim = end == KILLED and i in victims
        assert end in (FINISHED, LOST) or is_victim, Log(logs[i - 3]).messages
    return ends


def check(folder, logs):
    """Check that no save was lost, no history interleaved, and no save has another's name."""
    run = Run(folder / "run")
    read = [Log(log) for log in logs]
    pointer = Pointer.read(run.saves / "pointer.json")
    for path in run.saves.glob("step-*"):
        assert digest(path).startswith(parse_name(path.name).digest)
        assert load_checkpoint(path).run_state.step == parse_name(path.name).order[-1]
    current = load_checkpoint(run.current_model).run_state.step
    assert digest(run.current_model) in [save.sha256 for save in pointer.saves]
    # Each session resumed the newest save that was in the folder by then.
    arrived = [save for log in read for save in log.arrived]
    for log in read:
        if log.resumed is not None:
            step, at = log.resumed
            assert step >= max((s for s, time in arrived if time < at), default=0)
    assert current >= max((step for step, _ in arrived), default=0)
    # Each row was written by one session, and the rows of a session are together.
    rows = [(int(row["step"]), f"{row['seconds']:.6g}") for row in read_history(run.history)]
    steps = [step for step, _ in rows]
    assert steps == sorted(set(steps))
    writers = [next(i for i in reversed(range(len(read))) if row in read[i].rows) for row in rows]
    assert sum(a != b for a, b in zip(writers, writers[1:], strict=False)) < len(set(writers))


def test_two_sessions_and_a_third_with_random_kills(three, straight, tmp_path):
    rng, ends, n_resumed, n_taken = random.Random(4), [], 0, 0
    for number in range(often(3, 50)):
        folder, logs = tmp_path / f"{number}", []
        folder.mkdir()
        for max_steps in (N_STEPS // 2, N_STEPS):
            ends += play_round(three, folder, rng, max_steps, logs)
            if (folder / "run" / "current_model").exists():
                check(folder, logs)
        logs.append(folder / "last")
        three[0].start(folder / "run", None, logs[-1], SMALLEST.replace(max_steps=N_STEPS))
        assert three[0].end() == FINISHED, Log(logs[-1]).messages
        check(folder, logs)
        last = load_checkpoint(folder / "run" / "current_model")
        assert last.run_state.step == N_STEPS and last.sampler == straight.sampler
        assert all(torch.equal(last.state_dict[k], v) for k, v in straight.state_dict.items())
        assert not list((folder / "run" / "saves").glob("*owner*"))
        read = [Log(log) for log in logs]
        n_resumed += sum(log.resumed is not None for log in read)
        n_taken += sum("has taken over" in m for log in read for _, m in log.messages)
    print(f"{len(ends)} sessions: {ends.count(KILLED)} killed, {ends.count(LOST)} had to stop or "
          f"wait, {n_taken} of them taken over, {n_resumed} resumed")  # fmt: skip
    assert n_taken and ends.count(KILLED) and n_resumed


def test_a_session_that_is_taken_over_stops_and_says_so(fake_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("ponytaco.io.store.owner._LOOK", 0.01)
    monkeypatch.setattr("ponytaco.training.loop._REPORT_EVERY", 1)
    monkeypatch.setattr("ponytaco.training.session.save_pictures", lambda *args: None)
    run, second, steps = Run(tmp_path / "run"), [], []

    def on_step(report):
        steps.append(report.step)
        if report.step == 3:
            second.append(
                train(fake_dataset, run, SAVING.replace(max_steps=5), take_over=lambda: True)
            )

    with pytest.raises(OwnerError, match=r"this one stops. Its last save is step [23] \("):
        train(fake_dataset, run, SAVING.replace(max_steps=9), on_step=on_step)
    assert second[0].step == 5 and steps[-1] == 3
    assert load_checkpoint(run.current_model).run_state.step == 5
    assert [int(row["step"]) for row in read_history(run.history)] == [1, 2, 3, 4, 5]
