import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.data.alignment_targets import diagonal_intervals, label_intervals
from ponytaco.losses.guided_attention import guidance_loss, known_attention, make_guide

# How far attention may look beyond a symbol's own time, seconds.
MARGIN = 0.03


def loss_of(alignment, intervals, mel_lengths, r):
    return guidance_loss(alignment, make_guide(intervals, mel_lengths, alignment.shape[1], r))


def path_of(intervals, mel_lengths, n_steps, r):
    return known_attention(make_guide(intervals, mel_lengths, n_steps, r))


def own_times(intervals):
    """The intervals without the margin."""
    return np.asarray(intervals, dtype=np.float64) + (MARGIN, -MARGIN)


def assert_times(intervals, expected):
    assert intervals.dtype == np.float32
    np.testing.assert_allclose(own_times(intervals), expected, atol=1e-6)


def test_phones_take_their_own_times():
    symbols = ["@HH", "@AH0", "@L", "@OW1"]
    phones = [("HH", 0.0, 0.1), ("AH0", 0.1, 0.3), ("L", 0.3, 0.4), ("OW1", 0.4, 1.0)]
    assert_times(
        label_intervals(symbols, phones, [], 1.0), [(0, 0.1), (0.1, 0.3), (0.3, 0.4), (0.4, 1)]
    )


def test_marks_and_spaces_take_the_pause():
    symbols = ["@HH", "@AH0", ",", " ", "@L", "@OW1", "."]
    phones = [
        ("sil", 0.0, 0.2),
        ("HH", 0.2, 0.3),
        ("AH0", 0.3, 0.5),
        ("sp", 0.5, 0.9),
        ("L", 0.9, 1.0),
        ("OW1", 1.0, 1.2),
        ("sil", 1.2, 1.5),
    ]
    assert_times(
        label_intervals(symbols, phones, [], 1.5),
        [(0.0, 0.3), (0.3, 0.5), (0.5, 0.9), (0.5, 0.9), (0.9, 1.0), (1.0, 1.2), (1.2, 1.5)],
    )


def test_silence_at_the_ends_goes_to_the_first_and_last_symbol():
    phones = [("HH", 0.4, 0.5), ("AH0", 0.5, 0.6)]
    assert_times(label_intervals(["@HH", "@AH0"], phones, [], 2.0), [(0, 0.5), (0.5, 2.0)])
    symbols = ["♥", "@HH", "@AH0", "!", "?"]
    assert_times(
        label_intervals(symbols, phones, [], 2.0),
        [(0, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 2.0), (0.6, 2.0)],
    )


def test_letters_share_their_words_time_and_half_a_neighbours():
    words = [("hi", 0.1, 0.4), ("you", 0.6, 1.2)]
    assert_times(
        label_intervals(list("Hi, you!"), [], words, 1.4),
        [
            (0, 0.325), (0.175, 0.4), (0.4, 0.6), (0.4, 0.6),
            (0.6, 0.9), (0.7, 1.1), (0.9, 1.2), (1.2, 1.4),
        ],
    )  # fmt: skip


def test_letters_follow_the_lengths_of_their_words_phones():
    phones = [("K", 0.0, 0.1), ("AE1", 0.1, 0.7), ("T", 0.7, 0.8), ("S", 0.8, 1.0)]
    intervals = label_intervals(list("cats"), phones, [("cats", 0.0, 1.0)], 1.0)
    assert_times(intervals, [(0.0, 0.4), (0.05, 0.75), (0.4, 0.9), (0.75, 1.0)])


@pytest.mark.parametrize(
    ("text", "word"),
    [("don't", "dont"), ("well-known", "wellknown"), ("DON'T", "dont"), ("café", "café")],
)
def test_apostrophes_and_hyphens_belong_to_their_word(text, word):
    intervals = label_intervals([*text, " ", "x"], [], [(word, 0.0, 0.5), ("x", 0.7, 1.0)], 1.0)
    np.testing.assert_allclose(own_times(intervals)[-2:], [(0.5, 0.7), (0.7, 1.0)], atol=1e-6)
    assert (own_times(intervals)[: len(text), 1] <= 0.5 + 1e-6).all()
    assert own_times(intervals)[len(text) - 1, 1] == pytest.approx(0.5)


def test_a_dash_between_words_is_a_pause():
    words = [("a", 0.0, 0.2), ("b", 0.6, 1.0)]
    assert_times(
        label_intervals(list("a - b"), [], words, 1.0),
        [(0, 0.2), *[(0.2, 0.6)] * 3, (0.6, 1.0)],
    )


def test_an_unmatched_word_takes_the_time_between_its_neighbours():
    words = [("ab", 0.0, 0.3), ("zz", 0.4, 0.6), ("ef", 0.7, 1.0)]
    assert_times(
        label_intervals(list("ab cd ef"), [], words, 1.0),
        [
            (0.0, 0.225),
            (0.075, 0.3),
            *[(0.3, 0.7)] * 4,
            (0.7, 0.925),
            (0.775, 1.0),
        ],
    )


def test_an_unmatched_phone_takes_the_time_between_its_neighbours():
    symbols = ["@HH", "@AH1", "@L", "@OW1"]  # the label has another stress
    phones = [("HH", 0.0, 0.1), ("AH0", 0.1, 0.3), ("L", 0.3, 0.4), ("OW1", 0.4, 1.0)]
    assert_times(
        label_intervals(symbols, phones, [], 1.0), [(0, 0.1), (0.1, 0.3), (0.3, 0.4), (0.4, 1)]
    )


def test_what_only_the_label_has_is_passed_over():
    symbols = ["@HH", "@AH0", "@L"]
    phones = [("HH", 0.0, 0.1), ("T", 0.1, 0.2), ("AH0", 0.2, 0.3), ("L", 0.3, 0.4)]
    intervals = own_times(label_intervals(symbols, phones, [], 0.4))
    # The time that is left over may go to either neighbour.
    assert (intervals[:, 0] <= np.array([0.0, 0.2, 0.3]) + 1e-6).all()
    assert (intervals[:, 1] >= np.array([0.1, 0.3, 0.4]) - 1e-6).all()
    assert intervals[0, 1] < 0.2 + 1e-6
    assert intervals[1, 0] > 0.1 - 1e-6


def test_a_repeated_word_is_matched_in_order():
    words = [("no", 0.0, 0.2), ("no", 0.4, 0.6), ("no", 0.8, 1.0)]
    intervals = own_times(label_intervals(list("no no no"), [], words, 1.0))
    expected = [(0, 0.15), (0.4, 0.55), (0.8, 0.95)]
    np.testing.assert_allclose(intervals[[0, 3, 6]], expected, atol=1e-6)


def test_phones_and_letters_may_stand_in_one_text():
    symbols = ["@HH", "@AY1", " ", "y", "o", "u"]
    phones = [("HH", 0.0, 0.1), ("AY1", 0.1, 0.3), ("Y", 0.5, 0.7), ("UW1", 0.7, 1.0)]
    words = [("hi", 0.0, 0.3), ("you", 0.5, 1.0)]
    assert_times(
        label_intervals(symbols, phones, words, 1.0),
        [(0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (17 / 30, 0.9), (0.7, 1.0)],
    )


def test_a_silence_is_never_matched():
    assert label_intervals(["@sil", "@sp"], [("sil", 0, 1), ("sp", 1, 2)], [], 2.0) is None


@pytest.mark.parametrize(
    ("symbols", "phones", "words"),
    [
        (["@HH", "@AH0"], [], []),
        (list("hello"), [], []),
        (list("hello"), [("HH", 0.0, 1.0)], [("goodbye", 0.0, 1.0)]),
        (list("!? ,"), [("HH", 0.0, 1.0)], [("hello", 0.0, 1.0)]),
        ([], [("HH", 0.0, 1.0)], []),
        (["@A", "@B", "@C", "@D"], [("A", 0.0, 0.5), ("B", 0.5, 1.0)], []),
        ([*"one two six"], [], [("one", 0.0, 1.0)]),
    ],
)
def test_too_little_in_common_is_no_guide(symbols, phones, words):
    assert label_intervals(symbols, phones, words, 1.0) is None


def test_enough_in_common_is_a_guide():
    phones = [("A", 0.0, 0.3), ("B", 0.3, 0.6), ("C", 0.6, 1.0)]
    assert label_intervals(["@A", "@B", "@C", "@D"], phones, [], 1.0) is not None


def is_claimed(intervals, n_seconds):
    times = np.linspace(0, n_seconds, 400)[:, None]
    return ((intervals[:, 0] <= times + 1e-5) & (times - 1e-5 <= intervals[:, 1])).any(axis=1)


def test_a_pause_without_a_mark_is_claimed_too():
    phones = [("HH", 0.0, 0.2), ("sp", 0.2, 0.8), ("AH0", 0.8, 1.0)]
    intervals = label_intervals(["@HH", "@AH0"], phones, [], 1.0)
    assert is_claimed(intervals, 1.0).all()


@st.composite
def labelled_clips(draw):
    """A text of words with marks between them, in phones or letters, and labels that mostly fit.

    Pauses are where the text has a space, as data preparation writes it.
    """
    in_phones = draw(st.booleans())
    n_words = draw(st.integers(1, 6))
    seconds = st.floats(0.0, 0.6, allow_nan=False)
    clock = draw(seconds)
    symbols = draw(st.sampled_from([[], ["♥"], ["'"]]))
    phones, words = [], []
    for _ in range(n_words):
        spoken = draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=4))
        word_start = clock
        for letter in spoken:
            start, clock = clock, clock + draw(seconds)
            heard = draw(st.sampled_from([letter] * 9 + ["z"]))
            phones.append((heard.upper(), start, clock))
        words.append(("".join(spoken), word_start, clock))
        symbols = symbols + ([f"@{letter.upper()}" for letter in spoken] if in_phones else spoken)
        symbols = symbols + draw(st.sampled_from([[" "], [",", " "], [" ", "-", " "]]))
        start, clock = clock, clock + draw(seconds)
        phones.append((draw(st.sampled_from(["sil", "sp"])), start, clock))
    return symbols, phones, words, clock + draw(st.floats(0.01, 1.0))


@settings(max_examples=50, deadline=None)
@given(labelled_clips())
def test_intervals_are_finite_in_order_and_leave_no_time_out(clip):
    symbols, phones, words, n_seconds = clip
    intervals = label_intervals(symbols, phones, words, n_seconds)
    if intervals is None:
        intervals = diagonal_intervals(len(symbols), n_seconds)
    assert intervals.shape == (len(symbols), 2)
    assert intervals.dtype == np.float32
    assert np.isfinite(intervals).all()
    assert (intervals[:, 0] <= intervals[:, 1]).all()
    assert (np.diff(intervals, axis=0) >= -1e-5).all()
    assert is_claimed(intervals, n_seconds).all()


@settings(max_examples=50, deadline=None)
@given(
    symbols=st.lists(st.sampled_from(["@A", "@B", "a", "b", " ", ",", "'", "-", "♥", "."])),
    phones=st.lists(st.sampled_from(["A", "B", "sil", "sp", "C"])),
    words=st.lists(st.sampled_from(["a", "ab", "b", "b-a", "12"])),
    n_seconds=st.floats(0.01, 20.0),
    seed=st.integers(0, 9),
)
def test_any_text_and_any_labels_do_no_harm(symbols, phones, words, n_seconds, seed):
    rng = np.random.default_rng(seed)

    def timed(names):
        starts, ends = np.sort(rng.uniform(0, 2 * n_seconds, (2, len(names))), axis=1)
        ends = np.maximum(starts, ends)
        return [(n, float(s), float(e)) for n, s, e in zip(names, starts, ends, strict=True)]

    intervals = label_intervals(symbols, timed(phones), timed(words), n_seconds)
    if intervals is not None:
        assert intervals.shape == (len(symbols), 2)
        assert np.isfinite(intervals).all()
        assert (intervals[:, 0] <= intervals[:, 1]).all()


def test_the_diagonal_is_a_band():
    intervals = diagonal_intervals(10, 20.0)
    assert intervals.shape == (10, 2)
    assert intervals.dtype == np.float32
    # Symbol 3 is spoken from 6 to 8 s on the diagonal; the band is 15 % of the clip each way.
    np.testing.assert_allclose(intervals[3], [6 - 3, 8 + 3], rtol=1e-6)
    assert is_claimed(intervals, 20.0).all()
    assert (np.diff(intervals, axis=0) > 0).all()


@pytest.mark.parametrize("n_symbols", [1, 2, 100])
def test_the_diagonal_reaches_both_ends(n_symbols):
    intervals = diagonal_intervals(n_symbols, 3.0)
    assert intervals[0, 0] <= 0
    assert intervals[-1, 1] >= 3.0


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
