"""The training step: it never waits for its device, skips what is not finite, and accumulates."""

import contextlib
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from support.training import CONFIG, assert_same

import ponytaco.training.step as step_module
from ponytaco.checkpoint.format import new_model
from ponytaco.config import TrainConfig
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.data.loader import Batch, collate
from ponytaco.data.sampler import BucketSampler, Pick
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.adversarial import ADVERSARIAL_EVERY, AdversarialPostnet
from ponytaco.training.optimizer import make_optimizer, set_learning_rate
from ponytaco.training.step import train_step

# Has shapes but no values, so that reading a value is an error.
META = torch.device("meta")


class Optimizer:
    """The methods that a step calls; torch's optimizers do not support this device."""

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
    """Replace what torch lacks on the meta device; all else is the step's own."""
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
        is_end=torch.ones(3, dtype=torch.bool),
        weight=torch.ones(3),
    ).to(META)


def step(n_micro_batches=1, aligned_since=None, guidance_scale=1.0, **changes):
    model = new_model(CONFIG).to(META)
    settings = dataclasses.replace(CONFIG.train, **changes)
    gaf = torch.zeros((), device=META)
    mean_frame = torch.zeros(CONFIG.audio.n_mels, device=META)
    run_state = RunState(1, aligned_since=aligned_since, guidance_scale=guidance_scale)
    return train_step(
        model,
        Optimizer(model),
        make_batch(),
        settings,
        run_state,
        gaf,
        mean_frame,
        None,
        n_micro_batches,
    )


@pytest.mark.parametrize("n_micro_batches", [1, 2])
@pytest.mark.parametrize(
    "changes",
    [
        {"gaf_every": 1},
        {"gaf_every": 2},
        {"mmi": False},
        {"mmi_weight": 0.3, "gaf_every": 1},
        {"p_teacher_forcing": 0.5, "teacher_forcing_fade_steps": 0, "aligned_since": 1},
        {"guidance_scale": 0.5},
    ],
    ids=str,
)
def test_a_step_never_waits_for_its_device(silent_device, changes, n_micro_batches):
    losses = step(n_micro_batches, **changes)
    assert losses.skipped.device == losses.gaf.device == META
    assert {"mel", "mel_postnet", "gate", "guidance", "loss", "grad_norm"} <= set(losses.values)


def test_the_device_would_notice_a_read(silent_device, monkeypatch):
    monkeypatch.setattr(
        "ponytaco.training.step.guided_attention_loss",
        lambda alignment, *rest: alignment.detach().sum().item(),
    )
    with pytest.raises(RuntimeError, match="meta"):
        step()


def test_attention_learns_at_its_own_multiple_of_the_rate():
    settings = preset("tiny").replace(attention_learning_rate_scale=5.0, weight_decay=0.0)
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


# Steps that are not finite


@pytest.fixture
def arguments(fake_dataset):
    """All arguments of ``train_step``, after one good step."""
    torch.manual_seed(1)
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    model = new_model(CONFIG)
    picks = BucketSampler(data.train.lengths, 4, 0, 1.0).remaining()[0]
    batch = collate([data.train[pick] for pick in picks])
    settings = CONFIG.replace(gaf_every=1).train
    optimizer = make_optimizer(model, settings)
    gaf = torch.tensor(0.123)
    arguments = (model, optimizer, batch, settings, RunState(), gaf, data.mean_frame)
    train_step(*arguments)
    return arguments


def snapshot(model, optimizer):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    moments = {
        f"{index}/{name}": value.clone()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    return state, moments


@pytest.mark.parametrize("what", ["loss", "gradient", "batch"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_changes_nothing(arguments, monkeypatch, what, value):
    model, optimizer, batch, settings, run_state, gaf, mean_frame = arguments
    before = snapshot(model, optimizer)

    def broken_loss(*args):
        losses = tacotron_loss(*args)
        return losses._replace(mel=losses.mel * value)

    if what == "loss":
        monkeypatch.setattr(step_module, "tacotron_loss", broken_loss)
    elif what == "gradient":
        model.embedding.weight.register_hook(lambda gradient: gradient * value)
    else:
        mel = batch.mel.clone()
        mel[0, 3, 2] = value
        batch = batch._replace(mel=mel)
    losses = train_step(model, optimizer, batch, settings, run_state, gaf, mean_frame)
    assert losses.skipped
    assert_same(before, snapshot(model, optimizer))
    assert losses.gaf == gaf


def test_an_adversary_takes_the_place_of_the_postnets_squared_error(arguments, monkeypatch):
    model, optimizer, batch, settings, _, gaf, mean_frame = arguments
    adversary = AdversarialPostnet(model, mean_frame, seed=1)
    calls = []
    monkeypatch.setattr(adversary, "round", lambda *args: calls.append(args) or {})
    before, moments_before = snapshot(model, optimizer)
    for n in range(2 * ADVERSARIAL_EVERY):
        train_step(model, optimizer, batch, settings, RunState(n), gaf, mean_frame,
                   adversary=adversary)  # fmt: skip
    assert len(calls) == 2
    given, decoded, is_usable, _ = calls[0]
    assert torch.equal(given.mel, batch.mel) and is_usable
    assert decoded.shape == batch.mel.shape and not decoded.requires_grad
    after, moments_after = snapshot(model, optimizer)
    for name in before:
        # Its batch norms are those of synthesis, too.
        assert torch.equal(before[name], after[name]) or not name.startswith("postnet."), name
    assert not torch.equal(before["embedding.weight"], after["embedding.weight"])
    n_same = sum(torch.equal(moments_before[key], moments_after[key]) for key in moments_after)
    assert n_same == 3 * len(list(model.postnet.parameters()))


def test_a_good_step_changes_weights_moments_and_buffers(arguments):
    model, optimizer, *_ = arguments
    state, moments = snapshot(model, optimizer)
    losses = train_step(*arguments)
    assert not losses.skipped
    state_after, moments_after = snapshot(model, optimizer)
    assert losses.gaf >= 0 and losses.gaf != torch.tensor(0.123)
    for name in ("embedding.weight", "postnet.convolutions.0.1.running_mean", "mi.linear1.weight"):
        if name in state:
            assert not torch.equal(state[name], state_after[name]), name
    assert not all(torch.equal(moments[key], moments_after[key]) for key in moments)


# Which losses are computed


def n_prenet_calls(arguments, p_teacher_forcing, aligned_since=0):
    model, optimizer, batch, settings, _, *rest = arguments
    calls = []
    handle = model.decoder.prenet.register_forward_hook(lambda *args: calls.append(1))
    settings = dataclasses.replace(
        settings,
        p_teacher_forcing=p_teacher_forcing,
        teacher_forcing_fade_steps=2,
        teacher_forcing_window=2,
    )
    run_state = RunState(step=2, aligned_since=aligned_since)
    train_step(model, optimizer, batch, settings, run_state, *rest)
    handle.remove()
    return len(calls)


def test_full_teacher_forcing_costs_nothing(arguments):
    assert n_prenet_calls(arguments, 1.0) == 1
    assert n_prenet_calls(arguments, 0.0) > 5


def test_teacher_forcing_falls_only_once_aligned(arguments):
    assert n_prenet_calls(arguments, 0.0, aligned_since=None) == 1
    assert (
        n_prenet_calls(arguments, 0.0, aligned_since=2) == 1
    )  # just found: it falls from this step on
    assert 1 < n_prenet_calls(arguments, 0.0, aligned_since=1) <= n_prenet_calls(arguments, 0.0)


@pytest.mark.parametrize(
    ("change", "absent"),
    [({"mmi": False}, {"mi", "gaf"}), ({"guidance_weight": 0.0}, {"guidance", "guidance_weight"})],
)
def test_a_loss_that_is_off_is_not_computed(arguments, change, absent):
    model, optimizer, batch, settings, *rest = arguments
    everything = train_step(model, optimizer, batch, settings, *rest).values
    assert absent <= set(everything)
    settings = dataclasses.replace(settings, **change)
    assert not absent & set(train_step(model, optimizer, batch, settings, *rest).values)


def test_the_loss_is_the_weighted_sum_of_its_terms(arguments):
    values = {name: float(value) for name, value in train_step(*arguments).values.items()}
    total = values["mel"] + values["mel_postnet"] + values["gate"]
    total += values["guidance_weight"] * values["guidance"] + values["gaf"] * values["mi"]
    assert values["loss"] == pytest.approx(total, rel=1e-5)


def test_gradients_between_refreshes_are_those_of_the_total(arguments):
    """With gaf_every off and the same factor, a plain step has the balanced step's gradients."""
    model, _, batch, settings, run_state, gaf, mean_frame = arguments
    gradients = []
    for gaf_every in (1, 2):
        run_state.step = 1  # refreshed when 1 % gaf_every == 0
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0, fused=True)
        torch.manual_seed(5)
        refreshing = dataclasses.replace(settings, gaf_every=gaf_every, max_grad_norm=1e9)
        gaf = train_step(model, optimizer, batch, refreshing, run_state, gaf, mean_frame).gaf
        gradients.append([p.grad.clone() for p in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


# Gradient accumulation


def test_micro_batches_have_the_gradients_of_the_batch(fake_dataset):
    """Apart from batch norm and dropouts, which are off here."""
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    batch = collate([data.train[Pick(i, True)] for i in range(4)])
    config = CONFIG.replace(guidance_weight=0.0, mmi=False, drop_frame_rate=0.0, max_grad_norm=1e9,
                            **{f.name: 0.0 for f in dataclasses.fields(CONFIG.model)
                               if f.name.startswith("p_")})  # fmt: skip
    gradients, losses = [], []
    for n_micro_batches in (1, 2, 3):
        torch.manual_seed(0)
        model = new_model(config)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.train = lambda mode, module=module: module
                module.training = False
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0, fused=True)
        gaf, mean_frame = torch.zeros(()), data.mean_frame
        arguments = (model, optimizer, batch, config.train, RunState(), gaf, mean_frame, None)
        losses.append(float(train_step(*arguments, n_micro_batches).values["loss"]))
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    for other in gradients[1:]:
        for one, two in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


def gradient(fake_dataset, **changes):
    """All parameters' gradients in one step, in a row, and the step's losses."""
    settings = preset("tiny").replace(max_grad_norm=1e6, gaf_every=1, **changes)
    torch.manual_seed(5)
    model = new_model(settings)
    data = open_datasets(read_dataset(fake_dataset), settings.audio, SYMBOLS, "english")
    batch = collate([data.train[Pick(i, False)] for i in range(3)], 2)
    losses = train_step(
        model, make_optimizer(model, settings.train), batch, settings.train, RunState(),
        torch.zeros(()), data.mean_frame,
    )  # fmt: skip
    flat = [
        (torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()
    ]
    return torch.cat(flat).double(), losses


def test_a_constant_mmi_weight_takes_the_place_of_the_adaptive_factor(fake_dataset):
    without, _ = gradient(fake_dataset, mmi=False)
    (once, losses), (thrice, _) = (gradient(fake_dataset, mmi_weight=w) for w in (1.0, 3.0))
    mmi = (thrice - once) / 2
    assert mmi.abs().max() > 1e-3
    torch.testing.assert_close(once - mmi, without, rtol=1e-3, atol=1e-6)
    # beyond the cap, which is for the adaptive factor
    assert float(losses.gaf) == float(losses.values["gaf"]) == 1.0 > TrainConfig().max_gaf
    values = losses.values
    parts = values["mel"] + values["mel_postnet"] + values["gate"]
    parts = parts + values["guidance_weight"] * values["guidance"] + values["mi"]
    torch.testing.assert_close(values["loss"], parts)
