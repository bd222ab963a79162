"""Gradual training: the reduction factor falls once a voice is aligned."""

import pytest
import torch
from support.processes import in_processes
from support.validations import validations

import ponytaco.training.loop as loop_module
import ponytaco.training.session as session_module
import ponytaco.training.step as step_module
from ponytaco.checkpoint.format import load_checkpoint, verified_checkpoint
from ponytaco.config import Config
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.state import RunState
from ponytaco.synthesis.voice import Voice
from ponytaco.training.gradual import next_reduction
from ponytaco.training.loop import train
from ponytaco.training.step import train_step

CONFIG = preset("tiny").replace(
    batch_size=4, max_steps=8, validate_every=1, gaf_every=3, prenet_dim=16, attention_rnn_dim=24,
    decoder_rnn_dim=24, device="cpu", n_frames_per_step=3, reduce_frames_to="2,1",
    reduce_frames_after=2, save_every_minutes=1e3, freeze_encoder_steps=4,
)  # fmt: skip


pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def factors(monkeypatch):
    """The reduction factor of each step."""
    taken = []

    def spy(model, *args, **kwargs):
        taken.append(model.decoder.n_frames_per_step)
        return train_step(model, *args, **kwargs)

    monkeypatch.setattr(session_module, "train_step", spy)
    return taken


def find(monkeypatch, *found):
    """Let the next validations have these (score, aligned)."""
    monkeypatch.setattr(session_module, "validate", validations(*found))


# The schedule


def reduction_at(r, step, aligned_since, **changes):
    """Return the next reduction of a run whose factors are 7, 3 and 1, and which has come to r."""
    config = CONFIG.replace(n_frames_per_step=7, reduce_frames_to="3,1", reduce_frames_after=300)
    state = RunState(step=step, aligned_since=aligned_since, first_aligned=5)
    return next_reduction(r, config.replace(**changes), state)


@pytest.mark.parametrize(
    ("r", "step", "aligned_since", "expected"),
    [
        (7, 900, None, 7),
        (7, 0, None, 7),
        (7, 899, 600, 7),
        (7, 900, 600, 3),
        (7, 2000, 600, 3),  # one at a time
        (3, 899, 600, 3),
        (3, 900, 600, 1),
        (1, 9000, 600, 1),
    ],
)
def test_the_next_factor_is_taken_once_aligned_for_long(r, step, aligned_since, expected):
    reduction = reduction_at(r, step, aligned_since)
    assert (r if reduction is None else reduction.n_frames_per_step) == expected


def test_the_message_names_both_factors():
    sentence = reduction_at(7, 1900, 1500).sentence
    assert "aligned for 400 steps" in sentence and "from step 1,900 on" in sentence
    assert "3 mel frames at a time instead of 7" in sentence
    assert "1 mel frame at a time instead of 3" in reduction_at(3, 1900, 1500).sentence


def test_without_smaller_factors_nothing_changes():
    assert reduction_at(7, 9000, 600, reduce_frames_to="") is None


# A run


@pytest.mark.parametrize("head", ["mmi", "plain"])
def test_a_run_reduces_its_factor_from_three_to_one(
    fake_dataset, tmp_path, monkeypatch, factors, head
):
    config, run, messages = CONFIG.replace(head=head), Run(tmp_path / "run"), []
    find(monkeypatch, (0.5, True), (0.4, True), (0.3, True), *[(0.4, True)] * 2, *[(0.6, True)] * 3)
    result = train(fake_dataset, run, config, log=messages.append)
    # Aligned since step 1, and with factor 2 since step 4.
    assert factors == [3, 3, 3, 2, 2, 2, 1, 1]
    assert result.finished and result.first_aligned == 1
    reductions = [s.split("step ")[1].split(" mel")[0] for s in messages if "at a time" in s]
    assert reductions == ["3 on its decoder makes 2", "6 on its decoder makes 1"]
    saved = verified_checkpoint(run.current_model)
    assert saved.config == config.reduced_to(1) and saved.run_state.aligned_since == 7
    best = verified_checkpoint(run.best_model)
    assert best.run_state.step == 6 and best.config == config.reduced_to(2)
    assert Config.from_json(run.config.read_text(encoding="utf-8")) == config
    for path in (run.best_model, run.current_model):
        assert len(Voice(path).speak("A bee.", seed=1).waveform)


def test_a_voice_that_lost_its_alignment_waits(fake_dataset, tmp_path, monkeypatch, factors):
    find(monkeypatch, (0.5, True), (0.5, False), *[(0.5, True)] * 6)
    train(fake_dataset, Run(tmp_path), CONFIG.replace(max_steps=7), log=lambda message: None)
    assert factors == [3, 3, 3, 3, 3, 2, 2]


def test_a_reduced_factor_is_not_reported_as_changed(fake_dataset, tmp_path, monkeypatch, factors):
    run, messages = Run(tmp_path), []
    find(monkeypatch, *[(0.5, True)] * 8)
    train(fake_dataset, run, CONFIG.replace(max_steps=4), log=messages.append)
    train(fake_dataset, run, CONFIG.replace(max_steps=5), log=messages.append)
    # With the factor that the run has reached, too.
    train(fake_dataset, run, CONFIG.reduced_to(2).replace(max_steps=6), log=messages.append)
    changes = [message for message in messages if "Changed since then" in message]
    assert changes == [f"Changed since then: max_steps {n} (was {n - 1})." for n in (5, 6)]
    assert factors == [3, 3, 3, 2, 2, 2]


def test_rolling_back_to_a_save_with_a_larger_factor(fake_dataset, tmp_path, monkeypatch, factors):
    """It was saved at step 4 with factor 3; steps 6 and 7, with factor 2, are not finite."""
    calls, messages, run = [], [], Run(tmp_path)

    def loss(*args):
        calls.append(1)
        losses = tacotron_loss(*args)
        broken = len(calls) in (6, 7)
        return losses._replace(gate=losses.gate * float("nan")) if broken else losses

    monkeypatch.setattr(step_module, "tacotron_loss", loss)
    monkeypatch.setattr(session_module, "_PATIENCE", 2)
    monkeypatch.setattr(loop_module, "_REPORT_EVERY", 1)
    find(monkeypatch, *[(0.5, True)] * 2)
    config = CONFIG.replace(max_steps=7, validate_every=4, reduce_frames_after=1)
    train(fake_dataset, run, config, log=messages.append)
    assert any("Back to step 4" in message for message in messages)
    assert factors == [3, 3, 3, 3, 3, 2, 2, 3, 2, 2]
    saved = verified_checkpoint(run.current_model)
    assert saved.config == config.reduced_to(2) and saved.run_state.learning_rate_scale == 0.5
    train(fake_dataset, run, config.replace(max_steps=7), log=messages.append)


def test_all_processes_reduce_at_the_same_step(fake_dataset, tmp_path, monkeypatch):
    find(monkeypatch, *[(0.5, True)] * 8)
    config = CONFIG.replace(batch_size=2)

    def work(ranks):
        models, original = [], train_step

        def spy(model, *args, **kwargs):
            models.append((model.decoder.n_frames_per_step, model))
            return original(model, *args, **kwargs)

        session_module.train_step = spy
        messages = []
        train(fake_dataset, Run(tmp_path / "run"), config, ranks=ranks, log=messages.append)
        state = {name: value.clone() for name, value in models[-1][1].state_dict().items()}
        return [r for r, _ in models], state, sum("at a time" in m for m in messages)

    (one, state, n_messages), (other, others_state, n_others) = in_processes(work)
    assert one == other == [3, 3, 3, 2, 2, 2, 1, 1]
    assert (n_messages, n_others) == (2, 0)
    saved = load_checkpoint(tmp_path / "run" / "current_model").trained
    for name, value in saved.items():
        assert torch.equal(state[name], others_state[name]) and torch.equal(state[name], value)
