"""A step on a device that can tell nothing: torch's meta device has shapes and no values."""

import contextlib
import dataclasses

import pytest
import torch
import torch.nn.functional as F

from ponytaco.checkpoint.format import new_model
from ponytaco.data.loader import Batch
from ponytaco.presets import preset
from ponytaco.runs.state import Progress
from ponytaco.training.step import make_optimizer, set_learning_rate, train_step

CONFIG = preset("tiny")
META = torch.device("meta")


class Optimizer:
    """What a step asks of one; torch's own do not know this device."""

    def __init__(self, model):
        self.parameters = list(model.parameters())

    def zero_grad(self, set_to_none):
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.data.add_(parameter.grad)


@pytest.fixture
def silent_device(monkeypatch):
    """What torch lacks on the meta device, replaced; all else is the step's own."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: contextlib.nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *args: False)
    monkeypatch.setattr(F, "ctc_loss", ctc_loss)


def ctc_loss(log_probs, targets, input_lengths, target_lengths, **kwargs):
    assert input_lengths.device.type == target_lengths.device.type == "cpu"
    return log_probs.sum(dim=(0, 2))


def make_batch():
    return Batch(
        text=torch.ones(3, 7, dtype=torch.int64),
        text_lengths=torch.tensor([6, 7, 5]),
        mel=torch.zeros(3, CONFIG.audio.n_mels, 20),
        mel_lengths=torch.tensor([20, 16, 18]),
        ctc=torch.ones(3, 5, dtype=torch.int64),
        ctc_lengths=torch.tensor([5, 4, 3]),
        intervals=torch.zeros(3, 7, 2),
        weight=torch.ones(3),
    ).to(META)


def step(n_parts=1, aligned_since=None, guided=1.0, **changes):
    model = new_model(CONFIG).to(META)
    settings = dataclasses.replace(CONFIG.train, **changes)
    gaf = torch.zeros((), device=META)
    mean_frame = torch.zeros(CONFIG.audio.n_mels, device=META)
    progress = Progress(1, aligned_since=aligned_since, guided=guided)
    return train_step(
        model, Optimizer(model), make_batch(), settings, progress, gaf, mean_frame, None, n_parts
    )


@pytest.mark.parametrize("n_parts", [1, 2])
@pytest.mark.parametrize(
    "changes",
    [
        {"gaf_every": 1},
        {"gaf_every": 2},
        {"mmi": False},
        {"p_teacher_forcing": 0.5, "teacher_forcing_fade_steps": 0, "aligned_since": 1},
        {"guided": 0.5},
    ],
    ids=str,
)
def test_a_step_never_waits_for_its_device(silent_device, changes, n_parts):
    losses = step(n_parts, **changes)
    assert losses.skipped.device == losses.gaf.device == META
    assert {"mel", "mel_postnet", "gate", "guidance", "loss", "grad_norm"} <= set(losses.values)


def test_the_device_would_notice(silent_device, monkeypatch):
    monkeypatch.setattr(
        "ponytaco.training.step.guidance_loss",
        lambda alignment, *rest: alignment.detach().sum().item(),
    )
    with pytest.raises(RuntimeError, match="meta"):
        step()


def test_attention_learns_at_its_own_multiple_of_the_rate():
    settings = preset("tiny").replace(attention_rate=5.0, weight_decay=0.0)
    model = new_model(settings)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = make_optimizer(model, settings.train)
    set_learning_rate(optimizer, 0.01)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, value in model.named_parameters():
        # Adam's first step is as long as the rate.
        moved = 0.05 if name.startswith("decoder.attention_layer.") else 0.01
        torch.testing.assert_close(before[name] - value, torch.full_like(value, moved), msg=name)
