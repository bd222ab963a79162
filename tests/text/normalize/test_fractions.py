import pytest

from ponytaco.text.cleaners import english

CASES = {
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
