import itertools
import math

import pytest
import torch

from ponytaco.losses.mmi import drop_frames, mmi_loss
from ponytaco.model.ctc_head import CTCHead


def log_probabilities(batch, n_frames, n_symbols, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, n_frames, n_symbols + 1, generator=generator, dtype=torch.float64)
    return logits.log_softmax(dim=2)


def ctc_by_counting(log_probs, target):
    """Minus the log of the probability of all paths that read as the target; blank last."""
    n_frames, width = log_probs.shape
    total = 0.0
    for path in itertools.product(range(width), repeat=n_frames):
        read = [symbol for symbol, _ in itertools.groupby(path) if symbol != width - 1]
        if read == list(target):
            total += math.exp(sum(float(log_probs[t, s]) for t, s in enumerate(path)))
    return -math.log(total)


def test_each_clip_is_divided_by_its_own_frames():
    log_probs = log_probabilities(3, 5, 2)
    frame_lengths = torch.tensor([5, 3, 4])
    targets = torch.tensor([[0, 1, 0], [1, 0, 0], [1, 1, 0]])
    target_lengths = torch.tensor([3, 1, 2])
    expected = [
        ctc_by_counting(log_probs[i, :t], targets[i, :n].tolist()) / t
        for i, (t, n) in enumerate(
            zip(frame_lengths.tolist(), target_lengths.tolist(), strict=True)
        )
    ]
    loss = mmi_loss(log_probs, frame_lengths, targets, target_lengths)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(sum(expected) / 3, rel=1e-6)


def test_a_clip_counts_the_same_whatever_it_is_batched_with():
    log_probs = log_probabilities(2, 9, 4)
    targets = torch.tensor([[0, 1, 2], [3, 3, 3]])
    lengths, target_lengths = torch.tensor([9, 4]), torch.tensor([3, 1])
    alone = [
        mmi_loss(
            log_probs[i : i + 1, : lengths[i]],
            lengths[i : i + 1],
            targets[i : i + 1, : target_lengths[i]],
            target_lengths[i : i + 1],
        )
        for i in range(2)
    ]
    together = mmi_loss(log_probs, lengths, targets, target_lengths)
    torch.testing.assert_close(together, (alone[0] + alone[1]) / 2)


def test_frames_and_targets_beyond_the_lengths_are_ignored():
    log_probs = log_probabilities(1, 6, 3)
    args = (torch.tensor([4]), torch.tensor([[1, 2, 0]]), torch.tensor([2]))
    loss = mmi_loss(log_probs, *args)
    other = log_probs.clone()
    other[:, 4:] = log_probabilities(1, 2, 3, seed=5)
    torch.testing.assert_close(mmi_loss(other, args[0], torch.tensor([[1, 2, 1]]), args[2]), loss)


@pytest.mark.parametrize(
    ("n_frames", "target"),
    [(2, [0, 1, 0]), (1, [0, 1]), (2, [1, 1]), (3, [0, 0, 1])],
)
def test_a_clip_too_short_for_its_text_counts_as_zero(n_frames, target):
    log_probs = log_probabilities(1, n_frames, 2).requires_grad_()
    loss = mmi_loss(
        log_probs, torch.tensor([n_frames]), torch.tensor([target]), torch.tensor([len(target)])
    )
    assert float(loss.detach()) == 0
    (gradient,) = torch.autograd.grad(loss, [log_probs])
    assert (gradient == 0).all()


def test_a_clip_too_short_leaves_the_others_their_gradient():
    logits = torch.randn(2, 4, 3, dtype=torch.float64).requires_grad_()
    loss = mmi_loss(
        logits.log_softmax(dim=2),
        torch.tensor([4, 2]),
        torch.tensor([[0, 1, 0], [0, 1, 0]]),
        torch.tensor([2, 3]),
    )
    (gradient,) = torch.autograd.grad(loss, [logits])
    assert torch.isfinite(gradient).all()
    assert (gradient[0] != 0).any()
    assert (gradient[1] == 0).all()
    alone = ctc_by_counting(logits.detach()[0].log_softmax(dim=1), [0, 1]) / 4
    assert float(loss.detach()) == pytest.approx(alone / 2)


def test_reading_the_text_costs_nothing():
    log_probs = torch.full((1, 4, 4), -40.0)
    for frame, symbol in enumerate([0, 3, 2, 1]):  # 3 is the blank
        log_probs[0, frame, symbol] = 0.0
    args = (torch.tensor([4]), torch.tensor([[0, 2, 1]]), torch.tensor([3]))
    assert float(mmi_loss(log_probs, *args)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.7])
def test_the_share_of_dropped_frames(rate):
    torch.manual_seed(0)
    mel = torch.randn(4, 3, 20_000)
    mean_frame = torch.tensor([10.0, 20.0, 30.0])
    dropped = drop_frames(mel, mean_frame, rate)
    is_mean = dropped == mean_frame[:, None]
    # A frame is dropped in all its bins or in none, and what is not dropped is as it was.
    assert torch.equal(is_mean.all(dim=1), is_mean.any(dim=1))
    assert torch.equal(dropped[~is_mean], mel[~is_mean])
    frames = is_mean.all(dim=1)
    assert frames.double().mean(dim=1).sub(rate).abs().max() < 0.02
    # Each clip and each frame is drawn by itself.
    both = (frames[0] & frames[1]).double().mean()
    neighbours = (frames[:, 1:] & frames[:, :-1]).double().mean()
    assert abs(float(both) - rate**2) < 0.02
    assert abs(float(neighbours) - rate**2) < 0.02


def test_the_dropped_frames_change_from_call_to_call():
    mel, mean_frame = torch.randn(1, 2, 200), torch.zeros(2)
    assert not torch.equal(drop_frames(mel, mean_frame, 0.5), drop_frames(mel, mean_frame, 0.5))


def test_rate_zero_is_the_mel_itself():
    mel = torch.randn(2, 3, 4)
    assert drop_frames(mel, torch.zeros(3), 0.0) is mel


def test_rate_one_drops_all():
    mean_frame = torch.tensor([1.0, 2.0, 3.0])
    dropped = drop_frames(torch.randn(2, 3, 500), mean_frame, 1.0)
    assert torch.equal(dropped, mean_frame[None, :, None].expand(2, 3, 500))


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_the_real_mel_is_left_alone(rate):
    mel = torch.randn(2, 3, 100)
    mean_frame = torch.ones(3)
    before = mel.clone()
    drop_frames(mel, mean_frame, rate)
    assert torch.equal(mel, before)
    assert torch.equal(mean_frame, torch.ones(3))


def test_dropping_keeps_the_mels_precision():
    mel = torch.randn(1, 3, 50).half()
    assert drop_frames(mel, torch.zeros(3), 0.5).dtype == torch.float16


@pytest.mark.parametrize("r", [1, 3])
def test_the_recogniser_reads_every_frame(r):
    torch.manual_seed(0)
    head = CTCHead(in_dim=6, n_symbols=5, n_frames_per_step=r, p_dropout=0.0)
    hidden = torch.randn(2, 6, 4)
    log_probs = head(hidden)
    assert log_probs.shape == (2, 4 * r, 6)
    torch.testing.assert_close(log_probs.exp().sum(dim=2), torch.ones(2, 4 * r))
    assert (log_probs <= 0).all()

    # A step's frames come from that step alone, and each reads for itself.
    other = hidden.clone()
    other[1, :, 2] += 1.0
    changed = (head(other) != log_probs).any(dim=2)
    expected = torch.zeros(2, 4 * r, dtype=torch.bool)
    expected[1, 2 * r : 3 * r] = True
    assert torch.equal(changed, expected)
    assert len(torch.unique(log_probs[0, :r], dim=0)) == r


def test_the_recognisers_dropout_is_for_training_only():
    head = CTCHead(in_dim=32, n_symbols=5, n_frames_per_step=1, p_dropout=0.5)
    hidden = torch.randn(1, 32, 7)
    assert not torch.equal(head(hidden), head(hidden))
    head.eval()
    assert torch.equal(head(hidden), head(hidden))


def test_the_recogniser_is_exact_in_half_precision():
    head = CTCHead(in_dim=8, n_symbols=5, n_frames_per_step=1, p_dropout=0.0)
    log_probs = head.bfloat16()(torch.randn(1, 8, 7).bfloat16())
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(dim=2), torch.ones(1, 7))


@pytest.mark.slow
def test_the_recogniser_can_learn_to_read():
    torch.manual_seed(0)
    head = CTCHead(in_dim=8, n_symbols=3, n_frames_per_step=2, p_dropout=0.0)
    hidden = torch.randn(1, 8, 4)
    args = (torch.tensor([8]), torch.tensor([[0, 2, 1]]), torch.tensor([3]))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = mmi_loss(head(hidden), *args)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
