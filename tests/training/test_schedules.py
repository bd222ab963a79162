import math

import pytest

from ponytaco.training.schedules import (
    drop_rate,
    gaf_cap,
    learning_rate,
    next_guidance_scale,
    teacher_forcing,
)


def rate(step, peak=1e-3, warmup=4, start=10, decay=5, minimum=1e-5):
    return learning_rate(step, peak, warmup, start, decay, minimum)


@pytest.mark.parametrize(
    ("step", "share"), [(0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0), (4, 1.0), (9, 1.0), (10, 1.0)]
)
def test_warm_up_and_flat(step, share):
    assert rate(step) == pytest.approx(1e-3 * share, rel=1e-12)


@pytest.mark.parametrize(
    ("step", "exponent"), [(10, 0.0), (11, -0.2), (15, -1.0), (20, -2.0), (30, -4.0)]
)
def test_decay_falls_to_one_e_th_in_decay_steps(step, exponent):
    assert rate(step) == pytest.approx(1e-3 * math.exp(exponent), rel=1e-12)


def test_the_floor_holds():
    # e^-5 of the peak is below the floor.
    assert rate(35, minimum=1e-5) == 1e-5
    assert rate(10**9, minimum=1e-5) == 1e-5
    assert rate(10**9, minimum=0.0) == 0.0


def test_a_peak_below_the_floor_stays():
    assert {rate(step, peak=1e-6, minimum=1e-5) for step in (4, 10, 50, 10**6)} == {1e-6}


def test_no_warm_up_starts_at_the_peak():
    assert rate(0, warmup=0) == 1e-3


def test_the_rate_never_rises_after_the_warm_up():
    rates = [rate(step) for step in range(60)]
    assert rates[:4] == sorted(rates[:4])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert min(rates) > 0


def guided_after(found, fade_steps, begin=1.0):
    """Return the scale after steps, given whether each was found aligned."""
    scale = begin
    for is_aligned in found:
        scale = next_guidance_scale(scale, is_aligned, fade_steps)
    return scale


def test_guidance_is_full_until_aligned():
    assert guided_after([False] * 700, 500) == 1.0


@pytest.mark.parametrize(
    ("n", "expected"), [(0, 1.0), (1, 0.998), (125, 0.75), (250, 0.5), (499, 0.002), (9999, 0.0)]
)
def test_guidance_fades_once_aligned(n, expected):
    assert guided_after([True] * n, 500) == pytest.approx(expected, abs=1e-9)


def test_guidance_ends_at_exactly_0():
    # A rounding error must not look like guidance.
    for fade_steps in (3, 7, 49, 500, 1000):
        assert guided_after([True] * (fade_steps + 1), fade_steps) == 0.0


def test_guidance_returns_as_slowly_if_alignment_is_lost():
    faded = [True] * 600
    assert guided_after([*faded, False], 500) == pytest.approx(0.002)
    assert guided_after([*faded, *[False] * 100], 500) == pytest.approx(0.2)
    assert guided_after([*faded, *[False] * 501], 500) == 1.0
    # Once aligned again, it fades from the present scale.
    assert guided_after([*faded, *[False] * 100, *[True] * 50], 500) == pytest.approx(0.1)


def test_guidance_can_end_and_return_at_once():
    assert guided_after([True], 0) == 0
    assert guided_after([True, False], 0) == 1


@pytest.mark.parametrize("step", [0, 1, 10_000])
def test_teacher_forcing_is_full_until_aligned(step):
    assert teacher_forcing(step, None, 0.2, 1000) == 1.0


@pytest.mark.parametrize(
    ("step", "expected"), [(100, 1.0), (101, 0.9992), (600, 0.6), (1100, 0.2), (9999, 0.2)]
)
def test_teacher_forcing_falls_once_aligned(step, expected):
    assert teacher_forcing(step, 100, 0.2, 1000) == pytest.approx(expected)


def test_teacher_forcing_returns_if_alignment_is_lost():
    assert teacher_forcing(600, 100, 0.2, 1000) < 1
    assert teacher_forcing(601, None, 0.2, 1000) == 1.0


def test_teacher_forcing_can_fall_at_once_or_never():
    assert teacher_forcing(5, 5, 0.2, 0) == pytest.approx(0.2)
    assert teacher_forcing(5, None, 0.2, 0) == 1.0
    # Exactly 1, or the decoder would draw windows.
    assert {teacher_forcing(step, 3, 1.0, 7) for step in range(3, 20)} == {1.0}


def test_the_factors_cap_is_lower_once_aligned():
    assert gaf_cap(None, 0.5, 0.1) == 0.5
    assert gaf_cap(0, 0.5, 0.1) == 0.1
    assert gaf_cap(700, 0.5, 0.1) == 0.1
    # It is never higher than before alignment.
    assert gaf_cap(700, 0.05, 0.1) == 0.05


def test_frames_are_dropped_less_once_aligned():
    assert drop_rate(None, 0.35, 0.1) == 0.35
    assert drop_rate(0, 0.35, 0.1) == drop_rate(700, 0.35, 0.1) == 0.1
    # It is never higher than before alignment.
    assert drop_rate(700, 0.05, 0.1) == 0.05
