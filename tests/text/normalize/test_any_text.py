"""What holds of every text."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from ponytaco.text.cleaners import english
from ponytaco.text.symbols import STYLE_SIGNS

PIECES = (
    "5", "12", "1989", "$", "€", "-", "–", "/", ":", ".", ",", " ", " ", "'", '"', "%", "st", "s",
    "May", "Jan.", "St.", "Dr.", "No.", "A", "II", "X", "MLP", "kg", "ft.", "in", "p.m.", "EST",
    "@", "www.", ".com", "#", "&", "=", "+", "*", "×", "°", "²", "½", "<", ">", "(", ")", "the",
    "CA",
)  # fmt: skip
WILD = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=14).map("".join))


@given(WILD)
@example("www.0.²")
@example("www.٣.io")
def test_no_digit_and_no_capital_survives(text):
    read = english(text)
    assert not re.search(r"[0-9%&@=+_/$£€A-Z]", read)
    assert read == read.lower()


@given(st.lists(st.sampled_from(["pony", "cake", "my", "little"]), min_size=1).map(" ".join))
def test_plain_words_stay(text):
    assert english(text) == text


def test_style_signs_stay():
    for sign in STYLE_SIGNS.values():
        assert english(f"{sign}Hello 5") == f"{sign}hello five"
