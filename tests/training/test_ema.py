"""The EMA of the weights: its values, that it speaks, and that it does not change training."""

import shutil

import pytest
import torch
from support.tensor_files import edit

import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import load_checkpoint, new_model
from ponytaco.config import ConfigError
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.training.ema import EMA
from ponytaco.training.loop import train
from ponytaco.training.validation import validate

CONFIG = preset("tiny").replace(
    batch_size=4, max_steps=4, validate_every=100, prenet_dim=16, attention_rnn_dim=24,
    decoder_rnn_dim=24, device="cpu", max_gaf=0.4,
)  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    return new_model(CONFIG)


@torch.no_grad()
def walk(model):
    """Change all weights and statistics, as a step does."""
    for value in model.state_dict().values():
        value.add_(torch.randn_like(value) if value.is_floating_point() else 1)


def states_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("decay", [0.5, 0.98])
def test_it_is_the_decaying_mean_of_all_weights_and_statistics(model, decay):
    model.train()
    ema = EMA(model, decay)
    expected = states_of(model)
    for step in range(1, 12):
        walk(model)
        ema.update(step)
        kept = min(decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            mean = kept * expected[name] + (1 - kept) * value
            expected[name] = mean if value.is_floating_point() else value.clone()
    for name, value in ema.model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-5)
        if "num_batches" not in name:
            assert not torch.equal(value, model.state_dict()[name])
    assert model.training and not ema.model.training
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())


def test_without_a_decay_it_is_the_model_itself(model):
    ema = EMA(model, 0.0)
    for step in (1, 500):
        walk(model)
        ema.update(step)
    for name, value in ema.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_it_continues_from_saved_weights(model):
    one = EMA(model, 0.9)
    walk(model)
    one.update(90)
    other = EMA(model, 0.9, states_of(one.model))
    walk(model)
    for ema in (one, other):
        ema.update(91)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name


def test_gradients_are_not_copied(model):
    model.embedding.weight.square().sum().backward()
    ema = EMA(model, 0.9)
    assert all(parameter.grad is None for parameter in ema.model.parameters())
    assert model.embedding.weight.grad is not None


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_outside_of_0_to_1_is_refused(decay):
    with pytest.raises(ConfigError, match="ema_decay"):
        preset("small").replace(ema_decay=decay)


# In a run


def test_it_does_not_change_training(fake_dataset, tmp_path, no_pictures):
    saved = []
    for decay in (0.0, 0.9):
        run = Run(tmp_path / str(decay))
        train(fake_dataset, run, CONFIG.replace(ema_decay=decay), log=lambda _: None)
        saved.append(load_checkpoint(run.current_model))
    without, with_mean = saved
    for name, value in without.trained.items():
        assert torch.equal(value, with_mean.trained[name]), name
        assert torch.equal(value, without.state_dict[name]), name
    speaking = with_mean.state_dict["embedding.weight"]
    assert not torch.equal(speaking, with_mean.trained["embedding.weight"])


def test_the_ema_is_validated_and_spoken(fake_dataset, tmp_path, no_pictures, monkeypatch):
    judged = []

    def spy(model, *args):
        judged.append(states_of(model))
        return validate(model, *args)

    monkeypatch.setattr(session_module, "validate", spy)
    run = Run(tmp_path)
    train(fake_dataset, run, CONFIG, log=lambda _: None)
    saved = load_checkpoint(run.current_model)
    spoken = saved.build_model().state_dict()
    for name, value in judged[-1].items():
        assert torch.equal(value, spoken[name]), name
    assert not torch.equal(judged[-1]["embedding.weight"], saved.trained["embedding.weight"])


def test_a_checkpoint_that_has_only_the_ema_can_be_resumed(
    fake_dataset, tmp_path, no_pictures, monkeypatch
):
    """Such as one whose weights somebody has replaced."""
    run = Run(tmp_path)
    train(fake_dataset, run, CONFIG.replace(max_steps=2), log=lambda _: None)
    edit(run.current_model, lambda content: content.update(trained=None))
    before = load_checkpoint(run.current_model).state_dict
    shutil.rmtree(run.saves)
    begun, original = [], session_module.train_step

    def spy(model, *args, **kwargs):
        begun.append(states_of(model))
        return original(model, *args, **kwargs)

    monkeypatch.setattr(session_module, "train_step", spy)
    train(fake_dataset, run, CONFIG.replace(max_steps=3), log=lambda _: None)
    for name, value in before.items():
        assert torch.equal(begun[0][name], value), name
