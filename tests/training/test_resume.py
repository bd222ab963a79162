"""Resuming: from which save, and the messages about what has changed."""

import errno
import io
import os
import shutil
from pathlib import Path

import pytest
from support.soak import IS_SOAK
from support.training import FAST, SAVING, assert_same, assert_same_run, train_quietly

from ponytaco.checkpoint.format import CheckpointError, load_checkpoint
from ponytaco.cli import main
from ponytaco.io.store.saves import describe
from ponytaco.presets import preset
from ponytaco.runs.folder import Run, RunError
from ponytaco.training.loop import train
from ponytaco.training.resume import last_usable_save, own_config

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def saved_twice(fake_dataset, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("saved") / "run")
    train_quietly(fake_dataset, run, SAVING.replace(max_steps=2))
    return run.folder


@pytest.mark.parametrize("how", ["truncated", "a bit flipped", "emptied", "deleted"])
def test_a_damaged_newest_save_costs_only_itself(fake_dataset, tmp_path, saved_twice, how):
    places = range(100 if IS_SOAK else 3) if how in ("truncated", "a bit flipped") else [0]
    for i in places:
        run, messages = Run(tmp_path / f"{i}"), []
        shutil.copytree(saved_twice, run.folder)
        content = bytearray(run.current_model.read_bytes())
        place = len(content) * i // len(places)
        if how == "truncated":
            content = content[:place]
        elif how == "a bit flipped":
            content[place] ^= 16
        run.current_model.write_bytes(b"" if how == "emptied" else content)
        if how == "deleted":
            run.current_model.unlink()
        result = train(fake_dataset, run, SAVING.replace(max_steps=2), log=messages.append)
        assert result.finished
        assert any("from step 1 " in message for message in messages)
        assert any("Resuming" in message and "at step 1," in message for message in messages)
        again, first = (
            load_checkpoint(run.current_model),
            load_checkpoint(saved_twice / "current_model"),
        )
        assert_same(again.state_dict, first.state_dict)


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_newer_versions_save_is_not_passed_over(fake_dataset, tmp_path, saved_twice, monkeypatch):
    run = Run(shutil.copytree(saved_twice, tmp_path / "run"))
    before = files_of(run.folder)
    monkeypatch.setattr("ponytaco.checkpoint.format.FORMAT_VERSION", 0)
    with pytest.raises(CheckpointError, match=r"current_model was written by a newer .* Upgrade"):
        train_quietly(fake_dataset, run, SAVING)
    assert before == files_of(run.folder)


def test_a_disk_that_cannot_be_read_is_not_damage(fake_dataset, tmp_path, saved_twice, monkeypatch):
    run = Run(shutil.copytree(saved_twice, tmp_path / "run"))
    before = files_of(run.folder)

    def fail(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("ponytaco.training.resume.verified_checkpoint", fail)
        with pytest.raises(CheckpointError, match=r"cannot be read at the moment.*Input/output"):
            train_quietly(fake_dataset, run, SAVING)
    assert before == files_of(run.folder)
    messages = []
    train(fake_dataset, run, SAVING.replace(max_steps=2), log=messages.append)
    assert any("at step 2," in message for message in messages)


@pytest.fixture
def disk(monkeypatch):
    """A function that lets the first n operations on a folder's files fail, as Drive does."""
    for module in ("ponytaco.runs.folder", "ponytaco.training.resume"):
        monkeypatch.setattr(f"{module}._DELAYS", (0.0, 0.0))

    def fail(folder, operation, n):
        place = {"stat": Path, "listdir": os, "open": io}[operation]
        real, failures = getattr(place, operation), iter(range(n))

        def operation_that_fails(path, *args, **kwargs):
            if str(path).startswith(str(folder)) and next(failures, None) is not None:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return real(path, *args, **kwargs)

        monkeypatch.setattr(place, operation, operation_that_fails)

    return fail


@pytest.mark.parametrize("operation", ["stat", "listdir", "open"])
@pytest.mark.parametrize("ask", [
    lambda run, messages: run.resumable,
    lambda run, messages: last_usable_save(run).run_state.step == 2,
    lambda run, messages: own_config(run, messages.append) == SAVING.replace(max_steps=2),
])  # fmt: skip
def test_a_disk_that_answers_late_is_waited_for(tmp_path, saved_twice, disk, operation, ask):
    run, messages = Run(shutil.copytree(saved_twice, tmp_path / "run")), []
    disk(run.folder, operation, 2)
    assert ask(run, messages) and not messages


@pytest.mark.parametrize("operation", ["stat", "listdir", "open"])
def test_a_disk_that_does_not_answer_is_not_empty(
    fake_dataset, tmp_path, saved_twice, disk, operation, capsys, monkeypatch
):
    run = Run(shutil.copytree(saved_twice, tmp_path / "run"))
    before = files_of(run.folder)
    disk(run.folder, operation, 10**6)
    assert main(["train", str(fake_dataset), str(run.folder)]) == 1
    assert "Try again in a few minutes" in capsys.readouterr().err
    monkeypatch.undo()
    assert before == files_of(run.folder)


@pytest.mark.parametrize("left", ["current_model", "best_model"])
def test_the_settings_of_another_run_are_not_taken(tmp_path, saved_twice, left):
    run, messages = Run(shutil.copytree(saved_twice, tmp_path / "run")), []
    saved = load_checkpoint(run.current_model)
    run.config.write_text(preset("small").to_json())
    (run.current_model if left == "best_model" else run.best_model).unlink()
    assert own_config(run, messages.append) == saved.config
    (message,) = messages
    assert "config.json cannot be used (it is of another run): the settings are" in message
    run.config.write_text(saved.config.replace(learning_rate=0.5, p_decoder_dropout=0.3).to_json())
    assert own_config(run, messages.append).train.learning_rate == 0.5 and len(messages) == 1


def test_what_only_shows_may_be_in_the_way(fake_dataset, tmp_path, saved_twice):
    run, messages = Run(shutil.copytree(saved_twice, tmp_path / "run")), []
    for path in (run.config, run.history):
        path.unlink()
        path.mkdir()
    for path in (run.alignments, run.samples):
        shutil.rmtree(path)
        path.write_text("a file")
    config = SAVING.replace(max_steps=4, validate_every=4)
    assert train(fake_dataset, run, config, log=messages.append).finished
    text = " ".join(messages)
    assert "config.json is a folder: the settings are in the saves alone" in text
    assert "The history could not be" in text
    assert load_checkpoint(run.current_model).run_state.step == 4


@pytest.mark.parametrize("name", ["current_model", "best_model"])
def test_a_folder_in_a_models_place_is_refused_at_once(fake_dataset, tmp_path, saved_twice, name):
    run = Run(shutil.copytree(saved_twice, tmp_path / "run"))
    (run.folder / name).unlink()
    (run.folder / name).mkdir()
    with pytest.raises(RunError, match=f"{name} is a folder.* Move it elsewhere"):
        train_quietly(fake_dataset, run, SAVING.replace(max_steps=4))


def test_a_save_that_never_arrived_arrives_though_nothing_is_left_to_train(
    fake_dataset, tmp_path, saved_twice
):
    """As where Drive was full at a session's last save, and has room again."""
    run = Run(tmp_path / "run", tmp_path / "scratch")
    shutil.copytree(saved_twice, run.folder)
    ahead = Run(shutil.copytree(saved_twice, tmp_path / "ahead"))
    config = SAVING.replace(max_steps=3)
    train_quietly(fake_dataset, ahead, config)
    run.scratch.mkdir()
    saved = describe(ahead.current_model, 3, session=2, number=1)
    shutil.copy(ahead.current_model, run.scratch / saved.name)
    messages = []
    assert train(fake_dataset, run, config, log=messages.append).finished
    assert f"in {run.scratch}" in " ".join(messages)
    for name in ("current_model", "best_model"):
        content = (run.folder / name).read_bytes()
        assert content == (ahead.folder / name).read_bytes()


def test_a_missing_best_model_is_no_bar(fake_dataset, tmp_path, saved_twice):
    run, messages = Run(shutil.copytree(saved_twice, tmp_path / "run")), []
    run.best_model.unlink()
    config = SAVING.replace(max_steps=3, validate_every=100)
    train(fake_dataset, run, config, log=messages.append)
    assert "best_model is missing: the voice of the next validation" in " ".join(messages)
    assert load_checkpoint(run.best_model).run_state.best_step == 3


@pytest.mark.parametrize("name", ["best_model", "saves/.old-best", "saves/best-step-…"])
def test_a_run_with_only_its_best_model_goes_on_from_it(fake_dataset, tmp_path, saved_twice, name):
    """Nothing else is left, or the session was killed while it replaced that one."""
    best = saved_twice / "best_model"
    run, messages = Run(tmp_path / "run"), []
    left = run.folder / name.replace("step-…", describe(best, 2).name)
    left.parent.mkdir(parents=True)
    shutil.copy(best, left)
    result = train(fake_dataset, run, SAVING.replace(max_steps=4), log=messages.append)
    assert result.finished
    text = " ".join(messages)
    assert "current_model is missing" in text and "There is no" not in text
    assert "best_model is the only model left" in text and "best voice, of step 2." in text
    assert "Starting" not in text and "Resuming run at step 2," in text
    assert load_checkpoint(run.current_model).run_state.step == 4
    straight = Run(tmp_path / "straight")
    shutil.copytree(saved_twice, straight.folder)
    train_quietly(fake_dataset, straight, SAVING.replace(max_steps=4))
    assert_same_run(*(load_checkpoint(r.current_model) for r in (run, straight)))


def test_changed_settings_are_reported(fake_dataset, tmp_path, saved_twice, monkeypatch):
    run, messages = Run(tmp_path / "run"), []
    shutil.copytree(saved_twice, run.folder)
    monkeypatch.setattr("ponytaco.training.resume.__version__", "9.9")
    train(fake_dataset, run, SAVING.replace(max_steps=3, learning_rate=1e-4), log=messages.append)
    text = " ".join(messages)
    assert "at step 2, saved at 20" in text and str(run.current_model) in text
    assert "max_steps 3 (was 2)" in text and "learning_rate 0.0001 (was 0.002)" in text
    assert "ponytaco 9.9 (was " in text


def test_another_architecture_is_not_resumed(fake_dataset, tmp_path):
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    before = files_of(run.folder)
    with pytest.raises(CheckpointError, match="prenet_dim"):
        train_quietly(fake_dataset, run, FAST.replace(prenet_dim=8))
    assert before == files_of(run.folder)
