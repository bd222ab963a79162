import pytest

from ponytaco.text.cleaners import english

CASES = {
    "www.mlp.com": "w w w dot m l p dot com",
    "Mail twilight@ponyville.com.": "mail twilight at ponyville dot com.",
    "https://a.org/b-c": "h t t p s colon slash slash a dot org slash b dash c",
    "See equestriadaily.com, please": "see equestriadaily dot com, please",
    "x_y1@site.co.uk": "x underscore y one at site dot co dot u k",
    "Hello.How are you": "hello. how are you",
    "@pony": "at pony",
}


@pytest.mark.parametrize(("written", "spoken"), CASES.items())
def test_electronic_are_read(written, spoken):
    assert english(written).strip() == spoken
