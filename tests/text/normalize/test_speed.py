"""The cleaner takes time in proportion to the text, whatever it holds."""

import time

import pytest

from ponytaco.text.cleaners import english

TEXTS = {
    "prose": "Twilight looked up from her book, and smiled at the dragon who sat beside her. ",
    "amounts": "$3.50 ",
    "abbreviations": "Mr. Dr. e.g. St. U.S. A. ",
    "digits": "9",
    "numbers": "12 1,200 5-10 1/2 5:30 ",
    "one word": "pony",
    "capitals": "MLP STOP ",
    "signs": "<a@b.c&#1-$+~*",
}
# A quadratic time would be fourfold, a busy machine's noise is less.
_MOST_GROWTH = 3
_MOST_SECONDS_PER_MB = 25  # a fifth of it is the goal; a busy machine is slow


def seconds(text):
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        english(text)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("kind", TEXTS)
def test_twice_the_text_takes_twice_the_time(kind):
    text = (TEXTS[kind] * 40_000)[:40_000]
    half, whole = seconds(text[:20_000]), seconds(text)
    assert whole < _MOST_GROWTH * half + 0.01
    assert whole < _MOST_SECONDS_PER_MB * len(text) / 1e6
