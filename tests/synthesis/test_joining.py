import math

import pytest
import torch

from ponytaco.synthesis.joining import (
    PAUSES,
    Leveller,
    fade_ends,
    silence,
    speech_level,
    trim_silence,
)

RATE = 22_050


def tone(seconds, loudness=0.3, pitch=200.0):
    n = int(seconds * RATE)
    return loudness * torch.cos(2 * math.pi * pitch * torch.arange(n) / RATE)


def test_silence_is_trimmed_at_both_ends():
    hiss = 1e-4 * torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    waveform = torch.cat([silence(0.5, RATE), hiss, tone(1.0), hiss, silence(0.7, RATE)])
    trimmed = trim_silence(waveform, RATE)
    assert len(trimmed) / RATE == pytest.approx(1.06, abs=0.03)  # a margin on both sides
    assert trimmed.abs().sum() == pytest.approx(float(tone(1.0).abs().sum()), rel=0.01)


def test_silence_inside_stays_and_soft_ends_too():
    waveform = torch.cat([tone(0.1, 0.01), tone(0.2), silence(0.5, RATE), tone(0.2)])
    assert len(trim_silence(waveform, RATE)) == len(waveform)


@pytest.mark.parametrize("n", [0, 1, 100, 5000])
def test_nothing_but_silence_passes(n):
    assert len(trim_silence(torch.zeros(n), RATE)) == n
    assert len(fade_ends(torch.zeros(n), RATE)) == n
    assert speech_level(torch.zeros(n), RATE) < -100
    Leveller(RATE)(torch.zeros(n))


def test_a_faded_piece_begins_and_ends_at_zero():
    waveform = tone(0.5, 1.0)
    faded = fade_ends(waveform, RATE)
    assert faded[0] == 0 and faded[-1].abs() < 1e-6 and waveform[0] == 1
    inside = slice(int(0.006 * RATE), -int(0.006 * RATE))
    assert torch.equal(faded[inside], waveform[inside])
    padded = torch.cat([silence(0.1, RATE), faded, silence(0.1, RATE)])
    assert padded.diff().abs().max() < 1.05 * waveform.diff().abs().max()  # nothing jumps


def test_the_level_does_not_depend_on_pauses():
    alone = speech_level(tone(1.0), RATE)
    assert alone == pytest.approx(20 * math.log10(0.3 / math.sqrt(2)), abs=0.1)
    with_pause = torch.cat([tone(0.5), silence(2, RATE), tone(0.5)])
    assert speech_level(with_pause, RATE) == pytest.approx(alone, abs=0.2)


def level(waveform):
    return speech_level(waveform, RATE)


def test_levels_are_evened_to_the_median_of_what_was_said():
    even = Leveller(RATE)
    first, second = even(tone(1, 0.3)), even(tone(1, 0.3))
    assert torch.equal(first, tone(1, 0.3)) and torch.equal(second, first)
    assert level(even(tone(1, 0.25))) == pytest.approx(level(first), abs=0.01)
    assert level(even(tone(1, 0.4))) == pytest.approx(level(first), abs=0.01)


def test_the_gain_is_limited_and_never_clips():
    even = Leveller(RATE)
    even(tone(1, 0.3)), even(tone(1, 0.3))
    assert level(even(tone(1, 0.05))) == pytest.approx(level(tone(1, 0.05)) + 4, abs=0.01)
    peaky = tone(1, 0.25)
    peaky[1000] = 0.95
    assert even(peaky).abs().max() <= 0.9901


def test_each_style_has_its_own_level():
    even = Leveller(RATE)
    even(tone(1, 0.3), "Shouting")
    whisper = tone(1, 0.1)
    assert torch.equal(even(whisper, "Whispering"), whisper)


def test_pauses_grow_with_what_ends():
    assert PAUSES["word"] < PAUSES["clause"] < PAUSES["sentence"] < PAUSES["paragraph"]
