import pytest

from ponytaco.text.cleaners import english

CASES = {
    "Call 020 7946 0958 now": "call zero two zero, seven nine four six, zero nine five eight now",
    "0800 123 456": "zero eight zero zero, one two three, four five six",
    "07700 900123.": "zero seven seven zero zero, nine zero zero one two three.",
    "5551234567": "five five five, one two three, four five six seven",
    "555-123-4567": "five five five, one two three, four five six seven",
    "(800) 555-0199": "eight hundred, five five five, zero one nine nine",
    "+1 212 555 0100": "plus one, two one two, five five five, zero one zero zero",
    "+44 20 7946 0958": "plus four four, two zero, seven nine four six, zero nine five eight",
    "555-0123 ext. 12": "five five five, zero one two three extension one two",
    "212-555-0123 x9": "two one two, five five five, zero one two three, extension nine",
    "1-800-PONIES": "one, eight hundred, ponies",
    "078-05-1120": "zero seven eight, zero five, one one two zero",
    "10.0.0.1": "one zero dot zero dot zero dot one",
    "4111 1111 1111 1111": "four one one one, one one one one, one one one one, one one one one",
    "dial 911": "dial nine one one",
    "my PIN is 0420": "my pin is zero four two zero",
    "pages 200-1000": "pages two hundred to one thousand",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_telephone_are_read(written, spoken):
    assert english(written).strip() == spoken
