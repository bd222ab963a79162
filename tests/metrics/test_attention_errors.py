"""Takes are judged on attention that is drawn by hand: two frames a symbol, three words."""

import numpy as np
import pytest

from ponytaco.metrics.attention_errors import (
    best_take,
    end_of_reading,
    find_attention_errors,
    may_stop_from,
)

#        0123456789012
TEXT = "bad day cake."
WORDS = [(0, 3), (4, 7), (8, 12)]
SPOKEN = [letter.isalpha() for letter in TEXT]
STRAIGHT = [symbol for symbol in range(len(TEXT)) for _ in range(4)]


def attention(path, sharpness=0.9):
    weights = np.full((len(path), len(TEXT)), (1 - sharpness) / (len(TEXT) - 1), dtype=np.float32)
    weights[np.arange(len(path)), path] = sharpness
    return weights


def take(path, stopped=True, sharpness=0.9, r=1):
    return find_attention_errors(attention(path, sharpness), SPOKEN, WORDS, stopped, r)


def test_a_straight_line_is_good():
    straight = take(STRAIGHT)
    assert straight.good and straight.read_through and not straight.lost
    assert (straight.skipped, straight.repeated, straight.unread, straight.stuck) == ((),) * 4
    assert straight.score.aligned


def test_with_two_frames_a_step_it_is_too():
    assert take(STRAIGHT[::2], r=2).good


def test_a_skipped_word_is_named():
    skipping = take([symbol for symbol in STRAIGHT if not 4 <= symbol < 7])
    assert skipping.skipped == (1,) and not skipping.good


def test_a_silent_letter_is_no_skipped_word():
    assert take([symbol for symbol in STRAIGHT if symbol != 11]).good  # the e of cake


def test_a_repeated_word_is_named():
    again = STRAIGHT[: 12 * 4] + [symbol for symbol in STRAIGHT if symbol >= 4]
    repeating = take(again)
    assert repeating.repeated == (1,) and not repeating.good


def test_a_flicker_is_no_repeat():
    flicker = STRAIGHT[:30] + [0] + STRAIGHT[30:]
    assert take(flicker).good


def test_stopping_early_names_what_is_missing():
    early = take([symbol for symbol in STRAIGHT if symbol < 5])
    assert early.unread == (1, 2) and early.skipped == () and not early.good


def test_never_stopping_is_a_failure():
    endless = take([*STRAIGHT, *[12] * 200], stopped=False)
    assert not endless.good and endless.read_through and endless.stuck == ()


def test_dwelling_on_a_sound_or_a_pause_is_a_failure():
    assert take([*STRAIGHT[:21], *[5] * 120, *STRAIGHT[21:]]).stuck == (1,)
    assert take([*STRAIGHT[:28], *[7] * 120, *STRAIGHT[28:]]).stuck == (1,)  # the space after it


def test_attention_that_follows_nothing_is_lost():
    assert take(STRAIGHT, sharpness=0.2).lost
    assert not take(STRAIGHT, sharpness=0.2).good


def test_the_best_take_wins():
    good = take(STRAIGHT)
    blurred = take(STRAIGHT, sharpness=0.6)
    skipping = take([symbol for symbol in STRAIGHT if not 4 <= symbol < 7])
    endless = take(STRAIGHT, stopped=False)
    lost = take(STRAIGHT, sharpness=0.2)
    assert best_take([lost, endless, skipping, blurred, good]) == 4
    assert best_take([good, good]) == 0
    ranks = [each.rank for each in (lost, endless, skipping, blurred, good)]
    assert ranks == sorted(ranks)


def test_babble_can_be_cut_after_the_last_sound():
    path = [*STRAIGHT, *[12] * 200]
    end = end_of_reading(attention(path), SPOKEN)
    assert end == pytest.approx(11 * 4 + 1 + 30)
    assert end_of_reading(attention(path[::2]), SPOKEN, 2) == pytest.approx(end, abs=2)
    assert end_of_reading(attention(STRAIGHT[:20]), SPOKEN) is None


def test_a_glance_at_the_last_mark_is_not_the_end():
    glancing = [*STRAIGHT[:16], *[12] * 12, *STRAIGHT[16:], *[12] * 40]
    assert end_of_reading(attention(glancing), SPOKEN) == 12 + 11 * 4 + 1 + 30
    assert end_of_reading(attention(glancing[:-40][:40]), SPOKEN) is None


def test_a_take_of_one_frame():
    assert take([0]).unread == (0, 1, 2)


@pytest.mark.parametrize(
    ("text", "end"),
    [("bad day cake.", "ake."), ("so, by far.", "far."), ("oh no!?...", "h no!?..."), ("a.", "a."),
     ("...", "..."), ("", "")],
)  # fmt: skip
def test_a_text_may_be_over_in_its_last_three_sounds(text, end):
    assert text[may_stop_from([sign.isalpha() for sign in text]) :] == end
