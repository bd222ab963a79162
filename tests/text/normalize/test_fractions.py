import pytest

from ponytaco.text.cleaners import english

CASES = {
    "9/10 stars": "nine out of ten stars",
    "I got 7/10.": "i got seven out of ten.",
    "9/10 of it": "nine tenths of it",
    "the 2023/24 season": "the twenty twenty-three to twenty-four season",
    "in 2008/09": "in two thousand eight to two thousand nine",
    "1999/00": "nineteen ninety-nine to two thousand",
    "1/2 lb": "one half pound",
    "1 1/2 lbs": "one and one half pounds",
    "1/3rd": "one third",
    "5/8": "five eighths",
    "11/12": "eleven twelfths",
    "3 3/4": "three and three quarters",
    "2½ cups": "two and one half cups",
    "¾": "three quarters",
    "24/7": "twenty-four seven",
    "9/11": "nine eleven",
    "10/10": "ten out of ten",
    "7/3": "seven thirds",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_fractions_are_read(written, spoken):
    assert english(written).strip() == spoken
