import pytest

from ponytaco.text.cleaners import english

CASES = {
    "$5 - $10": "five dollars to ten dollars",
    "€1,50": "one euro, fifty cents",
    "1.5M views": "one point five million views",
    "¥500": "five hundred yen",
    "₩5000": "five thousand won",
    "₹1": "one rupee",
    "50¢": "fifty cents",
    "1¢": "one cent",
    "5$": "five dollars",
    "20 €": "twenty euros",
    "€1.5M": "one point five million euros",
    "$10k": "ten thousand dollars",
    "$3bn": "three billion dollars",
    "$5/month": "five dollars per month",
    "£10/wk": "ten pounds per week",
    "$5-$10": "five dollars to ten dollars",
    "$5-10": "five to ten dollars",
    "US$20": "twenty u s dollars",
    "C$2": "two canadian dollars",
    "20 USD": "twenty dollars",
    "EUR 3.50": "three euros, fifty cents",
    "$1.2 trillion": "one point two trillion dollars",
    "-$5": "minus five dollars",
    "$0.5": "fifty cents",
    "£0.01": "one penny",
    "$20.": "twenty dollars.",
    "a $ sign": "a dollar sign",
    "$12.00": "twelve dollars",
    "$1,234.56": "one thousand, two hundred thirty-four dollars, fifty-six cents",
    "100$!": "one hundred dollars!",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_money_are_read(written, spoken):
    assert english(written).strip() == spoken
