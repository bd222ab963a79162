"""Interrupts, errors and full disks: what they end, and what is saved."""

import errno
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from support.training import CONFIG, FAST, SAVING, train_quietly

import ponytaco.io.store.store as store_module
import ponytaco.training.loop as loop_module
import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import CheckpointError, load_checkpoint
from ponytaco.io.store.files import Files
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.interrupts import BestEffort, interruptible
from ponytaco.training.loop import train
from ponytaco.training.step import train_step

pytestmark = pytest.mark.usefixtures("no_pictures")


# Interrupts


def test_an_interrupt_is_answered_at_once_and_a_second_one_raised():
    messages = []
    with pytest.raises(KeyboardInterrupt), interruptible(messages.append) as interrupted:
        assert not interrupted.is_set() and not messages
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.is_set()
        assert len(messages) == 1 and messages[0].startswith("Stopping after this step")
        os.kill(os.getpid(), signal.SIGINT)
    assert len(messages) == 1


def test_a_stream_that_is_busy_does_not_end_the_run():
    def busy(message):
        raise RuntimeError("reentrant call")

    with interruptible(busy) as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_stops(fake_dataset, tmp_path, number):
    run = Run(tmp_path)
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    result = train_quietly(
        fake_dataset,
        run,
        FAST.replace(max_steps=15),
        on_step=lambda report: os.kill(os.getpid(), number),
    )
    assert (result.step, result.finished) == (10, False)
    assert load_checkpoint(run.current_model).run_state.step == 10
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert [row["step"] for row in read_history(run.history)] == [10]


def test_a_second_interrupt_stops_at_once(fake_dataset, tmp_path):
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        train_quietly(fake_dataset, Run(tmp_path), FAST, stop=twice)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_it_trains_in_a_thread(fake_dataset, tmp_path):
    results = []
    config = FAST.replace(max_steps=1)
    thread = threading.Thread(
        target=lambda: results.append(train_quietly(fake_dataset, Run(tmp_path), config))
    )
    thread.start()
    thread.join()
    assert results[0].finished


# Errors


def test_an_error_in_the_loop_saves_first(fake_dataset, tmp_path):
    run = Run(tmp_path)

    def fail(report):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_quietly(fake_dataset, run, CONFIG.replace(max_steps=12), on_step=fail)
    assert load_checkpoint(run.current_model).run_state.step == 10


def test_an_error_in_a_step_saves_the_state_before_it(fake_dataset, tmp_path, monkeypatch):
    calls = []

    def fail(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError
        return train_step(*args, **kwargs)

    monkeypatch.setattr(session_module, "train_step", fail)
    config = CONFIG.replace(max_steps=12)
    with pytest.raises(ZeroDivisionError):
        train_quietly(fake_dataset, Run(tmp_path), config)
    saved = load_checkpoint(tmp_path / "current_model")
    assert (saved.run_state.step, saved.sampler) == (
        2,
        {"epoch": 0, "drawn": [[4, 2]], "letters": [False, False]},
    )


# Disks and displays


def no_space(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("error", [no_space, lambda *args: Path("nowhere").read_bytes()])
def test_a_callback_that_cannot_show_does_not_end_the_run(fake_dataset, tmp_path, error):
    messages = []
    result = train(
        fake_dataset, Run(tmp_path), FAST.replace(max_steps=30, validate_every=10),
        log=messages.append, on_step=error, on_validation=error,
    )  # fmt: skip
    assert result.finished
    for what in ("A report", "A validation"):
        assert sum(f"{what} could not be shown" in message for message in messages) == 1


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError, UnicodeEncodeError])
def test_a_log_that_cannot_write_does_not_end_the_run(fake_dataset, tmp_path, error):
    def log(message):
        raise UnicodeEncodeError("ascii", "…", 0, 1, "") if error is UnicodeEncodeError else error

    assert train(fake_dataset, Run(tmp_path), FAST.replace(max_steps=1), log=log).finished


def test_a_history_that_cannot_be_read_does_not_end_the_run(fake_dataset, tmp_path, monkeypatch):
    run, messages = Run(tmp_path), []
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    monkeypatch.setattr(session_module, "cut_history", no_space)
    train(fake_dataset, run, FAST.replace(max_steps=2), log=messages.append)
    assert any("The history could not be shortened" in message for message in messages)


def test_a_history_that_is_locked_for_a_while_gets_its_rows_later(
    fake_dataset, tmp_path, monkeypatch
):
    run, messages, append, tries = Run(tmp_path), [], session_module.append_history, []

    def locked(path, row):
        tries.append(row)
        return no_space() if len(tries) in (2, 3) else append(path, row)

    monkeypatch.setattr(session_module, "append_history", locked)
    monkeypatch.setattr("ponytaco.training.loop._REPORT_EVERY", 1)
    train(fake_dataset, run, FAST.replace(max_steps=5), log=messages.append)
    assert [row["step"] for row in read_history(run.history)] == [1, 2, 3, 4, 5]
    assert sum("history could not be written" in message for message in messages) == 1


def test_a_failure_is_logged_once_until_it_is_another():
    messages = []
    best_effort = BestEffort(messages.append)

    def fail(reason):
        raise OSError(reason)

    for _ in range(3):
        assert best_effort("It failed", fail, "full") is None
        assert best_effort("It failed", lambda: 5) == 5  # now and then it works
    best_effort("It failed", fail, "gone")
    best_effort("It failed", fail, "gone again")
    assert messages == [
        "It failed (full). Training continues.", "It failed (gone). Training continues.",
    ]  # fmt: skip
    best_effort("It broke", lambda: 1 / 0)
    assert "a mistake in ponytaco, please report it: ZeroDivisionError" in messages[-1]
    with pytest.raises(ZeroDivisionError):
        BestEffort(messages.append, OSError)("It broke", lambda: 1 / 0)


def test_refused_pictures_do_not_cost_the_weights(fake_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", no_space)
    run, messages = Run(tmp_path), []
    train(fake_dataset, run, FAST.replace(max_steps=2, validate_every=1), log=messages.append)
    assert sum("No space left" in message for message in messages) == 1
    assert load_checkpoint(run.current_model).run_state.step == 2


def test_a_mount_that_vanishes_does_not_end_the_run(fake_dataset, tmp_path, monkeypatch):
    run, messages = Run(tmp_path / "drive" / "run", tmp_path / "scratch"), []
    monkeypatch.setattr("ponytaco.io.store.store._DELAYS", (0.0,))

    def vanish(report):
        if report.step == 10:
            shutil.rmtree(tmp_path / "drive")
            (tmp_path / "drive").write_text("not connected")

    with pytest.raises(CheckpointError, match="could not be saved"):
        train(fake_dataset, run, SAVING.replace(max_steps=20), on_step=vanish, log=messages.append)
    assert sum("could not be saved" in message for message in messages) == 1
    assert sum("history could not be written" in message for message in messages) == 1
    (left,) = (tmp_path / "scratch").glob("step-*")
    assert load_checkpoint(left).run_state.step == 20  # it continued to its end


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("scratch", [None, "scratch"])
def test_a_disk_that_is_full_for_a_while_does_not_end_the_run(
    fake_dataset, tmp_path, monkeypatch, number, scratch
):
    real, steps, messages = Files(), [], []

    def fsync(file):
        if 2 <= len(steps) < 5:
            raise OSError(number, os.strerror(number))
        real.fsync(file)

    monkeypatch.setattr(store_module, "Files", lambda: Files(fsync=fsync))
    monkeypatch.setattr(store_module, "_DELAYS", ())
    monkeypatch.setattr(store_module, "_SHORT_DELAYS", ())
    monkeypatch.setattr(loop_module, "_REPORT_EVERY", 1)
    run = Run(tmp_path / "run", scratch and tmp_path / scratch)
    train(fake_dataset, run, SAVING.replace(max_steps=8), log=messages.append, on_step=steps.append)
    assert len(steps) == 8 and load_checkpoint(run.current_model).run_state.step == 8
    assert sum("the last good save is kept" in message for message in messages) == 1
    assert sum("works again" in message for message in messages) == 1
