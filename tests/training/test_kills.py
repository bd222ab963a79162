"""A run that is killed at any moment resumes from its last save as if nothing had happened."""

import os
import random
import re
import signal
import time

import pytest
import torch
from support.sessions import Sessions
from support.soak import often
from support.training import SMALLEST

from ponytaco.checkpoint.format import load_checkpoint

N_STEPS = 20


@pytest.fixture(scope="module")
def sessions(fake_dataset):
    with Sessions(fake_dataset) as sessions:
        yield sessions


@pytest.fixture(scope="module")
def straight(sessions, tmp_path_factory):
    """The uninterrupted run: its folder, and epoch and loss of each step."""
    folder = tmp_path_factory.mktemp("straight")
    config = SMALLEST.replace(max_steps=N_STEPS, save_every_minutes=60.0)
    sessions.start(folder / "run", None, folder / "log", config)
    assert sessions.end() == 0
    steps = read(folder / "log")["step"]
    assert len(steps) == N_STEPS
    return folder / "run", steps


def read(log):
    """Read a session's log: its steps, saves and messages. The last line may be incomplete."""
    text = log.read_text() if log.is_file() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    steps = (line.split() for line in lines if line.startswith("step"))
    messages = " ".join(line for line in lines if line.startswith("#"))
    resumed = re.search(r"Resuming \S+ at step ([\d,]+)", messages)
    return {
        "step": {int(step): (epoch, loss) for _, step, epoch, loss in steps},
        "saved": [int(line.split()[1]) for line in lines if line.startswith("saved")],
        "resumed": int(resumed[1].replace(",", "")) if resumed else None,
        "done": "done" in lines,
        "messages": messages,
    }


def kill_at_random(pid, log, rng):
    """Kill a session after up to two steps, at a random moment."""
    n_steps = rng.randrange(3)
    deadline = time.monotonic() + 60
    while len(read(log)["step"]) < n_steps and time.monotonic() < deadline:
        if read(log)["done"]:
            return
        time.sleep(0.01)
    # Loading a save takes some 0.1 s, a step and its save as much.
    time.sleep(rng.random() * 0.15)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("where", "n_kills"), [("at once", often(12, 100)), ("beside", often(13, 100))]
)
def test_kill_9_at_any_moment(sessions, straight, tmp_path, where, n_kills):
    straight_folder, expected = straight
    config = SMALLEST.replace(max_steps=N_STEPS)
    rng = random.Random(9)
    runs = n_sessions = n_killed = n_resumed = 0
    while n_killed < n_kills:
        runs += 1
        folder = tmp_path / f"{runs}"
        scratch = folder / "scratch" if where == "beside" else None
        seen, last_saved, done = {}, 0, False
        while not done:
            n_sessions += 1
            log = folder / f"log-{n_sessions}"
            folder.mkdir(exist_ok=True)
            is_last = n_killed == n_kills
            seed = None if is_last else rng.randrange(2**32)
            pid = sessions.start(folder / "run", scratch, log, config, seed)
            if not is_last:
                kill_at_random(pid, log, rng)
            code = sessions.end()
            session = read(log)
            done = session["done"]
            if code == 1 and not is_last:  # its disk failed at the last save, before it was killed
                assert "could not be saved" in session["messages"]
            else:
                assert code == (0 if done else -signal.SIGKILL), session["messages"]
            n_killed += code == -signal.SIGKILL
            if session["resumed"] is not None:
                n_resumed += 1
                # A save may be complete although the session dies before it logs it.
                assert last_saved <= session["resumed"] <= max(seen, default=0) + 1, log
            for step, values in session["step"].items():
                assert values == expected[step], f"step {step}"
            seen.update(session["step"])
            last_saved = max([last_saved, *session["saved"]])
        assert seen == expected
        killed, uncut = (load_checkpoint(f / "current_model") for f in (folder / "run",
                         straight_folder))  # fmt: skip
        assert killed.sampler == uncut.sampler and killed.run_state.step == N_STEPS
        assert all(torch.equal(killed.state_dict[k], v) for k, v in uncut.state_dict.items())
    assert n_killed == n_kills and n_resumed >= n_kills // 4
