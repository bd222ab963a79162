"""Phrases: where a clip is cut, and what each part of it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.config import AudioConfig
from ponytaco.data.dataset import ClipDataset
from ponytaco.data.dataset_folder import Clip, ClipAlignment
from ponytaco.data.loader import collate
from ponytaco.data.phrases import pauses, split_text
from ponytaco.data.sampler import Pick
from ponytaco.text.encode import ctc_targets, ids_to_text
from ponytaco.text.symbols import STYLE_SIGNS, SYMBOLS

AUDIO = AudioConfig()
FRAME = AUDIO.hop_length / AUDIO.sample_rate
PHONES = {"bad": "B AE1 D", "bee": "B IY1", "cab": "K AE1 B", "day": "D EY1"}


def words_at(*times):
    return [(f"w{i}", start, end) for i, (start, end) in enumerate(times)]


@pytest.mark.parametrize(
    ("times", "n_seconds", "expected"),
    [
        ([(0.0, 2.0), (2.3, 4.0)], 4.0, [2.15]),
        ([(0.0, 2.0), (2.05, 4.0)], 4.0, []),  # no pause
        ([(0.0, 1.0), (1.3, 2.4)], 2.4, []),  # short enough
        ([(0.0, 0.5), (0.8, 4.0)], 4.0, []),  # the first part would be too short
        ([(0.0, 3.5), (3.8, 4.2)], 4.2, []),  # the last part would be
        ([(0.0, 1.5), (1.8, 3.0), (3.2, 4.5)], 4.5, [1.65, 3.1]),  # the longest first, then again
        ([(0.0, 1.0), (1.2, 2.0), (2.6, 4.0)], 4.0, [2.3]),  # the longest is enough
        ([], 5.0, []),
    ],
)
def test_a_clip_is_cut_in_the_middle_of_its_longest_pauses(times, n_seconds, expected):
    assert pauses(words_at(*times), n_seconds, 2.5) == pytest.approx(expected)


def test_a_labelled_silence_is_a_pause():
    words = [("one", 0.0, 2.0), ("sil", 2.0, 2.4), ("two", 2.4, 4.0)]
    assert pauses(words, 4.0, 2.5) == pytest.approx([2.2])


@given(st.lists(st.tuples(st.floats(0.1, 1.0), st.floats(0.0, 0.6)), max_size=30))
def test_every_part_is_long_enough_and_begins_in_a_pause(spans):
    time, words = 0.0, []
    for said, silent in spans:
        words.append(("word", time, time + said))
        time += said + silent
    ends = [0.0, *pauses(words, time, 2.5), time]
    assert ends == sorted(ends)
    if len(ends) > 2:
        assert min(np.diff(ends)) >= 0.8 - 1e-9
    assert not any(start < end < stop for end in ends[1:-1] for _, start, stop in words)


def parts_of(text, cuts, symbols_per_second=10):
    """Split a text in which each symbol takes a frame, a space and a mark too."""
    n = len(text)
    intervals = np.stack((np.arange(n), np.arange(n) + 1), axis=1).astype(np.float32)
    parts = split_text(list(text), [c.isalpha() for c in text], intervals, cuts)
    return parts and [text[part] for part in parts]


@pytest.mark.parametrize(
    ("text", "cut", "expected"),
    [
        ("one two", 3.5, ["one", "two"]),
        ("one, two.", 4.5, ["one,", "two."]),
        ('one, "two"', 5.0, ["one,", '"two"']),
        ("one -- two", 5.0, ["one", "-- two"]),
        ("one--two", 4.0, ["one--", "two"]),
        ("one two", 0.2, None),  # nothing is said before it
        ("one two!", 7.9, None),  # nothing is said after it
    ],
)
def test_marks_stay_with_their_word(text, cut, expected):
    assert parts_of(text, [cut]) == expected


def test_a_text_whose_times_contradict_its_order_is_not_cut():
    intervals = np.array([[0, 1], [5, 6], [1, 2], [2, 3]], np.float32)
    assert split_text(list("abcd"), [True] * 4, intervals, [3.5]) is None


def test_two_cuts_in_one_gap_are_refused():
    assert parts_of("one two", [3.2, 3.8]) is None


def make_clip(groups, style="", spelling=None):
    """Make a clip of groups of words, with half a second between the groups.

    Every phone lasts 0.2 s.
    """
    time, tokens, words = 0.1, [], []
    for i, group in enumerate(groups):
        time += 0.5 if i else 0.0
        for word in group:
            start = time
            for phone in PHONES[word].split():
                tokens.append((phone, time, time + 0.2))
                time += 0.2
            words.append((word, start, time))
    time += 0.1
    text = style + ", ".join(" ".join(group) for group in groups) + "."
    arpabet = style + ", ".join(" ".join(f"{{{PHONES[w]}}}" for w in g) for g in groups) + "."
    clip = Clip(Path("x.wav"), spelling or text, arpabet, "x")
    return clip, ClipAlignment(tuple(tokens), tuple(words)), round(time / FRAME)


def open_clip(groups, phrase_seconds=2.5, alignment=True, **changes):
    clip, labels, n_frames = make_clip(groups, **changes)
    mel = torch.arange(n_frames)[:, None].expand(-1, 80).float()
    found = [labels if alignment else None]
    return ClipDataset([clip], [mel], found, SYMBOLS, "english", AUDIO, phrase_seconds)


GROUPS = [["bad", "bee"], ["cab", "day", "bad"], ["bee", "cab"]]


@pytest.mark.parametrize("use_arpabet", [True, False])
def test_the_phrases_of_a_clip_are_all_of_it(use_arpabet):
    data = open_clip(GROUPS, 1.5)
    phrases = [data[Pick(0, use_arpabet, i)] for i in range(3)]
    texts = [ids_to_text(ids.tolist()) for ids, *_ in phrases]
    if use_arpabet:
        assert texts[1] == "{K AE1 B} {D EY1} {B AE1 D},"
    else:
        assert texts == ["bad bee,", "cab day bad,", "bee cab."]
    assert torch.cat([mel for _, mel, *_ in phrases]).equal(data.mels[0])
    whole = data[Pick(0, use_arpabet)]
    assert torch.cat([ctc for _, _, ctc, *_ in phrases]).equal(whole[2])
    assert whole[2].tolist() == ctc_targets(data.clips[0].arpabet)
    assert [bool(is_end) for *_, is_end in phrases] == [False, False, True]
    assert bool(whole[-1])
    assert data.phrase_lengths == [[len(mel) for _, mel, *_ in phrases]]
    for i, (ids, mel, *_) in enumerate(phrases):
        pick = Pick(0, use_arpabet, i)
        assert (data.n_symbols(pick), data.n_frames(pick)) == (len(ids), len(mel))


@pytest.mark.parametrize("use_arpabet", [True, False])
def test_a_symbol_of_a_phrase_keeps_its_time(use_arpabet):
    data = open_clip(GROUPS, 1.5)
    of_clip = {}
    ids, _, _, intervals, _ = data[Pick(0, use_arpabet)]
    spoken = [SYMBOLS[i][-1].isalnum() for i in ids]
    of_clip = intervals[spoken]
    parts, start = [], 0
    for i, n_frames in enumerate(data.phrase_lengths[0]):
        ids, mel, _, intervals, _ = data[Pick(0, use_arpabet, i)]
        parts.append((intervals + start)[[SYMBOLS[i][-1].isalnum() for i in ids]])
        assert intervals[0, 0] <= 0 and intervals[-1, 1] >= n_frames == len(mel)
        start += n_frames
    again = torch.cat(parts)
    middles, expected = again.mean(dim=1), of_clip.mean(dim=1)
    assert (middles - expected).abs().median() < 0.01
    assert (middles - expected).abs().max() < 0.5 / FRAME / 2 + 1  # at ends with half the pause


def test_a_style_holds_for_every_phrase():
    sign = STYLE_SIGNS["Happy"]
    data = open_clip(GROUPS, 1.5, style=sign)
    for use_arpabet in (True, False):
        for i in range(3):
            pick = Pick(0, use_arpabet, i)
            ids, _, _, intervals, _ = data[pick]
            signs = [SYMBOLS[j] for j in ids.tolist()]
            assert (signs[0], signs.count(sign)) == (sign, 1)
            assert len(intervals) == len(ids) == data.n_symbols(pick)


@pytest.mark.parametrize(
    "changes",
    [
        {"alignment": False},
        {"phrase_seconds": 0.0},
        {"phrase_seconds": 60.0},
        {"spelling": "Something that the labels do not say, and nobody has said."},
    ],
    ids=str,
)
def test_a_clip_that_cannot_be_cut_stays_whole(changes):
    assert open_clip(GROUPS, **{"phrase_seconds": 1.5, **changes}).phrase_lengths == [[]]


def test_clips_and_phrases_share_a_batch():
    data = open_clip(GROUPS, 1.5)
    batch = collate([data[Pick(0, True)], data[Pick(0, True, 0)], data[Pick(0, False, 2)]])
    assert batch.is_end.tolist() == [True, False, True]
    assert batch.mel_lengths.tolist() == [len(data.mels[0]), *data.phrase_lengths[0][::2]]
