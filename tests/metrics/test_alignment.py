import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.metrics.alignment import AlignmentScore, mean_score, score_alignment


def follow(path, n_symbols, peak=1.0):
    """Attention that puts ``peak`` on each step's symbol and spreads the rest evenly."""
    weights = np.full((len(path), n_symbols), (1 - peak) / max(1, n_symbols - 1))
    weights[np.arange(len(path)), path] = peak
    return weights


def read(start, stop, steps_each=3):
    """The path that reads the symbols from ``start`` to before ``stop``."""
    return np.repeat(np.arange(start, stop), steps_each)


def joined(*paths):
    return np.concatenate(paths)


@pytest.mark.parametrize("n", [2, 5, 60])
def test_the_diagonal_is_perfect(n):
    score = score_alignment(np.eye(n))
    assert score.focus == score.coverage == score.forward == score.end_reached == 1
    assert score.diagonality == pytest.approx(1)
    assert score.longest_stall == pytest.approx(1 / n)
    assert score.aligned
    assert str(score).startswith("aligned")


@pytest.mark.parametrize("peak", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("steps_each", [2, 3, 10])
def test_reading_in_order_is_aligned(peak, steps_each):
    score = score_alignment(follow(read(0, 40, steps_each), 40, peak))
    assert score.aligned
    assert score.focus == pytest.approx(peak)


def test_the_last_mark_need_not_be_attended():
    assert score_alignment(follow(read(0, 38), 40)).aligned


@settings(max_examples=50)
@given(
    stays=st.lists(st.integers(1, 9), min_size=15, max_size=60),
    skipped=st.sets(st.integers(1, 59), max_size=1),
)
def test_any_pace_is_aligned(stays, skipped):
    n = len(stays)
    path = [i for i, stay in enumerate(stays) if i not in skipped for _ in range(stay)]
    assert score_alignment(follow(path, n, 0.8)).aligned


TRAPS = {
    "stuck on the first symbol": follow([0] * 120, 40),
    "stuck on one symbol": follow([17] * 120, 40),
    "stuck on the last symbol": follow([39] * 120, 40),
    "uniform": np.full((120, 40), 1 / 40),
    "uniform over two symbols": np.full((20, 2), 1 / 2),
    "too soft": follow(read(0, 40), 40, 0.3),
    "reversed": follow(read(0, 40)[::-1], 40),
    "random": follow(np.random.default_rng(0).integers(0, 40, 120), 40),
    "to and fro": follow(np.tile([5, 6, 7, 6], 30), 40),
    "stops early": follow(read(0, 30), 40),
    "stops one word early": follow(read(0, 56), 60),
    "starts late": follow(read(12, 40), 40),
    "starts one word late": follow(read(5, 60), 60),
    "reads half and returns to the start": follow(joined(read(0, 20), [0] * 60), 40),
    "skips a third": follow(joined(read(0, 13), read(27, 40)), 40),
    "skips a word": follow(joined(read(0, 30), read(35, 60)), 60),
    "repeats a word": follow(joined(read(0, 30), read(23, 60)), 60),
    "reads the text twice": follow(joined(read(0, 60), read(0, 60)), 60),
    "stays in the middle for most of the time": follow(
        joined(read(0, 20, 1), [20] * 400, read(21, 40, 1)), 40
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_is_not_aligned(name):
    score = score_alignment(TRAPS[name])
    assert not score.aligned, f"{name}: {score}"
    assert str(score).startswith("not aligned yet")


def test_stuck_attention_is_focused_all_the_same():
    score = score_alignment(follow([0] * 100, 20))
    assert score.focus == 1
    assert score.coverage == pytest.approx(1 / 20)
    assert score.longest_stall == 1
    assert score.end_reached == 0


def test_uniform_attention_has_no_focus():
    assert score_alignment(np.full((100, 20), 1 / 20)).focus == pytest.approx(1 / 20)


def test_focus_is_the_mean_of_the_largest_weights():
    assert score_alignment([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]]).focus == pytest.approx(0.7)


def test_coverage_counts_symbols_with_enough_attention():
    # The symbols' sums are 0.9, 0.75, 0.65 and 0.7.
    weights = [[0.9, 0.05, 0.05, 0.0], [0.0, 0.7, 0.25, 0.05], [0.0, 0.0, 0.35, 0.65]]
    assert score_alignment(weights).coverage == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("path", "n_frames_per_step", "forward"),
    [
        ([0, 1, 2, 3, 4], 1, 1.0),
        ([0, 0, 0, 0, 0], 1, 1.0),
        ([0, 4, 8], 1, 1.0),
        ([0, 4, 9], 1, 0.5),
        ([0, 5, 10], 2, 1.0),
        ([0, 6, 11], 2, 0.5),
        ([3, 2, 3, 4, 5], 1, 0.75),
        ([4, 3, 2, 1, 0], 2, 0.0),
        ([7], 1, 1.0),
    ],
)
def test_forward_is_the_share_of_steps_that_neither_return_nor_leap(
    path, n_frames_per_step, forward
):
    score = score_alignment(follow(path, 12), n_frames_per_step)
    assert score.forward == pytest.approx(forward)


@pytest.mark.parametrize(
    ("path", "stall"),
    [
        ([0, 0, 1, 1, 1, 2], 3 / 6),
        ([0, 1, 2, 2, 2, 2], 4 / 6),
        ([2, 2, 2, 0, 1, 1], 3 / 6),
        ([0, 0, 1, 0, 0, 1], 2 / 6),  # two stays on one symbol are two
        ([0, 1, 2, 0, 1, 2], 1 / 6),
        ([1], 1.0),
    ],
)
def test_the_longest_stall(path, stall):
    assert score_alignment(follow(path, 3)).longest_stall == pytest.approx(stall)


@pytest.mark.parametrize(
    ("path", "n_symbols", "expected"),
    [
        ([0, 1, 2, 3], 4, 1.0),
        ([0, 2, 4, 6], 7, 1.0),
        ([0, 1, 0, 1], 2, 3 * 2**0.5 / 10**0.5),
        ([0, 0, 0, 3], 4, (2 + 10**0.5) / 18**0.5),
        ([0, 3, 0, 3], 4, 3 * 10**0.5 / 18**0.5),
        ([0], 1, 1.0),
    ],
)
def test_diagonality_is_the_paths_length_over_the_diagonals(path, n_symbols, expected):
    assert score_alignment(follow(path, n_symbols)).diagonality == pytest.approx(expected)


@pytest.mark.parametrize(("last", "reached"), [(9, 1), (8, 1), (7, 1), (6, 0), (0, 0)])
def test_the_end_is_the_last_few_symbols(last, reached):
    assert score_alignment(follow([0, 3, last], 10)).end_reached == reached


def test_a_longer_step_covers_more():
    path = joined(np.arange(0, 40))
    weights = follow(path, 40, 0.55)  # each symbol gets 0.55 and 0.45 of crumbs from the others
    weights[weights < 0.1] = 0
    assert score_alignment(weights).coverage == 0
    assert score_alignment(weights, 2).coverage == 1
    assert score_alignment(weights, 2).aligned


def test_half_as_many_steps_of_two_frames():
    assert score_alignment(follow(np.arange(0, 60, 2), 60), 1).coverage == 0.5
    assert score_alignment(follow(read(0, 60, 1), 60), 2).aligned
    assert not score_alignment(follow(read(0, 60, 1)[::-1], 60), 2).aligned


def test_a_text_of_one_symbol_and_a_clip_of_one_step():
    assert score_alignment([[1.0]]).coverage == 1
    assert score_alignment(np.ones((50, 1))).end_reached == 1
    assert not score_alignment(follow([0], 30)).aligned


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0), (4,), (1, 2, 3), ()])
def test_what_is_no_matrix_is_refused(shape):
    with pytest.raises(ValueError, match="T_steps, T_text"):
        score_alignment(np.zeros(shape))


def test_scores_are_plain_numbers():
    score = score_alignment(np.eye(3, dtype=np.float32))
    assert all(type(value) is float for value in vars(score).values())
    assert type(score.aligned) is bool


def test_the_mean_is_taken_of_every_score():
    mean = mean_score(
        [AlignmentScore(1.0, 0.8, 0.6, 2.0, 0.4, 1.0), AlignmentScore(0, 0.4, 0.2, 1.0, 0.2, 0)]
    )
    assert (mean.focus, mean.coverage, mean.forward) == pytest.approx((0.5, 0.6, 0.4))
    assert (mean.diagonality, mean.longest_stall, mean.end_reached) == pytest.approx(
        (1.5, 0.3, 0.5)
    )
    alone = score_alignment(np.eye(3))
    assert mean_score([alone]) == alone


def test_a_mean_of_good_and_bad_clips_is_not_aligned():
    good, bad = score_alignment(np.eye(40)), score_alignment(follow([0] * 40, 40))
    assert mean_score([good] * 20).aligned
    assert not mean_score([good] * 4 + [bad]).aligned


def test_no_scores_have_no_mean():
    with pytest.raises(ValueError, match="no alignments"):
        mean_score([])


@pytest.mark.parametrize("weakest", ["focus", "coverage", "forward", "end_reached"])
def test_every_part_of_the_rule_counts(weakest):
    perfect = {"focus": 1.0, "coverage": 1.0, "forward": 1.0, "end_reached": 1.0}
    score = AlignmentScore(**perfect | {weakest: 0.45}, diagonality=1.0, longest_stall=0.1)
    assert not score.aligned


def test_spaces_that_are_passed_over_do_not_count_for_coverage():
    """A word's last phone and the next word's first follow each other without a pause."""
    weights = np.zeros((12, 5))
    for step, symbol in enumerate([0, 0, 0, 1, 1, 1, 3, 3, 3, 4, 4, 4]):
        weights[step, symbol] = 1.0
    assert score_alignment(weights).coverage == pytest.approx(0.8)
    spoken = [True, True, False, True, True]
    assert score_alignment(weights, spoken=spoken).coverage == 1.0
    skipped = [True, True, True, True, False]
    assert score_alignment(weights, spoken=skipped).coverage == pytest.approx(0.75)


def test_a_short_excursion_is_not_a_leap_but_a_lasting_one_is():
    path = np.repeat(np.arange(30), 6)
    away = path.copy()
    away[60:63] = 28
    assert score_alignment(follow(away, 30)).in_order == 1
    away[60:70] = 28
    assert score_alignment(follow(away, 30)).in_order < 0.1


def test_in_longer_steps_less_is_an_excursion():
    path = np.repeat(np.arange(60), 2)
    path[60:62] = 50
    assert score_alignment(follow(path, 60), 2).in_order == 1
    assert score_alignment(follow(path, 60), 4).in_order < 0.5


def test_in_a_pause_attention_may_wait_at_any_mark():
    path = np.repeat(np.arange(30), 6)
    path[60:70] = 25
    spoken = np.ones(30, dtype=bool)
    assert score_alignment(follow(path, 30), spoken=spoken).in_order < 0.2
    spoken[25] = False
    assert score_alignment(follow(path, 30), spoken=spoken).in_order == 1
