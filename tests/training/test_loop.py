"""The training loop: it learns, stops and reports, and leaves the files of a run."""

import multiprocessing
import os
import shutil

import pytest
from support.training import CONFIG, FAST, assert_same, stop_after, train_quietly
from support.validations import validations

import ponytaco.training.loop as loop_module
import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.config import Config
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.loop import train

pytestmark = pytest.mark.usefixtures("no_pictures")


# Stopping


def test_a_stop_saves_and_is_reported(fake_dataset, tmp_path):
    run, messages = Run(tmp_path / "run"), []
    result = train(fake_dataset, run, FAST, log=messages.append, stop=stop_after(2))
    assert (result.step, result.finished, result.validation) == (2, False, None)
    assert load_checkpoint(run.current_model).run_state.step == 2
    assert any("step 2" in message for message in messages)
    assert not any(path.name.startswith(".") for path in run.folder.iterdir())


def test_a_stop_at_the_end_is_the_end(fake_dataset, tmp_path):
    run, messages = Run(tmp_path), []
    result = train(
        fake_dataset, run, FAST.replace(max_steps=2), log=messages.append, stop=stop_after(2)
    )
    assert result.finished
    assert result.validation is not None and run.best_model.is_file()
    assert not any("Stopped" in message for message in messages)


def test_fewer_steps_than_are_done_are_no_training(fake_dataset, tmp_path):
    run, messages = Run(tmp_path), []
    train_quietly(fake_dataset, run, FAST.replace(max_steps=3))
    before = run.current_model.read_bytes()
    result = train(fake_dataset, run, FAST.replace(max_steps=2), log=messages.append)
    assert (result.step, result.finished) == (3, True)
    assert "Step 3 is reached already, and max_steps is 2" in messages[-1]
    assert not any("Finished" in message for message in messages)
    assert run.current_model.read_bytes() == before


def test_a_session_ends_by_the_clock(fake_dataset, tmp_path):
    run, messages = Run(tmp_path), []
    config = FAST.replace(max_steps=1000, max_minutes=1e-6)
    result = train(fake_dataset, run, config, log=messages.append)
    assert (result.step, result.finished) == (1, False)
    assert result.validation is not None and run.best_model.is_file()
    assert load_checkpoint(run.current_model).run_state.step == 1
    assert not any("Finished" in message for message in messages)


# The files of a run


def test_the_loss_falls(trained_run):
    first, last = (trained_run.reports[i].losses for i in (0, -1))
    assert [report.step for report in trained_run.reports] == [10, 20, 30, 40, 50, 60]
    assert last["loss"] < 0.8 * first["loss"]
    assert last["mel"] < first["mel"]
    assert last["mel_postnet"] < 0.9 * first["mel_postnet"]
    assert last["gate"] < 0.5 * first["gate"]
    assert last["mi"] < 0.5 * first["mi"]
    assert last["guidance"] < 0.8 * first["guidance"]


def test_a_run_leaves_what_the_design_promises(trained_run):
    run = trained_run.run
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "alignments", "best_model", "config.json", "current_model", "history.csv", "samples",
        "saves",
    ]  # fmt: skip
    assert [path.name for path in sorted(run.alignments.iterdir())] == [
        "step-000030.png", "step-000060.png",
    ]  # fmt: skip
    assert len(list(run.samples.glob("*.wav"))) == 2
    assert Config.from_json(run.config.read_text(encoding="utf-8")) == trained_run.config


def test_the_history_has_losses_and_validations(trained_run):
    rows = read_history(trained_run.run.history)
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60]
    assert all(row["loss"] > 0 and row["learning_rate"] > 0 for row in rows)
    assert [row["step"] for row in rows if "val_loss" in row] == [30, 60]
    assert rows[-1]["epoch"] == 20 and rows[-1]["seconds"] > rows[0]["seconds"] > 0


def test_a_report_counts_its_own_steps(fake_dataset, tmp_path, monkeypatch):
    clock = iter(range(0, 10_000_000, 5))
    monkeypatch.setattr(loop_module.time, "monotonic", lambda: float(next(clock)))
    reports = []
    train_quietly(fake_dataset, Run(tmp_path), FAST.replace(max_steps=4), on_step=reports.append)
    assert reports[-1].step == 4
    assert reports[-1].seconds_per_step >= 5  # each step looks at the clock at least once


def test_a_crash_leaves_no_duplicates_in_the_history(fake_dataset, tmp_path):
    run = Run(tmp_path)
    config = FAST.replace(max_steps=20, validate_every=10)
    kept = tmp_path / "as it was at step 10"

    def keep(validation):
        if validation.step == 10:
            shutil.copy(run.current_model, kept)

    train_quietly(fake_dataset, run, config, on_validation=keep)
    before = read_history(run.history)
    assert [row["step"] for row in before] == [10, 20]
    os.replace(kept, run.current_model)  # the process died before the save at step 20
    train_quietly(fake_dataset, run, config)
    after = read_history(run.history)
    assert [row["step"] for row in after] == [10, 20]
    for row in (*before, *after):
        row.pop("seconds")
    assert after == before  # and the second half is the same again


def test_a_new_run_does_not_inherit_a_history(fake_dataset, tmp_path):
    run = Run(tmp_path)
    config = FAST.replace(max_steps=1)
    train_quietly(fake_dataset, run, config)
    run.current_model.unlink(), run.best_model.unlink()
    train_quietly(fake_dataset, run, config)
    assert [row["step"] for row in read_history(run.history)] == [1]


@pytest.mark.parametrize("content", ["", "step;loss\n1;2\n", "step,loss\n1,much\n"])
def test_a_damaged_history_does_not_stop_a_run(fake_dataset, tmp_path, content):
    """It was emptied by a full disk, or saved by a spreadsheet."""
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    run.history.write_text(content)
    train_quietly(fake_dataset, run, FAST.replace(max_steps=2))
    assert read_history(run.history)[-1]["step"] == 2


# Messages


def test_a_voice_that_has_stopped_improving_is_reported_now_and_then(
    fake_dataset, tmp_path, monkeypatch
):
    found = [(0.4, True), *[(0.3, True)] * 18]
    monkeypatch.setattr(session_module, "validate", validations(*found))
    messages = []
    config = FAST.replace(validate_every=1, max_steps=10)
    train(fake_dataset, Run(tmp_path), config, log=messages.append)
    (hint,) = [message for message in messages if "No better voice" in message]
    assert "for 8 validations, since step 1" in hint and "best_model" in hint
    # The next session continues the count, and reports again at twice as many.
    train(fake_dataset, Run(tmp_path), config.replace(max_steps=19), log=messages.append)
    hints = [message for message in messages if "No better voice" in message]
    assert len(hints) == 2 and "for 16 validations" in hints[1]


# Loading


def test_a_loader_worker_that_dies_is_replaced(fake_dataset, tmp_path, monkeypatch):
    """It is killed, as by a machine out of memory, in the middle of the first epoch."""
    straight, run, messages = Run(tmp_path / "straight"), Run(tmp_path / "run"), []
    config = CONFIG.replace(max_steps=9, batch_size=2)
    train(fake_dataset, straight, config, log=messages.append)
    monkeypatch.setattr(loop_module, "_REPORT_EVERY", 1)

    def kill(report):
        if report.step == 1:
            (worker,) = multiprocessing.active_children()
            worker.kill()
            worker.join()

    config = config.replace(loader_workers=1)
    train(fake_dataset, run, config, log=messages.append, on_step=kill)
    assert sum("process that loads clips died" in message for message in messages) == 1
    one, other = load_checkpoint(run.current_model), load_checkpoint(straight.current_model)
    assert_same(one.state_dict, other.state_dict)
