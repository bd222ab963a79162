import pytest

from ponytaco.text.cleaners import english

CASES = {
    "350 5th Ave, Dallas, TX": "three fifty fifth avenue, dallas, texas",
    "on 42nd St. He": "on forty-second street. he",
    "742 Evergreen Ter., Springfield": "seven forty-two evergreen terrace, springfield",
    "He lives at 12 Oak St.": "he lives at twelve oak street.",
    "1600 Penn Ave. NW": "sixteen hundred penn avenue northwest",
    "9 E 42nd St": "nine east forty-second street",
    "305 Main Rd": "three oh five main road",
    "Austin, TX 78701": "austin, texas seven eight seven zero one",
    "Boston, MA, 02101-1234": "boston, massachusetts, zero two one zero one one two three four",
    "12 of the Main Event": "twelve of the main event",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_addresses_are_read(written, spoken):
    assert english(written).strip() == spoken
