import pytest

from ponytaco.text.cleaners import english

CASES = {
    "1.Buy milk": "one. buy milk",
    "So...I said": "so... i said",
    "yes|no": "yes| no",
    "Hello~Twilight": "hello~ twilight",
    "<b>bold</b> move": "bold move",
    "*sighs*Fine": "*sighs* fine",
    'He said"hi"to': 'he said" hi" to',
    "Twilight✨Sparkle": "twilight sparkle",
    'a<break time="1s"/>b': "a b",
    "cats &amp; dogs": "cats and dogs",
    "5 &lt; 7": "five is less than seven",
    "Hello.How are you?Fine": "hello. how are you? fine",
    "Wait!What?No": "wait! what? no",
    "#MyLittlePony": "hashtag my little pony",
    "C#": "c sharp",
    "one,two": "one, two",
    "café": "cafe",
    "x / y": "x slash y",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_markup_are_read(written, spoken):
    assert english(written).strip() == spoken
