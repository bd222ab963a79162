import math

import numpy as np
import pytest
import torch

from ponytaco.data.alignment_targets import diagonal_intervals, label_intervals
from ponytaco.losses.guided_attention import (
    attention_targets,
    forced_attention,
    guided_attention_loss,
)


def loss_of(alignment, intervals, mel_lengths, r):
    return guided_attention_loss(
        alignment, attention_targets(intervals, mel_lengths, alignment.shape[1], r)
    )


def path_of(intervals, mel_lengths, n_steps, r):
    return forced_attention(attention_targets(intervals, mel_lengths, n_steps, r))


# Three symbols that each have four frames of twelve.
INTERVALS = torch.tensor([[[0.0, 4.0], [4.0, 8.0], [8.0, 12.0]]])
LENGTH = torch.tensor([12])


def attend(path, n_symbols=3, peak=1.0):
    weights = torch.full((1, len(path), n_symbols), (1 - peak) / max(1, n_symbols - 1))
    weights[0, torch.arange(len(path)), torch.tensor(path)] = peak
    return weights


def test_attention_inside_costs_nothing():
    loss = loss_of(attend([0] * 4 + [1] * 4 + [2] * 4), INTERVALS, LENGTH, 1)
    assert loss.shape == ()
    assert float(loss) == 0


def test_attention_outside_costs_much():
    loss = loss_of(attend([1] * 4 + [2] * 4 + [0] * 4), INTERVALS, LENGTH, 1)
    assert math.isfinite(loss)
    assert float(loss) > 10


def test_the_loss_is_minus_the_log_of_the_mass_inside():
    weights = attend([0] * 4 + [1] * 4 + [2] * 4, peak=0.5)
    weights[0, 2] = torch.tensor([0.125, 0.5, 0.375])
    loss = loss_of(weights, INTERVALS, LENGTH, 1)
    assert float(loss) == pytest.approx((11 * math.log(2) + math.log(8)) / 12)


def test_where_symbols_overlap_either_will_do():
    intervals = torch.tensor([[[0.0, 8.0], [4.0, 12.0], [11.5, 11.6]]])
    weights = attend([0] * 4 + [1] * 8)
    weights[0, 5] = torch.tensor([0.25, 0.5, 0.25])
    loss = loss_of(weights, intervals, LENGTH, 1)
    assert float(loss) == pytest.approx(-math.log(0.75) / 12)


def test_a_time_that_no_symbol_claims_does_not_count():
    intervals = torch.tensor([[[0.0, 4.0], [8.0, 12.0]]])
    weights = attend([0] * 4 + [1] * 2 + [0] * 2 + [1] * 4, n_symbols=2)
    assert float(loss_of(weights, intervals, LENGTH, 1)) == 0
    weights = attend([0] * 4 + [1] * 2 + [0] * 2 + [1] * 4, n_symbols=2, peak=0.5)
    assert float(loss_of(weights, intervals, LENGTH, 1)) == pytest.approx(math.log(2))


def test_frames_beyond_the_clip_are_ignored():
    weights = attend([0] * 4 + [1] * 4 + [0] * 4, peak=0.5)
    weights.requires_grad_()
    loss = loss_of(weights, INTERVALS, torch.tensor([8]), 1)
    assert float(loss.detach()) == pytest.approx(math.log(2))
    (gradient,) = torch.autograd.grad(loss, [weights])
    assert (gradient[0, 8:] == 0).all()
    assert (gradient[0, :8] != 0).any(dim=1).all()


def test_padded_symbols_are_ignored():
    padded = torch.cat((INTERVALS, torch.full((1, 2, 2), torch.nan)), dim=1)
    weights = attend([0] * 4 + [1] * 4 + [2] * 4, peak=0.5)
    wider = torch.nn.functional.pad(weights, (0, 2)).requires_grad_()
    loss = loss_of(wider, padded, LENGTH, 1)
    torch.testing.assert_close(loss, loss_of(weights, INTERVALS, LENGTH, 1))
    (gradient,) = torch.autograd.grad(loss, [wider])
    assert torch.isfinite(gradient).all()
    assert (gradient[..., 3:] == 0).all()


def test_every_real_frame_of_a_batch_weighs_the_same():
    weights = torch.cat((attend([0] * 4 + [1] * 4 + [2] * 4, peak=0.5), attend([1] * 12)))
    intervals = torch.cat((INTERVALS, INTERVALS))
    intervals[1, 2] = torch.nan
    weights[1, :4] = torch.tensor([0.25, 0.75, 0.0])
    loss = loss_of(weights, intervals, torch.tensor([12, 6]), 1)
    assert float(loss) == pytest.approx((12 * math.log(2) + 4 * math.log(4)) / 18)


def test_no_mass_at_all_has_a_finite_gradient():
    logits = torch.full((1, 12, 3), -200.0)
    logits[0, :, 2] = 200.0
    logits.requires_grad_()
    loss = loss_of(logits.softmax(dim=2), INTERVALS, LENGTH, 1)
    (gradient,) = torch.autograd.grad(loss, [logits])
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_a_little_mass_is_drawn_inside():
    logits = torch.tensor([[[-2.0, 2.0, 0.0]]]).expand(1, 4, 3).clone().requires_grad_()
    loss = loss_of(logits.softmax(dim=2), INTERVALS, torch.tensor([4]), 1)
    (gradient,) = torch.autograd.grad(loss, [logits])
    assert (gradient[..., 0] < 0).all()
    assert (gradient[..., 1:] > 0).all()


def test_a_step_of_two_frames_counts_at_its_middle():
    weights = attend([0, 0, 1, 1, 2, 2])
    assert float(loss_of(weights, INTERVALS, LENGTH, 2)) == 0
    assert float(loss_of(weights, INTERVALS, LENGTH, 1)) > 1
    late = torch.tensor([[[0.0, 0.9], [0.95, 12.0], [20.0, 21.0]]])
    assert float(loss_of(attend([1] * 6), late, LENGTH, 2)) == 0


def test_a_half_filled_last_step_is_real():
    weights = attend([0, 0, 1, 1, 0, 0])
    one = loss_of(weights, INTERVALS, torch.tensor([8]), 2)
    more = loss_of(weights, INTERVALS, torch.tensor([9]), 2)
    assert float(one) == 0
    assert float(more) > 1


def test_labels_guide_a_whole_clip():
    symbols = ["@HH", "@AH0", " ", "@L", "@OW1"]
    phones = [("HH", 0.0, 0.2), ("AH0", 0.2, 0.5), ("L", 0.8, 1.1), ("OW1", 1.1, 1.5)]
    frames = label_intervals(symbols, phones, [], 1.5) * np.float32(100.0)
    path = [0] * 20 + [1] * 30 + [2] * 30 + [3] * 30 + [4] * 40
    loss = loss_of(attend(path, 5), torch.from_numpy(frames)[None], torch.tensor([150]), 1)
    assert float(loss) == 0
    # A tenth of a second late is outside, a fifth of that within the margin.
    for shift, is_inside in ((2, True), (12, False)):
        shifted = [path[max(0, t - shift)] for t in range(150)]
        loss = loss_of(attend(shifted, 5), torch.from_numpy(frames)[None], torch.tensor([150]), 1)
        assert (float(loss) == 0) is is_inside


NAN = math.nan


def test_known_attention_is_at_the_symbol_in_the_middle_of_whose_time_a_step_is():
    intervals = torch.tensor([[[0.0, 4.0], [2.0, 6.0], [4.5, 8.5], [NAN, NAN]]])
    weights = path_of(intervals, torch.tensor([8]), 8, 1)
    assert weights.shape == (8, 1, 4)
    assert weights[:, 0].argmax(dim=1).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert (weights.sum(dim=2) == 1).all()


def test_known_attention_takes_longer_steps_and_ends_with_its_clip():
    intervals = torch.tensor([[[0.0, 4.0], [4.0, 8.0]], [[0.0, 2.0], [2.0, 4.0]]])
    weights = path_of(intervals, torch.tensor([8, 3]), 4, 2)
    assert weights[:, 0].argmax(dim=1).tolist() == [0, 0, 1, 1]
    assert weights[:, 1].sum(dim=1).tolist() == [1, 1, 0, 0]


def test_known_attention_is_nowhere_in_a_time_that_nothing_claims():
    intervals = torch.tensor([[[0.0, 1.0], [3.0, 4.0]]])
    weights = path_of(intervals, torch.tensor([4]), 4, 1)
    assert weights[:, 0].sum(dim=1).tolist() == [1, 0, 0, 1]


def test_known_attention_goes_along_the_diagonal_where_there_are_no_labels():
    intervals = torch.from_numpy(diagonal_intervals(20, 2.0)) * 50
    weights = path_of(intervals[None], torch.tensor([100]), 100, 1)
    path = weights[:, 0].argmax(dim=1)
    assert (path - torch.arange(100) // 5).abs().max() <= 1
    assert (path.diff() >= 0).all()
