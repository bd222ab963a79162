import pytest

from ponytaco.text.cleaners import english

CASES = {
    "in the Sun. 5 ponies": "in the sun. five ponies",
    "I sat. 5 of us sat": "i sat. five of us sat",
    "Thu 5 Nov": "thursday the fifth of november",
    "2/7/2010": "february seventh twenty ten",
    "01-02-1999": "january second nineteen ninety-nine",
    "25.12.1999": "the twenty-fifth of december nineteen ninety-nine",
    "2024/01/05": "january fifth twenty twenty-four",
    "Born 1987-06-30.": "born june thirtieth nineteen eighty-seven.",
    "On Jan. 5 we met.": "on january fifth we met.",
    "Feb 3rd, 2001": "february third, two thousand one",
    "4 March 1905": "the fourth of march nineteen oh five",
    "the 9th of May": "the ninth of may",
    "Mon., Jan. 5": "monday, january fifth",
    "Nov-12": "november twelfth",
    "on 12/25 we sing": "on december twenty-fifth we sing",
    "October 1066": "october ten sixty-six",
    "the '70s and '80s": "the seventies and eighties",
    "the 1890s": "the eighteen nineties",
    "mid-1920s": "mid-nineteen twenties",
    "44 B.C. was it.": "forty-four b c was it.",
    "AD 79": "a d seventy-nine",
    "in 500 BCE.": "in five hundred b c e.",
    "Q3 2021": "the third quarter of twenty twenty-one",
    "class of '08": "class of oh eight",
    "I may 5 times": "i may five times",
    "99/99/2020": "ninety-nine slash ninety-nine slash twenty twenty",
    "We left in Aug. and in Sept.": "we left in august and in september.",
    "1939-1945": "nineteen thirty-nine to nineteen forty-five",
    "1990s-2000s": "nineteen nineties to two thousands",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_dates_are_read(written, spoken):
    assert english(written).strip() == spoken
