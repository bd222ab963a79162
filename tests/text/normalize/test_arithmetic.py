import pytest

from ponytaco.text.cleaners import english

CASES = {
    "e=mc^2": "e equals mc squared",
    "We won 20-3.": "we won twenty to three.",
    "60-2=58": "sixty minus two equals fifty-eight",
    "5 - 3 = 2": "five minus three equals two",
    "7 - 4": "seven minus four",
    "3 * 4 = 12": "three times four equals twelve",
    "8 ÷ 2": "eight divided by two",
    "6 × 7": "six times seven",
    "2*8": "two times eight",
    "2^8": "two to the power of eight",
    "x^2 + 1": "x squared plus one",
    "2+2=4.": "two plus two equals four.",
    "x - 1 = y": "x minus one equals y",
    "10/2=5": "ten divided by two equals five",
    "±3": "plus or minus three",
    "5 > 3": "five is greater than three",
    "4x4": "four by four",
    "40-1 odds": "forty to one odds",
    "pages 5–10": "pages five to ten",
    "3-4 days": "three to four days",
    "10%-20%": "ten percent to twenty percent",
    "1st-3rd": "first to third",
    "50-50": "fifty-fifty",
    "a 1-2-3 count": "a one-two-three count",
    "10-year-old": "ten-year-old",
    "F-16": "f-sixteen",
    "~50 ponies": "about fifty ponies",
    "I <3 you": "i heart you",
    "√9": "square root of nine",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_arithmetic_are_read(written, spoken):
    assert english(written).strip() == spoken
