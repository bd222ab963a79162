import pytest

from ponytaco.text.cleaners import english

CASES = {
    "50 cm x 30 cm": "fifty centimeters by thirty centimeters",
    "10 in x 5 in": "ten inches by five inches",
    "72°F.": "seventy-two degrees fahrenheit.",
    "20 °C": "twenty degrees celsius",
    "1°": "one degree",
    "10km": "ten kilometers",
    "1 km": "one kilometer",
    "60 km/h": "sixty kilometers per hour",
    "5ft 3in": "five feet three inches",
    "5'3\"": "five feet three inches",
    "6' tall": "six feet tall",
    'a 12" record': "a twelve inches record",
    "10m²": "ten square meters",
    "4 m^3": "four cubic meters",
    "2 sq. ft. left": "two square feet left",
    "16GB": "sixteen gigabytes",
    "3.2 GHz": "three point two gigahertz",
    "1 Mbps": "one megabit per second",
    "9.8 m/s²": "nine point eight meters per second squared",
    "6 ft. tall": "six feet tall",
    "in 10ms.": "in ten milliseconds.",
    "200 lbs. now.": "two hundred pounds now.",
    "It weighs 5 lbs. We left.": "it weighs five pounds. we left.",
    "a 10-kg bag": "a ten kilogram bag",
    "5 in the morning": "five in the morning",
    "5 in. long": "five inches long",
    "1h 30m": "one hour thirty minutes",
    "-5°C": "minus five degrees celsius",
    "1,500 mg": "one thousand, five hundred milligrams",
    "2 million km": "two million kilometers",
    "10-15 kg": "ten to fifteen kilograms",
    "1980-90 kg": "one thousand, nine hundred eighty to ninety kilograms",
    "3 µm": "three micrometers",
    "5G and 4K": "five g and four k",
    "120V": "one hundred twenty volts",
    "20 MPH": "twenty miles per hour",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_measures_are_read(written, spoken):
    assert english(written).strip() == spoken
