import numpy as np
import pytest

from ponytaco.reading import follow_words, word_spans

SPANS = [(0, 3), (4, 6), (7, 11)]  # "abc de fghi"


def attention(path, n_symbols=12):
    return np.eye(n_symbols)[np.asarray(path)]


def read(*symbols, each=3):
    return np.repeat(symbols, each)


def test_words_are_runs_of_spoken_symbols():
    signs = [*"it's a", ",", " ", "@HH", "@AY1", " ", "'", "o", "-", "k", "'"]
    spoken = [sign.isalpha() or sign.startswith("@") for sign in signs]
    spans = word_spans(signs, spoken)
    assert ["".join(signs[a:b]) for a, b in spans] == ["it's", "a", "@HH@AY1", "o", "k"]
    assert word_spans([], []) == []


@pytest.mark.parametrize(
    ("path", "skipped", "repeated"),
    [
        (read(*range(12)), [], []),
        (read(0, 1, 2, 3, 6, 7, 8, 9, 10, 11), [1], []),
        (read(0, 1, 2, 3, 4, 5, 6, 7, 11), [2], []),  # only its first sound
        (read(0, 2, 3, 4, 5, 6, 7, 9, 11), [], []),  # half of a word is enough
        (read(*range(7), *range(3, 12)), [], [1]),
        (read(*range(12), *range(12)), [], [0, 1, 2]),
        (read(0, 1, 0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 7, 8, 9, 10, 11), [], []),  # flickers
        (np.concatenate([read(*range(7)), [3, 4, 4, 4], read(*range(6, 12))]), [], [1]),
        (np.concatenate([read(*range(8)), [4], read(*range(8, 12))]), [], []),  # one frame
    ],
)
def test_skipped_and_repeated(path, skipped, repeated):
    reading = follow_words(attention(path), SPANS)
    assert (reading.skipped, reading.repeated) == (skipped, repeated)


def test_a_step_of_two_frames_needs_half_the_steps():
    weights = attention(np.arange(12)) * 0.5  # half a frame's mass at one frame a step
    assert follow_words(weights, SPANS, 1).skipped == [0, 1, 2]
    assert follow_words(weights, SPANS, 2).skipped == []
