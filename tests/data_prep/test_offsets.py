import numpy as np
import pytest

from data_prep.audio import SAMPLE_RATE, decode
from data_prep.labels import Interval, parse_label
from data_prep.offsets import LOUDNESS, find_offset
from data_prep.soundtools import index_archive, read_clips
from data_prep.transcripts import spoken_phones
from ponytaco.text.symbols import PHONES


def test_every_phone_has_a_loudness():
    assert set(LOUDNESS) == {phone.rstrip("012") for phone in PHONES}


def phones_of(clip) -> tuple[Interval, ...]:
    return tuple(
        Interval(p["content"], *p["interval"])
        for p in clip.label["phones"]
        if p["content"] != "sil"
    )


def cut(waveform, start: float, end: float):
    return waveform[round(start * SAMPLE_RATE) : len(waveform) - round(end * SAMPLE_RATE)]


WORDS = ["see", "my", "mice", "no", "ships", "us"]


@pytest.mark.parametrize("start", [0.0, 0.123, 0.35])
@pytest.mark.parametrize("end", [0.0, 0.25])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_known_cuts_are_recovered(fake_clip, start, end, noise):
    clip = fake_clip(WORDS, seed=3)
    rng = np.random.default_rng(0)
    noisy = (clip.waveform + rng.normal(0, noise, len(clip.waveform))).astype(np.float32)
    offset = find_offset(cut(noisy, start, end), phones_of(clip), len(clip.waveform) / SAMPLE_RATE)
    assert offset.trusted
    assert offset.seconds == pytest.approx(start, abs=0.02)


def test_the_level_does_not_matter(fake_clip):
    clip = fake_clip(WORDS, seed=3)
    seconds = len(clip.waveform) / SAMPLE_RATE
    loud, quiet = (
        find_offset(cut(clip.waveform * level, 0.2, 0.1), phones_of(clip), seconds)
        for level in (np.float32(1), np.float32(0.05))
    )
    assert loud.seconds == pytest.approx(quiet.seconds, abs=0.005)


def test_the_label_of_another_clip_is_not_trusted(fake_clip):
    clip, other = fake_clip(WORDS, seed=3), fake_clip(["yes", "no", "my", "sun", "see"], seed=4)
    offset = find_offset(
        cut(clip.waveform, 0.2, 0.2), phones_of(other), len(clip.waveform) / SAMPLE_RATE
    )
    assert not offset.trusted


@pytest.mark.parametrize("seconds", [0.5, 500.0])
def test_an_impossible_length_gives_none(fake_clip, seconds):
    clip = fake_clip(WORDS)
    assert find_offset(clip.waveform, phones_of(clip), seconds) is None


def test_too_few_phones_give_none(fake_clip):
    clip = fake_clip(WORDS)
    seconds = len(clip.waveform) / SAMPLE_RATE
    assert find_offset(clip.waveform, phones_of(clip)[:2], seconds) is None
    late = (*phones_of(clip), Interval("S", seconds + 5, seconds + 6))
    assert find_offset(clip.waveform, late, seconds) is None


def test_silence_fits_nothing(fake_clip):
    clip = fake_clip(WORDS)
    silence = np.zeros_like(clip.waveform)
    offset = find_offset(silence, phones_of(clip), len(silence) / SAMPLE_RATE)
    assert not offset.trusted


@pytest.mark.shared
@pytest.mark.parametrize("name", ["LJ", "Slt", "Rms"])
def test_further_cuts_of_real_speech_are_recovered(shared_data, name):
    """Cut known amounts off: the offset must grow by what was cut off the start."""
    rng = np.random.default_rng(0)
    raw_clips = list(read_clips(index_archive(shared_data / f"{name}.tar")))[::5]
    errors = []
    for raw in raw_clips:
        waveform, label = decode(raw.audio).waveform, parse_label(raw.label)
        phones, seconds = spoken_phones(label), label.untrimmed_seconds
        first = find_offset(waveform, phones, seconds)
        start, end = rng.uniform(0, 0.3, 2)
        second = find_offset(cut(waveform, start, end), phones, seconds)
        assert first.trusted
        errors.append(second.seconds - first.seconds - start)
    assert np.percentile(np.abs(errors), 95) < 0.01
    assert np.abs(errors).max() < 0.03


@pytest.mark.shared
def test_energy_of_real_speech_lies_where_its_phones_are(shared_data):
    inside, outside = [], []
    for raw in list(read_clips(index_archive(shared_data / "LJ.tar")))[::10]:
        waveform, label = decode(raw.audio).waveform, parse_label(raw.label)
        phones = spoken_phones(label)
        offset = find_offset(waveform, phones, label.untrimmed_seconds)
        spoken = np.zeros(len(waveform), bool)
        for phone in phones:
            start, end = (
                round((t - offset.seconds) * SAMPLE_RATE) for t in (phone.start, phone.end)
            )
            spoken[max(start, 0) : max(end, 0)] = True
        if spoken.mean() > 0.99:
            continue
        inside.append(np.mean(waveform[spoken] ** 2))
        outside.append(np.median(waveform[~spoken] ** 2))
    assert len(inside) > 20
    assert 10 * np.log10(np.median(inside) / np.median(outside)) > 30
