"""The model on a GPU against the CPU, in float32, and its decoder against the reference."""

import copy

import pytest
import torch
from reference.decoder import ReferenceDecoder
from support.distances import distance, largest_distance

from ponytaco.checkpoint.conversion.reduction_factor import set_frames_per_step
from ponytaco.checkpoint.format import new_model
from ponytaco.evaluation.speed import noise_batch
from ponytaco.losses.gaf import balanced_backward
from ponytaco.losses.guided_attention import (
    attention_targets,
    forced_attention,
    guided_attention_loss,
)
from ponytaco.losses.mmi import mmi_loss
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.model.decoder import Decoder, DropoutMasks, ForcedAttention
from ponytaco.model.dropout import dropout, dropout_factors
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.presets import preset

pytestmark = pytest.mark.gpu

# Two devices sum in another order. float32 has 24 bits: a sum of a thousand numbers is off by
# about 1e-6, and in a recurrence the error grows from step to step.
VALUES, GRADIENTS = 1e-4, 1e-3
NO_DROPOUT = {
    f"p_{name}_dropout": 0.0
    for name in ("encoder", "prenet", "attention", "decoder", "head", "postnet", "ctc")
}
MODELS = {
    "tiny": preset("tiny"),
    "plain": preset("tiny").replace(head="plain", n_frames_per_step=1),
    "full": preset("full"),
    "seven frames a step": preset("gradual"),
}


def make_pair(name, device):
    """A model on the CPU, a copy of it on the device, and a batch on the CPU."""
    config = MODELS[name].replace(**NO_DROPOUT)
    torch.manual_seed(0)
    here = new_model(config).train()
    lengths = ([14, 20], [47, 70]) if "tiny" not in name else ([12, 9, 17], [40, 31, 57])
    return (
        here,
        copy.deepcopy(here).to(device),
        noise_batch(config, *(torch.tensor(n) for n in lengths)),
    )


def run(model, batch, device, how):
    """Output and losses by name, on a device."""
    batch = batch.to(device)
    r = model.decoder.n_frames_per_step
    targets = attention_targets(batch.intervals, batch.mel_lengths, -(-batch.mel.shape[2] // r), r)
    told = None
    if how == "told where attention should be":
        share = torch.linspace(0, 1, len(batch.mel), device=device)[:, None]
        told = ForcedAttention(forced_attention(targets), share)
    p_teacher_forcing = 0.5 if how == "windows of its own frames" else 1.0
    torch.manual_seed(3)  # of the windows, which are drawn on the CPU
    out = model(
        batch.text, batch.text_lengths, batch.mel, batch.mel_lengths, p_teacher_forcing, 14, told
    )
    losses = tacotron_loss(
        out.mel, out.mel_postnet, out.gate, batch.mel, batch.mel_lengths, 8.0
    )._asdict()
    losses["guidance"] = guided_attention_loss(out.alignment, targets)
    if model.mi is not None:
        log_probs = model.mi(out.hidden)
        losses["mi"] = mmi_loss(log_probs, batch.mel_lengths, batch.ctc, batch.ctc_lengths)
    return out._asdict(), losses


def gradients(model, loss):
    names, parameters = zip(*model.named_parameters(), strict=True)
    values = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {n: v for n, v in zip(names, values, strict=True) if v is not None}


@pytest.mark.parametrize(
    "how", ["true frames", "windows of its own frames", "told where attention should be"]
)
@pytest.mark.parametrize("name", MODELS)
def test_output_losses_and_gradients_are_equal_to_the_cpus(device, measured, name, how):
    here, there, batch = make_pair(name, device)
    (expected, expected_losses), (out, losses) = (
        run(model, batch, at, how) for model, at in ((here, torch.device("cpu")), (there, device))
    )
    values = {n: distance(out[n], expected[n]) for n in expected}
    values |= {n: distance(losses[n], expected_losses[n]) for n in expected_losses}
    of_cpu = gradients(here, sum(expected_losses.values()))
    of_gpu = gradients(there, sum(losses.values()))
    worst, where = largest_distance(of_gpu, of_cpu)
    measured("values apart by", max(values.values()))
    measured("gradients apart by", worst)
    assert max(values.values()) < VALUES, values
    assert worst < GRADIENTS, where
    for ours, theirs in zip(there.buffers(), here.buffers(), strict=True):
        assert distance(ours, theirs) < VALUES


@pytest.mark.parametrize("name", ["tiny", "full"])
def test_the_gradient_adaptive_factor_is_equal_to_the_cpus(device, measured, name):
    here, there, batch = make_pair(name, device)
    factors, grads = [], []
    for model, at in ((here, torch.device("cpu")), (there, device)):
        losses = run(model, batch, at, "true frames")[1]
        mi = losses.pop("mi")
        factors.append(balanced_backward(sum(losses.values()), mi, list(model.parameters()), 1e6))
        grads.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert factors[1].device.type == device.type
    assert 0 < float(factors[0]) < 1e6
    measured("factors apart by", distance(factors[1], factors[0]))
    assert distance(factors[1], factors[0]) < GRADIENTS
    assert largest_distance(grads[1], grads[0])[0] < GRADIENTS


def decoders(name, device):
    """Return our decoder, the reference with the same weights, and inputs, all on the device."""
    config = MODELS[name]
    c = config.model
    sizes = {
        "head": c.head, "n_mels": 80, "memory_dim": c.encoder_embedding_dim,
        "attention_rnn_dim": c.attention_rnn_dim, "decoder_rnn_dim": c.decoder_rnn_dim,
        "prenet_dim": c.prenet_dim, "attention_dim": c.attention_dim,
        "location_n_filters": c.attention_location_n_filters,
        "location_kernel_size": c.attention_location_kernel_size,
        "n_frames_per_step": c.n_frames_per_step,
    }  # fmt: skip
    torch.manual_seed(0)
    dropouts = dict.fromkeys(("p_prenet_dropout", "p_head_dropout"), 0.0)
    dropouts |= dict.fromkeys(("p_attention_dropout", "p_decoder_dropout"), 0.1)
    ours = Decoder(**sizes, **dropouts).to(device)
    reference = ReferenceDecoder(**sizes).to(device)
    reference.load_state_dict(ours.state_dict())
    memory = torch.randn(3, 15, sizes["memory_dim"]).clamp(-1, 1).to(device).requires_grad_()
    lengths, mel = torch.tensor([15, 11, 6]), torch.randn(3, 80, 29).to(device)
    return ours, reference, (memory, lengths, mel)


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_decoder_is_the_reference(device, measured, name, is_told):
    ours, reference, inputs = decoders(name, device)
    memory, _, mel = inputs
    n_steps = -(-mel.shape[2] // ours.n_frames_per_step)
    rates = (ours.p_attention_dropout, ours.p_decoder_dropout)
    dims = (ours.attention_rnn.hidden_size, ours.decoder_rnn.hidden_size)
    masks = DropoutMasks(
        *(torch.rand(n_steps, 3, d, device=device) > p for d, p in zip(dims, rates, strict=True))
    )
    masks_of_reference = [mask / (1 - p) for mask, p in zip(masks, rates, strict=True)]
    told = None
    if is_told:
        weights = torch.rand(n_steps, 3, memory.shape[1], device=device).softmax(dim=2)
        told = ForcedAttention(weights, torch.rand(3, 1, device=device))
    expected = reference(*inputs, masks=masks_of_reference, forced_attention=told)
    out = ours(*inputs, masks=masks, forced_attention=told)
    assert max(map(distance, out, expected)) < VALUES
    factors = [torch.randn_like(value) for value in expected]

    def grads(decoder, values):
        loss = sum((value * f).sum() for value, f in zip(values, factors, strict=True))
        named = {"memory": memory, **dict(decoder.named_parameters())}
        return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))

    worst, where = largest_distance(grads(ours, out), grads(reference, expected))
    measured("gradients apart by", worst)
    assert worst < GRADIENTS, where


@pytest.mark.parametrize("weight_type", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_speaking_freely_is_the_reference(device, measured, name, weight_type):
    ours, reference, (memory, lengths, mel) = decoders(name, device)
    out = PackedDecoder(ours.eval(), weight_type)(memory, lengths, mel.shape[2], 1.0)
    with torch.no_grad():
        expected = reference(memory, lengths, mel, forced=[False] * mel.shape[2])
    worst = max(map(distance, out[:4], expected))
    measured("apart by", worst)
    # A weight of 11 or 8 bits is off by 2^-12 or 2^-9 on average, and errors add up over frames.
    assert worst < {"float32": VALUES, "float16": 0.01, "bfloat16": 0.06}[weight_type]


def test_a_smaller_reduction_factor(device):
    here, there, batch = make_pair("seven frames a step", device)
    for model in (here, there):
        set_frames_per_step(model, 2)
    assert all(p.device.type == device.type for p in there.parameters())
    expected, _ = run(here, batch, torch.device("cpu"), "true frames")
    out, _ = run(there, batch, device, "true frames")
    assert max(distance(out[n], expected[n]) for n in expected) < VALUES


def test_dropout_has_the_right_share_and_mean(device):
    torch.manual_seed(0)
    n, p = 1_000_003, 0.3
    x = torch.ones(n, device=device, requires_grad=True)
    for factors in (dropout_factors((n,), p, device), dropout(x, p, training=True)):
        assert factors.device.type == device.type
        assert float((factors == 0).float().mean()) == pytest.approx(p, abs=0.003)
        assert float(factors.mean()) == pytest.approx(1.0, abs=0.005)
    factors.sum().backward()
    assert torch.equal(x.grad, factors.detach())
    torch.manual_seed(5)
    first = dropout_factors((n,), p, device)
    torch.manual_seed(5)
    assert torch.equal(dropout_factors((n,), p, device), first)
