import pytest

from ponytaco.text.normalize.words import cardinal, ordinal, plural, year


@pytest.mark.parametrize(
    ("number", "words", "rank"),
    [
        (0, "zero", "zeroth"),
        (12, "twelve", "twelfth"),
        (40, "forty", "fortieth"),
        (101, "one hundred one", "one hundred first"),
        (1001, "one thousand one", "one thousand first"),
        (1100, "one thousand, one hundred", "one thousand, one hundredth"),
        (1_000_012, "one million twelve", "one million twelfth"),
        (5_000_100_000, "five billion, one hundred thousand",
         "five billion, one hundred thousandth"),
        (999_999, "nine hundred ninety-nine thousand, nine hundred ninety-nine",
         "nine hundred ninety-nine thousand, nine hundred ninety-ninth"),
    ],
)  # fmt: skip
def test_quantities_and_ranks(number, words, rank):
    assert cardinal(number) == words
    assert ordinal(number) == rank


def test_plurals_of_numbers():
    assert [plural(word) for word in ("ninety", "six", "one half", "third")] == [
        "nineties", "sixes", "one halves", "thirds",
    ]  # fmt: skip


def test_years_of_the_first_century_have_no_pairs():
    assert year(79) == "seventy-nine"
