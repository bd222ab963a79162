import pytest

from ponytaco.text.cleaners import english

CASES = {
    "Meet me at 7.30pm.": "meet me at seven:thirty p m.",
    "7.30 a.m. sharp": "seven:thirty a m sharp",
    "7.30 of 9.45": "seven point thirty of nine point forty-five",
    "9:00 a.m.": "nine a m.",
    "at 9:00 a.m. we left": "at nine a m we left",
    "At 5 p.m. Then home.": "at five p m. then home.",
    "12:00 PM.": "twelve p m.",
    "00:00": "midnight",
    "0:30": "zero:thirty",
    "10am-5pm": "ten a m to five p m",
    "6:45 pm EST": "six:forty-five p m e s t",
    "8:15 P.M. P.S.T. sharp": "eight:fifteen p m p s t sharp",
    "9:05 GMT": "nine:oh five g m t",
    "1:23:45": "one hour twenty-three minutes and forty-five seconds",
    "0:02:01": "two minutes and one second",
    "14:30": "fourteen:thirty",
    "5:30-6:00": "five:thirty to six o'clock",
    "16:9": "sixteen to nine",
    "a 3:1 vote": "a three to one vote",
    "7:00 in the morning": "seven o'clock in the morning",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_times_are_read(written, spoken):
    assert english(written).strip() == spoken
