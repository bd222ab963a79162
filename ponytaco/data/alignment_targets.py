"""Intervals in which each symbol of a text may be attended: from labels, or the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt

from ponytaco.data.dataset_folder import Interval

# Added at both ends of a symbol's own time: attention reads ahead a little, and labels are accurate
# to some tens of milliseconds.
_LABEL_MARGIN_SECONDS = 0.03
# Half the width of the diagonal's band as a share of the clip.
_DIAGONAL_MARGIN = 0.15
# Labels that match a smaller share of a text's spoken symbols are not trusted.
_MIN_MATCHED = 0.6
SILENCES = {"sil", "sp", "spn", ""}


def diagonal_intervals(n_symbols: int, n_seconds: float) -> npt.NDArray[np.float32]:
    """Make intervals around the diagonal, for a clip without labels.

    Args:
        n_symbols: symbols of the text.
        n_seconds: length of the clip.

    Returns:
        (n_symbols, 2) start and end of each symbol, seconds.
    """
    starts = np.arange(n_symbols) / n_symbols
    margin = _DIAGONAL_MARGIN
    intervals = np.stack((starts - margin, starts + 1 / n_symbols + margin), axis=1)
    return (intervals * n_seconds).astype(np.float32)


def label_intervals(
    symbols: Sequence[str],
    phones: Sequence[Interval],
    words: Sequence[Interval],
    n_seconds: float,
) -> npt.NDArray[np.float32] | None:
    """Make intervals from a clip's labels.

    A phone symbol ('@HH') takes its own time, a letter its share of its word's phones; punctuation
    and symbols that the labels lack take the time between their neighbours.

    Args:
        symbols: the text's symbols as the model reads them.
        phones: the labels' phones in order.
        words: the labels' words in order; may be empty.
        n_seconds: length of the clip.

    Returns:
        (n_symbols, 2) start and end of each symbol, seconds; None if too little of the text is
        found in the labels.
    """
    intervals = np.full((len(symbols), 2), np.nan)
    spoken_phones = [phone for phone in phones if phone[0] not in SILENCES]
    phone_places = [i for i, symbol in enumerate(symbols) if symbol.startswith("@")]
    matches = _matches([symbols[i][1:] for i in phone_places], [p[0] for p in spoken_phones])
    for text_index, label_index in matches:
        intervals[phone_places[text_index]] = spoken_phones[label_index][1:]

    word_places = _letter_words(symbols)
    text_words = ["".join(symbols[i] for i in place) for place in word_places]
    for text_index, label_index in _matches(
        [_plain(word) for word in text_words], [_plain(word[0]) for word in words]
    ):
        place = word_places[text_index]
        intervals[place] = _letter_intervals(len(place), words[label_index], spoken_phones)

    spoken = [*phone_places, *(i for place in word_places for i in place)]
    known = ~np.isnan(intervals[:, 0])
    if not spoken or known[spoken].mean() < _MIN_MATCHED:
        return None
    _fill_gaps(intervals, known, n_seconds)
    intervals += (-_LABEL_MARGIN_SECONDS, _LABEL_MARGIN_SECONDS)
    return intervals.astype(np.float32)


def _matches(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    return [(b.a + i, b.b + i) for b in blocks for i in range(b.size)]


def _letter_words(symbols: Sequence[str]) -> list[list[int]]:
    """Return the indices of each run of letters, with the apostrophes and hyphens inside it."""
    words: list[list[int]] = [[]]
    for i, symbol in enumerate(symbols):
        if len(symbol) == 1 and (symbol.isalpha() or (symbol in "'-" and words[-1])):
            words[-1].append(i)
        elif words[-1]:
            words.append([])
    return [word for word in words if word]


def _letter_intervals(
    n_letters: int, word: Interval, phones: Sequence[Interval]
) -> npt.NDArray[np.float64]:
    """Return start and end of each letter of a word, (n_letters, 2) seconds.

    Letters are spread evenly over the word's phones, which differ in length: the 'th' before a
    long vowel is short. As spelling is uneven, each may be half a letter early or late. If no phone
    lies in the word, they are spread over its time.
    """
    _, start, end = word
    inside = [phone for phone in phones if start <= (phone[1] + phone[2]) / 2 <= end]
    times = np.maximum.accumulate([start, *(phone[1] for phone in inside[1:]), end])
    places = np.arange(n_letters)[:, None] + (-0.5, 1.5)
    return np.interp(places / n_letters, np.linspace(0, 1, len(times)), times)


def _plain(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalpha())


def _fill_gaps(
    intervals: npt.NDArray[np.float64], known: npt.NDArray[np.bool_], n_seconds: float
) -> None:
    """Give symbols without a time of their own the time between their neighbours, in place."""
    end_before = 0.0
    unknown: list[int] = []
    for i in range(len(intervals)):
        if known[i]:
            intervals[unknown] = sorted((end_before, intervals[i, 0]))
            if i and not unknown:  # a pause inside a word has no symbol but the one before it
                intervals[i - 1, 1] = max(end_before, intervals[i, 0])
            unknown = []
            end_before = intervals[i, 1]
        else:
            unknown.append(i)
    intervals[unknown] = sorted((end_before, n_seconds))
    # Silence at either end belongs to the text's first and last symbol.
    intervals[0, 0] = min(0.0, intervals[0, 0])
    intervals[-1, 1] = max(n_seconds, intervals[-1, 1])
