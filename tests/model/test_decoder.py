"""The package's decoder against the slow, obvious one, in value and gradient."""

import pytest
import torch
from reference.decoder import ReferenceDecoder

from ponytaco.model.decoder import Decoder, DropoutMasks

SIZES = {
    "n_mels": 6, "memory_dim": 10, "attention_rnn_dim": 12, "decoder_rnn_dim": 14,
    "prenet_dim": 8, "attention_dim": 7, "location_n_filters": 3, "location_kernel_size": 5,
}  # fmt: skip
DROPOUTS = {
    "p_prenet_dropout": 0.0, "p_attention_dropout": 0.1, "p_decoder_dropout": 0.1,
    "p_head_dropout": 0.0,
}  # fmt: skip


def make_pair(head, r):
    torch.manual_seed(0)
    ours = Decoder(head=head, n_frames_per_step=r, **SIZES, **DROPOUTS)
    reference = ReferenceDecoder(head=head, n_frames_per_step=r, **SIZES)
    reference.load_state_dict(ours.state_dict())
    return ours, reference


def make_inputs(batch=3, n_symbols=9, n_frames=13):
    generator = torch.Generator().manual_seed(1)
    memory = torch.randn(batch, n_symbols, SIZES["memory_dim"], generator=generator)
    text_lengths = torch.tensor([n_symbols, n_symbols - 2, 4][:batch])
    mel = torch.randn(batch, SIZES["n_mels"], n_frames, generator=generator)
    return memory.requires_grad_(), text_lengths, mel


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


def make_masks(n_steps, batch, p=0.3):
    generator = torch.Generator().manual_seed(3)

    def draw(dim):
        return (torch.rand(n_steps, batch, dim, generator=generator) > p) / (1 - p)

    return DropoutMasks(draw(SIZES["attention_rnn_dim"]), draw(SIZES["decoder_rnn_dim"]))


@pytest.mark.parametrize("head", ["plain", "mmi"])
@pytest.mark.parametrize("r", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 3])
def test_teacher_forced_equals_the_reference(head, r, batch):
    ours, reference = make_pair(head, r)
    memory, text_lengths, mel = make_inputs(batch)
    masks = make_masks(-(-mel.shape[2] // r), batch)
    assert_same(
        ours, reference, memory,
        ours(memory, text_lengths, mel, masks=masks),
        reference(memory, text_lengths, mel, masks=masks),
    )  # fmt: skip


@pytest.mark.parametrize("head", ["plain", "mmi"])
@pytest.mark.parametrize("r", [1, 2])
def test_windows_of_own_frames_equal_the_reference(head, r, monkeypatch):
    ours, reference = make_pair(head, r)
    memory, text_lengths, mel = make_inputs()
    window = 4
    n_steps = -(-mel.shape[2] // r)
    masks = make_masks(n_steps, 3)
    draws = iter([0.9, 0.1, 0.9, 0.2])  # p = 0.5: own, true, own, true
    monkeypatch.setattr(torch, "rand", lambda shape: torch.tensor(next(draws)))
    forced = [(t // (window // r)) % 2 == 1 for t in range(n_steps)]
    assert_same(
        ours, reference, memory,
        ours(memory, text_lengths, mel, 0.5, window, masks=masks),
        reference(memory, text_lengths, mel, forced=forced, masks=masks),
    )  # fmt: skip


@pytest.mark.parametrize("r", [1, 3])
def test_infer_is_what_the_reference_makes_of_its_own_frames(r):
    ours, reference = make_pair("mmi", r)
    memory, text_lengths, _ = make_inputs(batch=1)
    out, lengths = ours.eval().infer(memory, text_lengths, max_frames=10, gate_threshold=1.0)
    nothing_true = torch.full((1, SIZES["n_mels"], 10), 99.0)
    mel, gate, _, _ = reference(memory, text_lengths, nothing_true, forced=[False] * 10)
    assert lengths.tolist() == [10]
    torch.testing.assert_close(out.mel, mel, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out.gate, gate, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("r", [1, 3])
def test_infer_ends_at_the_frame_whose_gate_opens(r):
    ours, _ = make_pair("plain", r)
    memory, text_lengths, _ = make_inputs(batch=1)
    out, _ = ours.eval().infer(memory, text_lengths, max_frames=12, gate_threshold=1.0)
    gates = torch.sigmoid(out.gate[0])
    threshold = float(gates.sort().values[-2])  # only the largest is above it
    _, lengths = ours.infer(memory, text_lengths, max_frames=12, gate_threshold=threshold)
    assert lengths.tolist() == [int(gates.argmax()) + 1]


def test_a_clip_does_not_change_with_its_batch():
    ours, _ = make_pair("mmi", 1)
    memory, text_lengths, _ = make_inputs(batch=3)
    together, _ = ours.eval().infer(memory, text_lengths, max_frames=8, gate_threshold=1.0)
    for i, length in enumerate(text_lengths.tolist()):
        alone, _ = ours.infer(
            memory[i : i + 1, :length], text_lengths[i : i + 1], max_frames=8, gate_threshold=1.0
        )
        torch.testing.assert_close(together.mel[i : i + 1], alone.mel, atol=1e-5, rtol=1e-4)


def test_dropout_is_on_in_training_only():
    ours, _ = make_pair("plain", 1)
    memory, text_lengths, mel = make_inputs()
    ours.eval()
    assert torch.equal(ours(memory, text_lengths, mel).mel, ours(memory, text_lengths, mel).mel)
    ours.train()
    assert not torch.equal(ours(memory, text_lengths, mel).mel, ours(memory, text_lengths, mel).mel)
