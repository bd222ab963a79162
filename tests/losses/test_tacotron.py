import math

import pytest
import torch

from ponytaco.losses.tacotron import tacotron_loss

LENGTHS = torch.tensor([7, 3, 5])


def batch(lengths, n_mels=4, seed=0):
    """mel, mel_postnet, gate, target_mel; all random, padding too."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), n_mels, int(max(lengths)))

    def draw(*size):
        return torch.randn(size, generator=generator, dtype=torch.float64)

    return [draw(*shape), draw(*shape), draw(shape[0], shape[2]), draw(*shape)]


def with_padding(tensors, lengths, value):
    filled = []
    for tensor, sign in zip(tensors, (1, -1, 1, -2), strict=True):
        padding = torch.arange(tensor.shape[-1]) >= lengths[:, None]
        mask = padding if tensor.ndim == 2 else padding[:, None]
        filled.append(tensor.masked_fill(mask, sign * value).requires_grad_())
    return filled


def test_an_example_by_hand():
    loss = tacotron_loss(
        mel=torch.tensor([[[1.0, 3.0, 9.0], [0.0, 0.0, 9.0]]]),
        mel_postnet=torch.tensor([[[0.0, 2.0, 9.0], [2.0, 2.0, 9.0]]]),
        gate=torch.tensor([[0.0, math.log(3.0), 9.0]]),
        target_mel=torch.tensor([[[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]]]),
        mel_lengths=torch.tensor([2]),
    )
    assert float(loss.mel) == pytest.approx((1 + 4 + 0 + 4) / 4)
    assert float(loss.mel_postnet) == pytest.approx((0 + 1 + 4 + 0) / 4)
    # Closed at the first frame with probability 1/2, open at the last one with 3/4.
    assert float(loss.gate) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert float(loss.total) == pytest.approx(float(loss.mel + loss.mel_postnet + loss.gate))


def test_the_gate_weight_is_the_last_frames():
    def gate_loss(weight):
        return tacotron_loss(
            mel=torch.zeros(2, 1, 3),
            mel_postnet=torch.zeros(2, 1, 3),
            gate=torch.tensor([[0.0, 0.0, math.log(3.0)], [0.0, -math.log(3.0), 5.0]]),
            target_mel=torch.zeros(2, 1, 3),
            mel_lengths=torch.tensor([3, 2]),
            gate_weight=weight,
        )

    closed = 3 * math.log(2)
    open_ = math.log(4 / 3) + math.log(4)
    for weight in (1.0, 2.5, 10.0):
        loss = gate_loss(weight)
        assert float(loss.gate) == pytest.approx((closed + weight * open_) / 5)
        assert float(loss.mel) == float(loss.mel_postnet) == 0


def test_the_parts_are_about_their_own_tensors():
    mel, postnet, gate, target = batch(LENGTHS)
    base = tacotron_loss(mel, postnet, gate, target, LENGTHS)
    other = tacotron_loss(mel + 1, postnet, gate, target, LENGTHS)
    assert (other.mel_postnet, other.gate) == (base.mel_postnet, base.gate)
    assert other.mel != base.mel
    other = tacotron_loss(mel, postnet + 1, gate, target, LENGTHS)
    assert (other.mel, other.gate) == (base.mel, base.gate)
    assert other.mel_postnet != base.mel_postnet


@pytest.mark.parametrize("garbage", [0.0, 1e3, -50.0, 1e200])
@pytest.mark.parametrize("gate_weight", [1.0, 7.0])
def test_padding_changes_nothing(garbage, gate_weight):
    expected_inputs = with_padding(batch(LENGTHS), LENGTHS, 0.5)
    expected = tacotron_loss(*expected_inputs, LENGTHS, gate_weight)
    expected_grads = torch.autograd.grad(expected.total, expected_inputs)

    inputs = with_padding(batch(LENGTHS), LENGTHS, garbage)
    loss = tacotron_loss(*inputs, LENGTHS, gate_weight)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(torch.autograd.grad(loss.total, inputs), expected_grads, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_padding_has_no_gradient_and_real_frames_have():
    inputs = with_padding(batch(LENGTHS), LENGTHS, 1.0)
    loss = tacotron_loss(*inputs, LENGTHS)
    for gradient in torch.autograd.grad(loss.total, inputs):
        frames = gradient if gradient.ndim == 2 else gradient.abs().sum(dim=1)
        padding = torch.arange(frames.shape[1]) >= LENGTHS[:, None]
        assert (frames[padding] == 0).all()
        assert (frames[~padding] != 0).all()


def test_more_padding_changes_nothing():
    inputs = batch(LENGTHS)
    wider = [torch.nn.functional.pad(tensor, (0, 9), value=3.0) for tensor in inputs]
    torch.testing.assert_close(tacotron_loss(*wider, LENGTHS), tacotron_loss(*inputs, LENGTHS))


def test_a_batch_is_its_clips_weighted_by_their_frames():
    inputs = batch(LENGTHS)
    whole = tacotron_loss(*inputs, LENGTHS, 3.0)
    alone = [
        tacotron_loss(*(t[i : i + 1, ..., :n] for t in inputs), torch.tensor([n]), 3.0)
        for i, n in enumerate(LENGTHS.tolist())
    ]
    for part in ("mel", "mel_postnet", "gate", "total"):
        expected = sum(
            getattr(loss, part) * n for loss, n in zip(alone, LENGTHS.tolist(), strict=True)
        )
        torch.testing.assert_close(getattr(whole, part), expected / LENGTHS.sum())


def test_on_clips_of_one_length_it_is_the_published_loss():
    lengths = torch.tensor([6, 6])
    mel, postnet, gate, target = batch(lengths)
    gate_target = torch.zeros(2, 6, dtype=torch.float64)
    gate_target[:, -1] = 1
    loss = tacotron_loss(mel, postnet, gate, target, lengths)
    published = (
        torch.nn.MSELoss()(mel, target)
        + torch.nn.MSELoss()(postnet, target)
        + torch.nn.BCEWithLogitsLoss()(gate, gate_target)
    )
    torch.testing.assert_close(loss.total, published)


def test_a_perfect_prediction_costs_nothing():
    target = torch.randn(2, 3, 4)
    gate = torch.full((2, 4), -40.0)
    gate[0, 3] = gate[1, 1] = 40.0
    loss = tacotron_loss(target, target, gate, target, torch.tensor([4, 2]), 5.0)
    assert float(loss.total) == pytest.approx(0, abs=1e-6)


def test_from_a_clip_that_goes_on_the_gate_learns_nothing():
    inputs = [tensor.requires_grad_() for tensor in batch(LENGTHS)]
    all_end = tacotron_loss(*inputs, LENGTHS, 3.0)
    loss = tacotron_loss(*inputs, LENGTHS, 3.0, torch.tensor([True, False, True]))
    assert (loss.mel, loss.mel_postnet) == (all_end.mel, all_end.mel_postnet)
    (gradient,) = torch.autograd.grad(loss.gate, inputs[2])
    (expected,) = torch.autograd.grad(all_end.gate, inputs[2])
    assert (gradient[1] == 0).all()
    torch.testing.assert_close(gradient[[0, 2]], expected[[0, 2]])
