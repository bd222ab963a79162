import pytest

from ponytaco.text.cleaners import english

CASES = {
    "(i) hay, (ii) oats, (iv) apples": "(one) hay, (two) oats, (four) apples",
    "(I) hay": "(i) hay",
    "Episode V": "episode five",
    "XXI": "twenty-one",
    "Chapter IV": "chapter four",
    "chapter iv": "chapter four",
    "Henry VIII.": "henry the eighth.",
    "Louis XIV was": "louis the fourteenth was",
    "World War II": "world war two",
    "Part I": "part one",
    "in part I agree": "in part i agree",
    "King George V died": "king george the fifth died",
    "Mary I love you": "mary i love you",
    "Act III, Scene ii": "act three, scene two",
    "Volume IX": "volume nine",
    "Final Fantasy XII": "final fantasy twelve",
    "Sam and I": "sam and i",
    "Plan C": "plan c",
    "XX": "xx",
    "Super Bowl LIV": "super bowl fifty-four",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_roman_are_read(written, spoken):
    assert english(written).strip() == spoken
