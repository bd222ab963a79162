import numpy as np
import pytest

from ponytaco.metrics.mel_cepstral import (
    best_path,
    compare_mels,
    mel_cepstra,
    pitch,
    pitch_correlation,
)

SAMPLE_RATE, HOP = 22_050, 256


def speech_like(n_frames=60, n_mels=40, seed=0, detail=4):
    """A mel whose envelope wanders smoothly: a few broad bumps in frequency and time."""
    rng = np.random.default_rng(seed)
    bands = (np.arange(n_mels) + 0.5) / n_mels
    times = np.linspace(0, 1, n_frames)
    mel = np.full((n_mels, n_frames), -5.0)
    for k in range(1, detail + 1):
        swing = np.sin(2 * np.pi * (rng.uniform(0.5, 3) * times + rng.random()))
        mel += 1.5 * np.cos(np.pi * k * bands)[:, None] * swing
    return mel


def test_the_same_clip_is_at_no_distance():
    mel = speech_like()
    similarity = compare_mels(mel, mel)
    assert similarity.mel_cepstral_distortion == pytest.approx(0, abs=1e-12)
    assert similarity.length == similarity.score == 1


def test_a_known_value():
    """A difference of one cosine of amplitude a is a / sqrt(2) nepers, root mean square."""
    n_mels, amplitude = 80, 0.5
    wave = amplitude * np.cos(np.pi * 3 * (np.arange(n_mels) + 0.5) / n_mels)
    mel = np.full((n_mels, 10), -4.0)
    decibels = 20 / np.log(10) * amplitude / np.sqrt(2)
    assert compare_mels(mel + wave[:, None], mel).mel_cepstral_distortion == pytest.approx(decibels)


def test_it_is_kubicheks_formula():
    mel, real = speech_like(1, seed=1), speech_like(1, seed=2)
    n_mels = len(mel)
    difference = (mel - real)[:, 0]
    bands = np.arange(n_mels) + 0.5
    c = [2 / n_mels * difference @ np.cos(np.pi * k * bands / n_mels) for k in range(1, 14)]
    expected = 10 / np.log(10) * np.sqrt(2 * np.sum(np.square(c)))
    assert compare_mels(mel, real).mel_cepstral_distortion == pytest.approx(expected)


def test_loudness_does_not_count_and_fine_structure_neither():
    mel = speech_like()
    ripple = 0.5 * np.cos(np.pi * 20 * (np.arange(40) + 0.5) / 40)[:, None]
    assert compare_mels(mel + 2.0, mel).mel_cepstral_distortion == pytest.approx(0, abs=1e-9)
    assert compare_mels(mel + ripple, mel).mel_cepstral_distortion == pytest.approx(0, abs=1e-9)


def test_slower_speech_is_near_other_speech_is_far():
    real = speech_like(60)
    stretched = speech_like(90)  # the same movement over more frames
    other = speech_like(60, seed=9)
    slow, far = compare_mels(stretched, real), compare_mels(other, real)
    assert slow.length == 1.5
    assert slow.mel_cepstral_distortion < 0.2 * far.mel_cepstral_distortion
    shifted = compare_mels(np.roll(real, 12, axis=0), real)
    assert shifted.mel_cepstral_distortion > 3 * slow.mel_cepstral_distortion


def test_the_score_falls_with_distance_and_wrong_length():
    real = speech_like(60)
    scores = [compare_mels(real + n * speech_like(60, seed=3), real).score for n in (0, 0.1, 0.3)]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 3
    twice = compare_mels(np.repeat(real, 2, axis=1), real)
    assert twice.score == pytest.approx(0.5)
    assert compare_mels(real[:, :30], real).score < 0.5


@pytest.mark.parametrize("shape", [(40, 0), (0, 5), (80, 60)])
def test_what_cannot_be_compared_is_said(shape):
    with pytest.raises(ValueError, match="cannot be compared"):
        compare_mels(np.zeros(shape), speech_like())


def test_the_path_joins_all_frames_in_order():
    path = best_path(mel_cepstra(speech_like(30)), mel_cepstra(speech_like(45)))
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [29, 44]
    assert (np.diff(path, axis=0) >= 0).all()
    assert set(path[:, 0]) == set(range(30)) and set(path[:, 1]) == set(range(45))


def glide(start, end, seconds=0.5, silence=0.2):
    n = int(seconds * SAMPLE_RATE)
    phase = 2 * np.pi * np.cumsum(np.geomspace(start, end, n)) / SAMPLE_RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 6))
    quiet = np.zeros(int(silence * SAMPLE_RATE))
    return np.concatenate([quiet, 0.3 * tone, quiet]).astype(np.float32)


def test_pitch_hears_a_glide_and_no_silence():
    f0 = pitch(glide(120, 240), SAMPLE_RATE, HOP)
    voiced = f0[np.isfinite(f0)]
    assert np.isnan(f0[:10]).all() and np.isnan(f0[-10:]).all()
    assert voiced[2] == pytest.approx(120, rel=0.15) and voiced[-3] == pytest.approx(240, rel=0.15)


def test_melodies_correlate_whatever_their_height():
    up, high, down = (
        pitch(glide(*ends), SAMPLE_RATE, HOP) for ends in ((120, 200), (240, 400), (200, 120))
    )
    path = np.stack([np.arange(len(up))] * 2, axis=1)
    assert pitch_correlation(high, up, path) > 0.95
    assert pitch_correlation(down, up, path) < -0.95


def test_no_correlation_where_there_is_too_little():
    tone = np.full(100, 200.0)
    path = np.stack([np.arange(100)] * 2, axis=1)
    rising = np.linspace(100, 200, 100)
    assert pitch_correlation(rising, tone, path) is None
    few = np.where(np.arange(100) < 10, rising, np.nan)
    assert pitch_correlation(few, rising, path) is None
    # a path that reaches beyond a melody, as a vocoder's rounding makes it
    assert pitch_correlation(rising[:99], rising, path) == pytest.approx(1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_mel_that_is_not_finite_scores_nothing(value):
    mel = speech_like()
    broken = mel.copy()
    broken[3, 7] = value
    similarity = compare_mels(broken, mel)
    assert (similarity.mel_cepstral_distortion, similarity.score) == (np.inf, 0.0)
