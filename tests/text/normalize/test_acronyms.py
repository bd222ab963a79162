import pytest

from ponytaco.text.cleaners import english

CASES = {
    "MLP": "m l p",
    "AJ and the CMC": "a j and the c m c",
    "my GPU": "my g p u",
    "TVs": "t v's",
    "CDs, DVDs": "c d's, d v d's",
    "the US and AI": "the u s and a i",
    "STOP THAT NOW!": "stop that now!",
    "HELP US!": "help us!",
    "THE FBI IS HERE": "the f b i is here",
    "He said NO.": "he said no.",
    "Shhh! HMM.": "shhh! hmm.",
    "NASA": "nasa",
    "It's OK": "it's okay",
    "AT&T, R&B": "a t and t, r and b",
    "tv": "tv",
    "two PhDs": "two p h d's",
    "WHAT A DAY": "what a day",
    "RARITY": "rarity",
    "KNOW YOUR PHLOX": "know your phlox",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_acronyms_are_read(written, spoken):
    assert english(written).strip() == spoken
