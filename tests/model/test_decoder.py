"""The package's decoder against the slow, obvious one, in value and gradient."""

import pytest
import torch
from support.decoders import DROPOUTS, SIZES, make_inputs, make_pair

from ponytaco.model.decoder import DropoutMasks, ForcedAttention


def gradients(module, memory, outputs):
    torch.manual_seed(2)
    loss = sum((value * torch.randn(value.shape)).sum() for value in outputs)
    named = dict(module.named_parameters())
    values = torch.autograd.grad(loss, [memory, *named.values()], allow_unused=True)
    return dict(zip(["memory", *named], values, strict=True))


def assert_same(ours, reference, memory, ours_out, reference_out):
    for value, expected in zip(ours_out, reference_out, strict=True):
        torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-4)
    expected = gradients(reference, memory, reference_out)
    for name, gradient in gradients(ours, memory, ours_out).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-4, rtol=1e-3, msg=name)


def make_masks(n_steps, batch):
    """Return what dropout keeps, and the reference's factors."""
    generator = torch.Generator().manual_seed(3)
    dims, p = (SIZES["attention_rnn_dim"], SIZES["decoder_rnn_dim"]), DROPOUTS["p_decoder_dropout"]
    kept = [torch.rand(n_steps, batch, dim, generator=generator) > p for dim in dims]
    return DropoutMasks(*kept), [mask / (1 - p) for mask in kept]


@pytest.mark.parametrize("head", ["plain", "mmi"])
@pytest.mark.parametrize("r", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 3])
def test_teacher_forced_equals_the_reference(head, r, batch):
    ours, reference = make_pair(head, r)
    memory, text_lengths, mel = make_inputs(batch)
    masks, factors = make_masks(-(-mel.shape[2] // r), batch)
    assert_same(
        ours, reference, memory,
        ours(memory, text_lengths, mel, masks=masks),
        reference(memory, text_lengths, mel, masks=factors),
    )  # fmt: skip


@pytest.mark.parametrize("head", ["plain", "mmi"])
@pytest.mark.parametrize("r", [1, 2])
def test_windows_of_own_frames_equal_the_reference(head, r, monkeypatch):
    ours, reference = make_pair(head, r)
    memory, text_lengths, mel = make_inputs()
    window = 4
    n_steps = -(-mel.shape[2] // r)
    masks, factors = make_masks(n_steps, 3)
    draws = iter([0.9, 0.1, 0.9, 0.2])  # p = 0.5: own, true, own, true
    monkeypatch.setattr(torch, "rand", lambda shape: torch.tensor(next(draws)))
    forced = [(t // (window // r)) % 2 == 1 for t in range(n_steps)]
    assert_same(
        ours, reference, memory,
        ours(memory, text_lengths, mel, 0.5, window, masks=masks),
        reference(memory, text_lengths, mel, forced=forced, masks=factors),
    )  # fmt: skip


def make_forced_attention(n_steps, batch, n_symbols):
    generator = torch.Generator().manual_seed(4)
    weights = torch.rand(n_steps, batch, n_symbols, generator=generator)
    share = torch.rand(batch, 1, generator=generator)
    return ForcedAttention(weights / weights.sum(dim=2, keepdim=True), share)


@pytest.mark.parametrize("r", [1, 2])
@pytest.mark.parametrize("p_teacher_forcing", [1.0, 0.5])
def test_being_told_where_attention_was_equals_the_reference(r, p_teacher_forcing, monkeypatch):
    ours, reference = make_pair("mmi", r)
    memory, text_lengths, mel = make_inputs()
    n_steps = -(-mel.shape[2] // r)
    masks, factors = make_masks(n_steps, 3)
    told = {"forced_attention": make_forced_attention(n_steps, 3, memory.shape[1])}
    draws = iter([0.9, 0.1, 0.9, 0.2])
    monkeypatch.setattr(torch, "rand", lambda shape: torch.tensor(next(draws)))
    forced = None if p_teacher_forcing == 1 else [(t // (4 // r)) % 2 == 1 for t in range(n_steps)]
    assert_same(
        ours, reference, memory,
        ours(memory, text_lengths, mel, p_teacher_forcing, 4, masks=masks, **told),
        reference(memory, text_lengths, mel, forced=forced, masks=factors, **told),
    )  # fmt: skip


def test_dropout_is_on_in_training_only():
    ours, _ = make_pair("plain", 1)
    memory, text_lengths, mel = make_inputs()
    ours.eval()
    assert torch.equal(ours(memory, text_lengths, mel).mel, ours(memory, text_lengths, mel).mel)
    ours.train()
    assert not torch.equal(ours(memory, text_lengths, mel).mel, ours(memory, text_lengths, mel).mel)
