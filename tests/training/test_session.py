"""Sessions: resuming to the bit, rolling back, the best voice, and saves."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.full_disk import no_file_larger_than
from support.training import (
    CONFIG,
    FAST,
    assert_same,
    assert_same_run,
    disturb_random_numbers,
    stop_after,
    train_quietly,
)
from support.validations import validations

import ponytaco.training.loop as loop_module
import ponytaco.training.session as session_module
import ponytaco.training.step as step_module
from ponytaco.checkpoint.format import CheckpointError, load_checkpoint
from ponytaco.config import Config
from ponytaco.data.loader import training_batches
from ponytaco.errors import PonytacoError
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.distributed import ALONE
from ponytaco.training.loop import train
from ponytaco.training.session import Session
from ponytaco.training.step import train_step

pytestmark = pytest.mark.usefixtures("no_pictures")

# What changes once aligned: no full teacher forcing, and a smaller reduction factor from step 3
# and from step 6 on.
ALIGNED = CONFIG.replace(
    max_steps=8, validate_every=1, p_teacher_forcing=0.5, teacher_forcing_fade_steps=1,
    teacher_forcing_window=6, n_frames_per_step=3, reduce_frames_to="2,1", reduce_frames_after=2,
)  # fmt: skip
# What a validation changes in the state, apart from the alignment.
BEST = ("best_score", "best_step", "validations_since_best")


@pytest.fixture(scope="module")
def straight(fake_dataset, tmp_path_factory):
    """Return an uninterrupted run of CONFIG, by validate_every."""
    runs = {}

    def of(validate_every=100):
        if validate_every not in runs:
            run = Run(tmp_path_factory.mktemp("straight"))
            config = CONFIG.replace(validate_every=validate_every)
            train_quietly(fake_dataset, run, config)
            runs[validate_every] = load_checkpoint(run.current_model)
        return runs[validate_every]

    return of


def in_two_sessions(dataset, run, split, config, **second):
    result = train_quietly(dataset, run, config, stop=stop_after(split))
    assert (result.step, result.finished) == (split, False)
    assert load_checkpoint(run.current_model).run_state.step == split
    disturb_random_numbers()
    result = train_quietly(dataset, run, config.replace(**second))
    assert (result.step, result.finished) == (config.train.max_steps, True)
    return load_checkpoint(run.current_model)


# Resuming to the bit


@pytest.mark.parametrize("split", [1, 2, 3, 4])
def test_a_resumed_run_is_the_uninterrupted_one(fake_dataset, tmp_path, straight, split):
    resumed = in_two_sessions(fake_dataset, Run(tmp_path), split, CONFIG)
    assert resumed.run_state.step == 5 and resumed.run_state.gaf > 0
    assert resumed.sampler == {"epoch": 1, "drawn": [[4, 2]], "letters": [False, False]}
    assert_same_run(straight(), resumed)


@pytest.mark.parametrize(
    ("split", "validate_every"), [(3, 2), (1, 2), pytest.param(2, 2, id="stopped at a validation")]
)
def test_a_validation_changes_nothing_about_the_run(
    fake_dataset, tmp_path, straight, split, validate_every
):
    config = CONFIG.replace(validate_every=validate_every)
    resumed = in_two_sessions(fake_dataset, Run(tmp_path), split, config)
    assert_same_run(straight(validate_every), resumed)
    # Nor do validations change the weights.
    assert_same(straight().state_dict, resumed.state_dict)
    assert_same(straight().trained, resumed.trained)


def test_an_aligned_run_with_a_smaller_reduction_factor_resumes_exactly(
    fake_dataset, tmp_path, monkeypatch
):
    def session(name, found=((0.5, True),) * 9):
        monkeypatch.setattr(session_module, "validate", validations(*found))
        return Run(tmp_path / name)

    train_quietly(fake_dataset, session("straight"), ALIGNED)
    straight = load_checkpoint(tmp_path / "straight" / "current_model")
    assert straight.config.model.n_frames_per_step == 1
    # A reduction comes at the beginning of a step: after step 3 it is due, after 4 it is done.
    for split in (3, 4):
        run = session(f"{split}")
        resumed = in_two_sessions(fake_dataset, run, split, ALIGNED)
        assert_same_run(straight, resumed)
        assert resumed.config == straight.config
        # The settings for people are those that the run was started with.
        assert Config.from_json(run.config.read_text(encoding="utf-8")) == ALIGNED


def test_an_adversarial_postnet_resumes_exactly(fake_dataset, tmp_path, monkeypatch):
    config = CONFIG.replace(max_steps=6, validate_every=1, adversarial_after=1)
    monkeypatch.setattr(step_module, "ADVERSARIAL_EVERY", 2)

    def session(name):
        monkeypatch.setattr(session_module, "validate", validations(*((0.5, True),) * 9))
        return Run(tmp_path / name)

    messages = []
    train(fake_dataset, session("straight"), config, log=messages.append)
    assert sum("against a discriminator" in message for message in messages) == 1
    # The best voice is judged anew, though no score is higher than the first.
    assert load_checkpoint(tmp_path / "straight" / "best_model.before").run_state.step == 1
    assert load_checkpoint(tmp_path / "straight" / "best_model").run_state.step == 3
    straight = load_checkpoint(tmp_path / "straight" / "current_model")
    assert "adversarial" in read_history(tmp_path / "straight" / "history.csv")[-1]
    for split in (2, 4):  # before it has begun, and after
        resumed = in_two_sessions(fake_dataset, session(f"{split}"), split, config)
        assert_same_run(straight, resumed)
        assert_same(straight.adversary, resumed.adversary)


def test_a_finished_run_continues_exactly_with_more_steps(fake_dataset, tmp_path, straight):
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, CONFIG.replace(max_steps=2))
    disturb_random_numbers()
    train_quietly(fake_dataset, run, CONFIG)
    resumed = load_checkpoint(run.current_model)
    # The validation at the end of the first session has left its score.
    assert_same_run(straight(), resumed, except_for=("seconds", *BEST))


def test_workers_make_no_difference(fake_dataset, tmp_path, straight):
    config = CONFIG.replace(loader_workers=2)
    resumed = in_two_sessions(fake_dataset, Run(tmp_path), 2, config, loader_workers=0)
    assert_same_run(straight(), resumed)


def test_other_seeds_are_other_runs(fake_dataset, tmp_path, straight):
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, CONFIG.replace(seed=7))
    other = load_checkpoint(run.current_model).state_dict
    assert not torch.equal(other["embedding.weight"], straight().state_dict["embedding.weight"])


def test_new_settings_hold_when_resuming(fake_dataset, tmp_path):
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    train_quietly(
        fake_dataset,
        run,
        FAST.replace(
            max_steps=2, weight_decay=0.01, learning_rate=5e-4, attention_learning_rate_scale=4.0
        ),
    )
    saved = load_checkpoint(run.current_model)
    groups = saved.optimizer["param_groups"]
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (5e-4, 0.01),
        (2e-3, 0.01),
    ]
    assert saved.config.train.weight_decay == 0.01
    assert Config.from_json(run.config.read_text()) == saved.config


def test_a_finished_run_has_nothing_to_do(fake_dataset, tmp_path):
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    before = run.current_model.read_bytes()
    result = train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    assert result.finished and result.step == 1
    assert run.current_model.read_bytes() == before


# Steps that are not finite


def broken_losses(monkeypatch, is_broken):
    """Let the losses of these calls be NaN, and a run roll back after four of them."""
    calls = []

    def loss(*args):
        calls.append(1)
        losses = tacotron_loss(*args)
        return losses._replace(gate=losses.gate * float("nan")) if is_broken(len(calls)) else losses

    monkeypatch.setattr(step_module, "tacotron_loss", loss)
    monkeypatch.setattr(session_module, "_PATIENCE", 4)


def test_skipped_steps_are_counted_and_saved(fake_dataset, tmp_path, monkeypatch):
    broken_losses(monkeypatch, lambda n: n in (2, 3))
    run, reports = Run(tmp_path), []
    train_quietly(fake_dataset, run, FAST, on_step=reports.append)
    saved = load_checkpoint(run.current_model)
    assert saved.run_state.skipped_steps == reports[-1].skipped_steps == 2
    assert saved.run_state.step == 5
    assert np.isfinite(reports[-1].losses["loss"])
    assert all(torch.isfinite(value).all() for value in saved.state_dict.values())
    assert read_history(run.history)[-1]["skipped_steps"] == 2


def test_many_skipped_steps_roll_back_at_half_the_rate(fake_dataset, tmp_path, monkeypatch):
    broken_losses(monkeypatch, lambda n: 6 <= n < 10)
    run, messages = Run(tmp_path), []
    config = CONFIG.replace(max_steps=10, validate_every=5)
    monkeypatch.setattr(loop_module, "_REPORT_EVERY", 1)
    train(fake_dataset, run, config, log=messages.append)
    assert any("Back to step 5, with 0.5 times" in message for message in messages)
    saved = load_checkpoint(run.current_model)
    assert (saved.run_state.step, saved.run_state.skipped_steps) == (10, 4)
    assert saved.run_state.learning_rate_scale == 0.5
    rows = {row["step"]: row for row in read_history(run.history)}
    assert rows[5]["learning_rate"] == 2 * rows[6]["learning_rate"] > 0
    assert rows[6]["skipped_steps"] == 4
    train(fake_dataset, run, config.replace(max_steps=11), log=messages.append)
    # The state keeps the lower rate.
    assert read_history(run.history)[-1]["learning_rate"] == rows[6]["learning_rate"]


def test_a_run_does_not_roll_back_for_ever(fake_dataset, tmp_path, monkeypatch):
    broken_losses(monkeypatch, lambda n: n > 2)
    run = Run(tmp_path)
    config = CONFIG.replace(max_steps=1000, validate_every=2)
    with pytest.raises(CheckpointError, match="learning_rate"):
        train_quietly(fake_dataset, run, config)
    assert load_checkpoint(run.current_model).run_state.step >= 2


# A voice that diverges


def diverging(monkeypatch, steps, rate=1e6):
    """Let the learning rate be absurd when these steps are trained for the first time."""
    real, seen = session_module.learning_rate, set()

    def learning_rate(step, *args):
        is_first = step not in seen
        seen.add(step)
        return rate if is_first and step in steps else real(step, *args)

    monkeypatch.setattr(session_module, "learning_rate", learning_rate)


def is_usable(path):
    checkpoint = load_checkpoint(path)
    batch = torch.tensor([[5, 6, 7]])
    mel = checkpoint.build_model().infer(batch, torch.tensor([3]), max_frames=9)[0].mel_postnet
    return bool((mel.abs() < 100).all())


def test_a_diverged_voice_goes_back_to_the_last_good_save(fake_dataset, tmp_path, monkeypatch):
    diverging(monkeypatch, {12, 13})
    run, messages, seen = Run(tmp_path), [], []
    config = FAST.replace(max_steps=30, validate_every=10)
    train(fake_dataset, run, config, log=messages.append, on_validation=seen.append)
    (message,) = [text for text in messages if "voice has diverged" in text]
    assert "Back to step 10, with 0.5 times the learning rate." in message
    assert [validation.step for validation in seen] == [10, 20, 30]
    assert load_checkpoint(run.current_model).run_state.step == 30
    assert is_usable(run.current_model) and is_usable(run.best_model)
    assert [row["step"] for row in read_history(run.history)] == [10, 20, 30]


@pytest.mark.parametrize("is_killed", [False, True])
def test_spoilt_saves_are_passed_over(fake_dataset, tmp_path, monkeypatch, is_killed):
    """The two newest saves come from between two validations, when it had diverged already."""
    diverging(monkeypatch, {12, 13})
    run, messages = Run(tmp_path), []
    config = FAST.replace(max_steps=30, validate_every=10, save_every_minutes=1e-6)
    if is_killed:
        train_quietly(fake_dataset, run, config, stop=stop_after(17))
        assert load_checkpoint(run.current_model).run_state.step == 17
        assert not is_usable(run.current_model)
    train(fake_dataset, run, config, log=messages.append)
    back = [
        text.split("Back to ")[1].split(",")[0] for text in messages if "voice has diverged" in text
    ]
    assert back == (["step 10"] if is_killed else ["step 19", "step 18", "step 10"])
    assert load_checkpoint(run.current_model).run_state.step == 30
    assert is_usable(run.current_model)


def test_a_voice_that_diverges_at_once_leaves_no_save(fake_dataset, tmp_path):
    run = Run(tmp_path)
    config = FAST.replace(max_steps=30, validate_every=10, learning_rate=1e6)
    with pytest.raises(CheckpointError, match=r"validation loss is .*a lower learning_rate"):
        train_quietly(fake_dataset, run, config)
    assert not run.resumable


def test_a_run_that_diverges_again_and_again_is_left_at_its_best(fake_dataset, tmp_path):
    """The newest saves are spoilt: with a sound learning rate it goes on from what is left."""
    run, config = Run(tmp_path), FAST.replace(validate_every=5, save_every_minutes=1e-6)
    train_quietly(fake_dataset, run, config.replace(max_steps=5))
    with pytest.raises(CheckpointError, match="back at its best voice, of step 5. Train it again"):
        train_quietly(fake_dataset, run, config.replace(max_steps=20, learning_rate=1e5))
    left = load_checkpoint(run.current_model)
    assert (left.run_state.step, left.run_state.learning_rate_scale) == (5, 1)
    assert is_usable(run.current_model) and is_usable(run.best_model)
    assert train_quietly(fake_dataset, run, config.replace(max_steps=10)).finished


def test_weights_that_are_not_finite_are_not_saved(fake_dataset, tmp_path):
    run, messages = Run(tmp_path), []
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    session = Session(fake_dataset, run, FAST, ALONE, None, messages.append)
    with torch.no_grad():
        session.model.postnet.convolutions[0][0].conv.bias[0] = float("inf")
    session.step()
    session.save()
    assert "NaN or infinite" in messages[-1] and "the last good save is kept" in messages[-1]
    assert load_checkpoint(run.current_model).run_state.step == 1


# Validations


@pytest.mark.parametrize(
    ("found", "best_step"),
    [
        ([(0.1, False), (0.3, False), (0.2, False)], 2),
        ([(0.3, False), (0.2, False), (0.1, False)], 1),
        ([(0.5, False), (0.2, True), (0.9, False)], 2),
        ([(0.3, True), (0.9, False), (0.4, True)], 3),
        ([(0.3, True), (0.3, True), (0.3, True)], 1),
    ],
)
def test_the_best_model(fake_dataset, tmp_path, monkeypatch, found, best_step):
    monkeypatch.setattr(session_module, "validate", validations(*found))
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, FAST.replace(max_steps=3, validate_every=1))
    assert load_checkpoint(run.best_model).run_state.step == best_step
    assert load_checkpoint(run.current_model).run_state.step == 3


def test_the_best_is_remembered_over_sessions(fake_dataset, tmp_path, monkeypatch):
    run = Run(tmp_path)
    config = FAST.replace(validate_every=1)
    monkeypatch.setattr(session_module, "validate", validations((0.3, True)))
    train_quietly(fake_dataset, run, config.replace(max_steps=1))
    monkeypatch.setattr(session_module, "validate", validations((0.9, False), (0.4, True)))
    train_quietly(fake_dataset, run, config.replace(max_steps=2))
    assert load_checkpoint(run.best_model).run_state.step == 1
    result = train_quietly(fake_dataset, run, config.replace(max_steps=3))
    best = load_checkpoint(run.best_model).run_state
    assert (best.step, best.best_score, best.best_aligned) == (3, 0.4, True)
    assert result.first_aligned == 1 and best.aligned_since == 3


def test_guidance_and_cap_follow_alignment(fake_dataset, tmp_path, monkeypatch):
    found = validations((1.0, False), (1.0, True), (1.0, True), (1.0, False), (1.0, False))
    monkeypatch.setattr(session_module, "validate", found)
    weights, caps = [], []
    original = train_step

    def spy(*args, **kwargs):
        losses = original(*args, **kwargs)
        weights.append(float(losses.values.get("guidance_weight", torch.tensor(0.0))))
        caps.append(float(losses.gaf))
        return losses

    monkeypatch.setattr(session_module, "train_step", spy)
    config = FAST.replace(validate_every=1, guidance_fade_steps=4, gaf_every=1)
    config = config.replace(max_gaf=1e-3, max_gaf_aligned=1e-4)  # lower than any ratio here
    train_quietly(fake_dataset, Run(tmp_path), config)
    # aligned at step 2, lost at step 4
    assert weights == pytest.approx([2.0, 2.0, 2.0, 1.5, 1.0])
    assert load_checkpoint(Run(tmp_path).current_model).run_state.guidance_scale == pytest.approx(
        0.75
    )
    assert caps == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-4])


# Saves


def test_saves_come_by_the_clock(fake_dataset, tmp_path, monkeypatch):
    """Each step takes one minute, and a save is due after 2.5."""
    now, saved = [0.0], []

    def passing(batches):
        for batch in batches:
            now[0] += 60.0
            yield batch

    monkeypatch.setattr(session_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(
        session_module, "training_batches", lambda *args: passing(training_batches(*args))
    )
    write = session_module.write_checkpoint
    monkeypatch.setattr(
        session_module,
        "write_checkpoint",
        lambda path, content: (saved.append(content.run_state.step), write(path, content)),
    )
    config = CONFIG.replace(save_every_minutes=2.5, max_steps=10)
    train_quietly(fake_dataset, Run(tmp_path), config)
    assert saved == [3, 6, 9, 10]


def test_settings_of_a_run_survive_a_full_disk(fake_dataset, tmp_path):
    run = Run(tmp_path)
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises((OSError, PonytacoError)), no_file_larger_than(100):
        train_quietly(fake_dataset, run, FAST.replace(max_steps=2))
    assert before == {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
