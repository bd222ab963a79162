import re

import pytest

from data_prep.demo import grammar
from data_prep.demo.grammar import VOCABULARY, DemoVoiceError, sentences, spoken_words
from ponytaco.text.symbols import PHONES


def test_sentences_are_distinct_short_and_of_the_vocabulary():
    drawn = sentences(400, seed=1)
    assert len(set(drawn)) == 400
    for sentence in drawn:
        assert re.fullmatch(r"[A-Z][a-z, ]+[.?]", sentence)
        assert 4 <= len(spoken_words(sentence)) <= 8
    assert {word for sentence in drawn for word in spoken_words(sentence)} == set(VOCABULARY)


def test_sentences_depend_on_the_seed_alone_and_leave_out_what_they_must():
    assert sentences(20, seed=1) == sentences(20, seed=1) != sentences(20, seed=2)
    assert not set(sentences(20, seed=1, exclude=sentences(20, seed=1))) & set(sentences(20, 1))


def test_more_sentences_than_there_are_is_an_error(monkeypatch):
    monkeypatch.setattr(grammar, "_sentence", lambda rng: rng.choice(["Who?", "You."]))
    assert len(sentences(2, seed=1)) == 2
    with pytest.raises(DemoVoiceError, match="does not have 3 different sentences"):
        sentences(3, seed=1)


def test_pronunciations_are_arpabet_with_stress():
    assert {phone for phones in VOCABULARY.values() for phone in phones} <= set(PHONES)
    assert all(any(phone[-1].isdigit() for phone in phones) for phones in VOCABULARY.values())
