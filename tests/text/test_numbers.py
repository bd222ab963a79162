import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.text.cleaners import english
from ponytaco.text.numbers import numbers_to_words

READINGS = {
    # fractions: two digits that do not start with 0 as a number, others digit by digit
    "3.14159": "three point one four one five nine",
    "0.05": "zero point zero five",
    "1.5": "one point five",
    "12.75": "twelve point seventy-five",
    "1.10": "one point ten",
    ".5": "point five",
    "2.500": "two point five zero zero",
    "1.2.3": "one point two point three",
    # money
    "$1": "one dollar",
    "$3.50": "three dollars, fifty cents",
    "$1.01": "one dollar, one cent",
    "$0.50": "fifty cents",
    "$.01": "one cent",
    "$0": "zero dollars",
    "$3.5": "three point five dollars",
    "$3.5 million": "three point five million dollars",
    "$1,000,000": "one million dollars",
    "$1989": "one thousand, nine hundred eighty-nine dollars",
    "£2.01": "two pounds, one penny",
    "€10": "ten euros",
    "-$5": "minus five dollars",
    # years and decades
    "1989": "nineteen eighty-nine",
    "1905": "nineteen oh five",
    "1900": "nineteen hundred",
    "2000": "two thousand",
    "2004": "two thousand four",
    "2024": "twenty twenty-four",
    "1066": "ten sixty-six",
    "1001": "one thousand one",
    "3000": "three thousand",
    "1980s": "nineteen eighties",
    "90's": "nineties",
    # a number with commas is a quantity, not a year
    "1,989": "one thousand, nine hundred eighty-nine",
    "10,000": "ten thousand",
    "100": "one hundred",
    "123": "one hundred twenty-three",
    # ordinals
    "1st": "first",
    "22nd": "twenty-second",
    "13th": "thirteenth",
    "1,000th": "one thousandth",
    # times
    "7:30": "seven:thirty",
    "7:05": "seven:oh five",
    "7:00": "seven o'clock",
    # signs
    "-5": "minus five",
    "(-5)": "(minus five)",
    "3-5": "three to five",
    "word--5": "word--five",
    "50%": "fifty percent",
    "0.5 %": "zero point five percent",
    # simple fractions
    "1/2": "one half",
    "3/4": "three quarters",
    "2/3": "two thirds",
    "5 1/2": "five and one half",
    # digits that are no quantity
    "007": "zero zero seven",
    "1234567890123456": "one two three four five six seven eight nine zero one two three four "
    "five six",
    "123456789012345": "one hundred twenty-three trillion, four hundred fifty-six billion, seven "
    "hundred eighty-nine million, twelve thousand, three hundred forty-five",
    # neighbours
    "r2d2": "r two d two",
    "3d": "three d",
    "3$5": "three five dollars",
    "1,2,3": "one,two,three",
    "10%5": "ten percent five",
    "12.": "twelve.",
}


@pytest.mark.parametrize(("written", "spoken"), READINGS.items())
def test_reading(written, spoken):
    assert numbers_to_words(written) == spoken


def test_a_number_in_a_sentence_keeps_its_punctuation():
    assert numbers_to_words("(in 1989, 2 of 10.)") == "(in nineteen eighty-nine, two of ten.)"


def test_the_longest_digit_string_is_read():
    assert numbers_to_words("9" * 5000) == " ".join(["nine"] * 5000)


@given(st.text(alphabet="0123456789.,:/-$£€%' stndhr", max_size=40))
def test_no_digit_survives(text):
    assert not re.search(r"[0-9]", numbers_to_words(text))
    assert not re.search(r"[0-9%]", english(text))


@given(st.integers(0, 10**15 - 1))
def test_words_of_neighbouring_numbers_differ(number):
    assert numbers_to_words(f"{number:,}") != numbers_to_words(f"{number + 1:,}")
