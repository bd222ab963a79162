import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep.audio import (
    SAMPLE_RATE,
    clipped_share,
    decode,
    is_silent,
    pcm16,
    peak_guard,
    trim_by_level,
    wav_bytes,
)
from data_prep.containers import sound_seconds
from data_prep.sound_files import AudioError, TooLongError


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def encoded(samples: np.ndarray, rate: int, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, subtype, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("FLAC", "PCM_16")],
)
def test_any_form_becomes_the_same_tone(rate, kind, subtype):
    sound = decode(encoded(tone(1.0, rate), rate, kind, subtype))
    assert sound.waveform.dtype == np.float32
    assert sound.seconds == pytest.approx(1.0, abs=0.001)
    middle = slice(2_000, 20_000)
    np.testing.assert_allclose(sound.waveform[middle], tone(1.0, SAMPLE_RATE)[middle], atol=0.02)


def test_resampling_lets_no_high_tone_alias():
    sound = decode(encoded(tone(1.0, 48_000, 15_000), 48_000))
    assert np.abs(sound.waveform[2_000:-2_000]).max() < 0.01


def speech(seconds: float = 1.0, rate: int = SAMPLE_RATE, seed: int = 0) -> np.ndarray:
    """Hum in syllables, loud and quiet by turns."""
    t = np.arange(int(seconds * rate)) / rate
    hum = sum(np.sin(2 * np.pi * 120 * k * t + seed) / k for k in range(1, 9))
    return 0.1 * hum * (np.sin(2 * np.pi * 4 * t) > 0)


def test_related_channels_are_averaged():
    left, right = speech(), 0.8 * speech()
    waveform = decode(encoded(np.stack([left, right], axis=1), SAMPLE_RATE)).waveform
    mix = (left + right) / 2
    np.testing.assert_allclose(waveform, mix - mix.mean(), atol=1e-3)


NOISE = 0.05 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
HUM = 0.1 * np.sin(2 * np.pi * 50 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
SILENCE = np.zeros(SAMPLE_RATE)


@pytest.mark.parametrize(
    "others",
    [
        [SILENCE], [-speech()], [-0.97 * speech()], [NOISE], [HUM], [SILENCE] * 5, [SILENCE + 0.4],
        [-speech() + 0.02 * NOISE], [NOISE, SILENCE], [HUM, SILENCE, NOISE],
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_the_better_channel_is_taken_where_a_mix_would_lose_speech(others, first):
    channels = [speech(), *others] if first else [*others, speech()]
    waveform = decode(encoded(np.stack(channels, axis=1), SAMPLE_RATE)).waveform
    # Where two channels are of equal worth, either is right.
    error = min(np.abs(waveform - sign * (speech() - speech().mean())).max() for sign in (1, -1))
    assert error < 0.01


def test_pcm16_at_our_rate_passes_unchanged():
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 5_000)
    samples -= round(samples.mean())
    data = encoded((samples / 32768).astype(np.float32), SAMPLE_RATE)
    assert np.abs(pcm16(decode(data).waveform) - samples).max() <= 1
    assert (pcm16(samples.astype(np.float32) / 32768) == samples).all()


def test_a_constant_offset_is_removed():
    waveform = decode(encoded(tone(1.0, SAMPLE_RATE, level=0.3) + 0.4, SAMPLE_RATE)).waveform
    assert abs(waveform.mean()) < 1e-4
    assert is_silent(decode(encoded(np.full(SAMPLE_RATE, 0.7), SAMPLE_RATE)).waveform)


def with_rate(data: bytes, rate: int) -> bytes:
    return data[:24] + rate.to_bytes(4, "little") + data[28:]


GOOD = encoded(tone(0.5, 22_050), 22_050)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "it is empty"),
        (b"RIFF....WAVE", "header of a wav, but no sound"),
        (GOOD[:20], "header of a wav, but no sound"),
        (with_rate(GOOD, 0), "rate|decoded"),
        (with_rate(GOOD, 3), "sample rate of 3 Hz"),
        (encoded(np.zeros(0), 22_050), "no samples"),
        (encoded(np.array([0.1, np.nan, 0.2]), 22_050, subtype="FLOAT"), "not numbers"),
        (encoded(np.array([0.1, np.inf, 0.2]), 22_050, subtype="DOUBLE"), "not numbers"),
    ],
)
def test_broken_sound_is_explained(data, part):
    with pytest.raises(AudioError, match=part):
        decode(data)


def test_hours_of_silence_in_a_small_flac_are_not_decoded():
    with pytest.raises(TooLongError, match="130 seconds"):
        decode(encoded(np.zeros(130 * 8_000), 8_000, "FLAC"))


def test_a_cut_off_file_is_refused_with_both_lengths():
    with pytest.raises(AudioError, match="its header tells of 0.50 seconds, and it has 0.25"):
        decode(GOOD[: len(GOOD) // 2])


def test_odd_chunks_do_not_hurt():
    odd = b"LIST" + (5).to_bytes(4, "little") + b"abcde\0"
    data = GOOD[:12] + odd + GOOD[12:]
    data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    np.testing.assert_array_equal(decode(data).waveform, decode(GOOD).waveform)


@settings(max_examples=often(60), deadline=None)
@given(st.binary(max_size=80), st.integers(0, len(GOOD)))
def test_any_bytes_are_sound_or_an_audio_error(noise, place):
    for data in (noise, GOOD[:place] + noise, GOOD[:place] + noise + GOOD[place + len(noise) :]):
        try:
            sound = decode(data)
        except AudioError:
            continue
        assert np.isfinite(sound.waveform).all() and np.abs(sound.waveform).max() <= 0.991


def test_the_peak_guard_only_scales_down():
    assert np.abs(peak_guard(np.array([2.0, -4.0], np.float32))).max() == pytest.approx(0.99)
    quiet = np.array([0.2, -0.9], np.float32)
    assert peak_guard(quiet) is quiet


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_cut_off_peaks_are_found_even_when_made_quieter(scale):
    cut = np.clip(tone(1.0, SAMPLE_RATE, 200, level=1.5), -1, 1) * scale
    assert clipped_share(cut.astype(np.float32)) > 0.3


@pytest.mark.parametrize("hertz", [150, 440, 3_000])
def test_a_tone_that_just_reaches_the_top_is_not_cut_off(hertz):
    assert clipped_share(tone(1.0, SAMPLE_RATE, hertz, level=1.0).astype(np.float32)) == 0


def test_silence_is_measured_in_the_loudest_moment():
    waveform = np.zeros(SAMPLE_RATE, np.float32)
    assert is_silent(waveform) and is_silent(np.zeros(0, np.float32))
    waveform[5_000:8_000] = 0.02
    assert not is_silent(waveform)
    assert is_silent(waveform * 0.01)


def test_trimming_by_level_keeps_the_margin():
    waveform = np.zeros(10 * SAMPLE_RATE, np.float32)
    waveform[SAMPLE_RATE : 9 * SAMPLE_RATE] = tone(8.0, SAMPLE_RATE)
    start, end = trim_by_level(waveform, margin_seconds=0.05)
    assert start / SAMPLE_RATE == pytest.approx(0.95, abs=0.011)
    assert end / SAMPLE_RATE == pytest.approx(9.05, abs=0.011)


def test_trimming_by_level_stays_inside_and_keeps_pure_silence():
    assert trim_by_level(tone(1.0, SAMPLE_RATE).astype(np.float32)) == (0, SAMPLE_RATE)
    assert trim_by_level(np.zeros(500, np.float32)) == (0, 500)


def test_wav_bytes_are_mono_pcm16():
    info = soundfile.info(io.BytesIO(wav_bytes(np.zeros(100, np.float32))))
    assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    assert info.frames == 100


@pytest.mark.parametrize(
    ("kind", "subtype", "channels", "rate"),
    [("WAV", "PCM_16", 1, 22_050), ("WAV", "FLOAT", 2, 48_000), ("FLAC", "PCM_24", 2, 44_100)],
)
def test_length_is_known_from_the_head_alone(kind, subtype, channels, rate):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((rate * 3 // 2, channels)), rate, subtype, format=kind)
    data = buffer.getvalue()
    assert sound_seconds(data[:1024], len(data)) == pytest.approx(1.5, abs=0.001)


@pytest.mark.parametrize("head", [b"", b"RIFF", b"fLaC", b"RIFF1234WAVEdata", b"x" * 200])
def test_a_strange_head_gives_no_length(head):
    assert sound_seconds(head, 10_000) is None
