import pytest

from ponytaco.text.cleaners import english

CASES = {
    "flight 747, room 101": "flight seven forty-seven, room one oh one",
    "room 300": "room three hundred",
    "3x faster": "three times faster",
    "2x as many": "two times as many",
    "90210": "nine zero two one zero",
    "13000 bits": "thirteen thousand bits",
    "12345-6789": "one two three four five, six seven eight nine",
    "747s": "seven forty-sevens",
    "3s and 4s": "threes and fours",
    "2th": "two th",
    "11st": "eleven st",
    "112th": "one hundred twelfth",
    "401(k)": "four oh one k",
    "v1.2.3": "v one point two point three",
    "b2b": "b two b",
    "MP3s": "m p threes",
    "0042": "zero zero four two",
    "COVID-19": "covid-nineteen",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_plain_are_read(written, spoken):
    assert english(written).strip() == spoken
