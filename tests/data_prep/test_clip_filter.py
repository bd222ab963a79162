import io
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep.audio import SAMPLE_RATE, wav_bytes
from data_prep.clip_filter import Clip, Reason, Rejection, Seen, examine
from data_prep.options import ClipOptions, OptionsError
from data_prep.soundtools import RawClip

WORDS = ["see", "my", "mice", "no", "ships", "us"]


@pytest.fixture
def raw(fake_clip, as_json):
    """Makes a raw clip; by default a good one, trimmed by 0.25 s and 0.15 s."""

    def make(waveform=None, ref="ref", words=WORDS, seed=1, cut=(0.25, 0.15), **label) -> RawClip:
        clip = fake_clip(words, seed=seed, **label)
        if waveform is None:
            start, end = (round(seconds * SAMPLE_RATE) for seconds in cut)
            waveform = clip.waveform[start : len(clip.waveform) - end]
        return RawClip(ref, wav_bytes(waveform), as_json(clip.label))

    return make


def reason(raw: RawClip, seen: Seen | None = None, **options) -> Reason | None:
    """Why a clip is left out, None if it is kept."""
    result = examine(raw, ClipOptions(**options), seen or Seen())
    if isinstance(result, Rejection):
        assert result.sentence.endswith(".") and result.ref == raw.ref
        return result.reason
    return None


def kept(raw: RawClip, **options) -> Clip:
    result = examine(raw, ClipOptions(**options), Seen())
    assert isinstance(result, Clip), result
    return result


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * 220 * t)).astype(np.float32)


def test_a_good_clip_is_kept_and_aligned(raw):
    clip = kept(raw())
    assert clip.offset.trusted and clip.offset.seconds == pytest.approx(0.25, abs=0.02)
    assert clip.transcript.text == "See my mice no ships us."
    assert clip.transcript.arpabet.startswith("{S IY1} {M AY1} ")
    assert [token.content for token in clip.tokens][:4] == ["S", "IY1", "M", "AY1"]
    assert [word.content for word in clip.words] == WORDS


def test_an_aligned_clip_starts_just_before_its_first_phone_and_ends_after_its_last(raw):
    clip = kept(raw(cut=(0.1, 0.0), after=0.5))
    assert clip.tokens[0].start == pytest.approx(0.08, abs=0.002)
    assert clip.seconds - clip.tokens[-1].end == pytest.approx(0.08, abs=0.002)


def test_times_are_those_of_the_written_wav(raw):
    """The hiss of every S lies in its token, the hum of the vowels between."""
    clip = kept(raw(cut=(0.1, 0.1)))
    edges = np.diff(clip.waveform, prepend=0)

    def hiss(token) -> float:
        part = slice(round(token.start * SAMPLE_RATE) + 300, round(token.end * SAMPLE_RATE) - 300)
        return np.std(edges[part]) / np.std(clip.waveform[part])

    for token in clip.tokens:
        if token.content in {"S", "SH"}:
            assert hiss(token) > 1.0
        elif token.content != "P":
            assert hiss(token) < 0.6


def test_phones_that_were_trimmed_away_end_at_the_wav_s_edges(raw):
    clip = kept(raw(cut=(0.45, 0.42)))
    assert clip.tokens[0].start == 0.0
    assert clip.tokens[-1].end == pytest.approx(clip.seconds, abs=1e-6)
    assert all(0 <= t.start <= t.end <= clip.seconds for t in clip.tokens + clip.words)


def test_a_label_of_other_sound_loses_the_alignment_not_the_clip(raw):
    other = raw(words=["yes", "no", "my", "sun"], seed=5)
    clip = kept(replace(raw(), label=other.label))
    assert clip.tokens == () and clip.words == ()
    assert clip.transcript.tokens


def test_without_alignment_the_level_trims(raw):
    quiet = np.zeros(SAMPLE_RATE, np.float32)
    waveform = np.concatenate([quiet, tone(1.0), quiet])
    clip = kept(raw(waveform, phones=[]))
    assert clip.offset is None
    assert clip.seconds == pytest.approx(1.1, abs=0.03)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"label": None}, Reason.NO_LABEL),
        ({"label": b"{"}, Reason.BROKEN_LABEL),
        ({"label": None, "too_large": ("label",)}, Reason.BROKEN_LABEL),
        ({"audio": None}, Reason.NO_AUDIO),
        ({"audio": b"RIFFxxxx"}, Reason.BROKEN_AUDIO),
        ({"audio": None, "too_large": ("audio",)}, Reason.TOO_LONG),
    ],
)
def test_missing_and_broken_parts(raw, change, expected):
    assert reason(raw()) is None
    assert reason(replace(raw(), **change)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", Reason.EMPTY_TEXT), (" \n\u200b", Reason.EMPTY_TEXT), ("?! ♪", Reason.NOTHING_SPEAKABLE)],
)
def test_texts_without_speech(raw, text, expected):
    assert reason(raw(text=text)) == expected


def test_a_sign_does_not_make_an_empty_text_speakable(raw):
    happy = raw(text="...", tags=["Happy"])
    assert reason(happy, style_signs=True) == Reason.NOTHING_SPEAKABLE


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.3, Reason.TOO_SHORT), (0.45, None), (14.9, None), (15.2, Reason.TOO_LONG)],
)
def test_lengths(raw, seconds, expected):
    assert reason(raw(tone(seconds), phones=[])) == expected


def test_length_counts_after_trimming(raw):
    quiet = np.zeros(20 * SAMPLE_RATE, np.float32)
    assert reason(raw(np.concatenate([quiet, tone(1.0)]), phones=[])) is None


def test_minutes_of_sound_are_not_even_decoded(raw):
    assert reason(raw(tone(121), phones=[])) == Reason.TOO_LONG


def test_silence_and_clipping(raw):
    assert reason(raw(tone(1.0, level=0.001))) == Reason.SILENCE_ONLY
    assert reason(raw(np.clip(tone(1.0, level=2.0), -1, 1))) == Reason.CLIPPED
    assert reason(raw(tone(1.0, level=0.999))) is None


def test_noise_and_tags_are_options(raw):
    assert reason(raw(noise="Very Noisy")) == Reason.VERY_NOISY
    assert reason(raw(noise="Very Noisy"), skip_very_noisy=False) is None
    assert reason(raw(noise="Noisy")) is None
    assert reason(raw(tags=["Happy", "singing"])) == Reason.TAG
    assert reason(raw(tags=["Singing"]), skip_tags=()) is None
    assert reason(raw(tags=["Happy"]), skip_tags=("Happy", "Sad")) == Reason.TAG


def test_only_equal_sound_is_a_duplicate(raw):
    seen = Seen()
    assert reason(raw(ref="a"), seen) is None
    assert reason(raw(ref="a", seed=2), seen) is None
    assert reason(raw(ref="b"), seen) == Reason.DUPLICATE
    assert reason(raw(ref="b", seed=3), seen) is None


@pytest.mark.parametrize("noise", ["Very Noisy", "verynoisy", "very noisy ", "VERY_NOISY"])
def test_very_noisy_in_any_spelling(raw, noise):
    assert reason(raw(noise=noise)) == Reason.VERY_NOISY


def test_the_same_sound_in_another_format_is_a_duplicate(raw):
    seen, first = Seen(), raw(ref="a")
    samples, rate = soundfile.read(io.BytesIO(first.audio), dtype="int16")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([samples, samples], 1), rate, format="FLAC")
    assert reason(first, seen) is None
    assert reason(replace(first, ref="b", audio=buffer.getvalue()), seen) == Reason.DUPLICATE


def test_a_rejected_clip_makes_no_later_one_a_duplicate(raw):
    seen = Seen()
    assert reason(raw(ref="a", text=""), seen) == Reason.EMPTY_TEXT
    assert reason(raw(ref="a"), seen) is None


@pytest.mark.parametrize("limits", [(0, 5), (5, 5), (1, 61), (float("nan"), 5)])
def test_impossible_options_are_refused(limits):
    with pytest.raises(OptionsError, match="min_seconds"):
        ClipOptions(min_seconds=limits[0], max_seconds=limits[1])


MOMENTS = st.lists(st.floats(0, 3), min_size=2, max_size=2).map(sorted)
SPOKEN = st.lists(
    st.fixed_dictionaries(
        {"content": st.sampled_from(["S", "IY1", "sil", "see", "x", ""]), "interval": MOMENTS}
    ),
    max_size=12,
)


@settings(max_examples=often(60), deadline=None)
@given(SPOKEN, SPOKEN, st.floats(0.3, 5), st.text(max_size=20))
def test_any_label_gives_a_clip_or_a_reason(words, phones, seconds, text):
    label = {
        "utterance": {"content": text, "episode_interval": [0, seconds]},
        "words": words,
        "phones": phones,
    }
    raw = RawClip("ref", wav_bytes(tone(1.0)), json.dumps(label).encode())
    result = examine(raw, ClipOptions(), Seen())
    if isinstance(result, Clip):
        assert all(0 <= t.start <= t.end <= result.seconds for t in result.tokens + result.words)
