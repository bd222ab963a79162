import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.data.alignment_targets import diagonal_intervals, label_intervals

# How far attention may look beyond a symbol's own time, seconds.
MARGIN = 0.03


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
