import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.text.letter_to_sound import LETTERS, MODEL_PATH, letter_to_sound
from ponytaco.text.phones import parse_phones


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("blorp", "B L AO1 R P"),
        ("zecora", "Z EH0 K AO1 R AH0"),
        ("pinkie", "P IH1 NG K IY0"),
        ("boxing", "B AA1 K S IH0 NG"),
    ],
)
def test_guesses(word, phones):
    assert " ".join(letter_to_sound().guess(word)) == phones


@pytest.mark.parametrize("word", ["", "Pony", "naïve", "a b", "x1", "привет", "a" * 41])
def test_what_is_no_word_of_letters_is_not_guessed(word):
    assert letter_to_sound().guess(word) == ()


@given(st.text(LETTERS, min_size=1, max_size=40))
def test_every_guess_can_be_spoken(word):
    phones = letter_to_sound().guess(word)
    assert not phones or parse_phones(" ".join(phones)) == phones
    assert sum(phone.endswith("1") for phone in phones) <= 1


@pytest.mark.parametrize("word", ["canterlot", "equestria", "derpy", "a", "everypony", "tirek"])
def test_every_word_has_a_primary_stress(word):
    assert sum(phone.endswith("1") for phone in letter_to_sound().guess(word)) == 1


def test_a_long_word_keeps_its_end():
    phones = letter_to_sound().guess("antidisestablishmentarianism")
    assert phones[-4:] == ("IH2", "Z", "AH0", "M") or phones[-4:] == ("IH0", "Z", "AH0", "M")


def test_it_is_small_and_fast():
    assert MODEL_PATH.stat().st_size < 1.2e6
    letter_to_sound().guess("warm")
    start = time.process_time()
    for number in range(100):
        letter_to_sound().guess("fluttershy"[: 3 + number % 7])
    assert time.process_time() - start < 1
