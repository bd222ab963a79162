import pytest

from ponytaco.text.inflection import inflected, possessive

WORDS = {
    "pony": "P OW1 N IY0", "ponies": "P OW1 N IY0 Z", "box": "B AA1 K S", "cake": "K EY1 K",
    "boop": "B UW1 P", "nuzzle": "N AH1 Z AH0 L", "hop": "HH AA1 P", "hope": "HH OW1 P",
    "trot": "T R AA1 T", "gallop": "G AE1 L AH0 P", "bush": "B UH1 SH", "a": "AH0",
    "trotting": "T R AA1 T IH0 NG", "hug": "HH AH1 G",
}  # fmt: skip


def lookup(word):
    phones = WORDS.get(word)
    return tuple(phones.split()) if phones else None


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("cakes", "K EY1 K S"),
        ("nuzzles", "N AH1 Z AH0 L Z"),
        ("boxes", "B AA1 K S IH0 Z"),
        ("bushes", "B UH1 SH IH0 Z"),
        ("ponies", "P OW1 N IY0 Z"),
        ("booped", "B UW1 P T"),
        ("nuzzled", "N AH1 Z AH0 L D"),
        ("trotted", "T R AA1 T IH0 D"),
        ("hugged", "HH AH1 G D"),
        ("ponied", "P OW1 N IY0 D"),
        ("booping", "B UW1 P IH0 NG"),
        ("hoping", "HH OW1 P IH0 NG"),
        ("hopping", "HH AA1 P IH0 NG"),
        ("galloping", "G AE1 L AH0 P IH0 NG"),
        ("trottin'", "T R AA1 T IH0 N"),
    ],
)
def test_words_of_known_stems(word, phones):
    assert inflected(word, lookup) == tuple(phones.split())


@pytest.mark.parametrize("word", ["as", "caress", "s", "ed", "ing", "pones", "fling", "need", ""])
def test_words_that_have_no_known_stem(word):
    assert inflected(word, lookup) is None


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("cake's", "K EY1 K S"),
        ("pony's", "P OW1 N IY0 Z"),
        ("box's", "B AA1 K S IH0 Z"),
        ("ponies'", "P OW1 N IY0 Z"),
    ],
)
def test_possessives(word, phones):
    assert possessive(word, lookup) == tuple(phones.split())


@pytest.mark.parametrize("word", ["mare's", "mares'", "cakes", "'s", "s'", "pony"])
def test_words_that_are_no_possessives_of_known_ones(word):
    assert possessive(word, lookup) is None
