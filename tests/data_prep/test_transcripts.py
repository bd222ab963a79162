import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep.labels import Interval, Label
from data_prep.transcripts import clean_text, is_speakable, style_sign, transcribe
from ponytaco.text.styles import split_styles
from ponytaco.text.symbols import PHONES, STYLE_SIGNS


def label(text: str, *words: tuple[str, str], **fields) -> Label:
    """Words one after the other, each phone 0.1 s, 0.5 s of silence before each word."""
    spoken, phones, now = [], [], 0.0
    for content, symbols in words:
        phones.append(Interval("sil", now, now + 0.5))
        start = now = now + 0.5
        for symbol in symbols.split():
            phones.append(Interval(symbol, now, now + 0.1))
            now += 0.1
        spoken.append(Interval(content, start, now))
    return Label(text, words=tuple(spoken), phones=tuple(phones), **fields)


HELLO, PONY = ("hello", "HH AH0 L OW1"), ("pony", "P OW1 N IY0")
MISTER, CAKE = ("mister", "M IH1 S T ER0"), ("cake", "K EY1 K")


@pytest.mark.parametrize(
    ("text", "words", "arpabet"),
    [
        ("Hello, pony!", [HELLO, PONY], "{HH AH0 L OW1}, {P OW1 N IY0}!"),
        ('"Hello"  (pony)', [HELLO, PONY], '"{HH AH0 L OW1}" ({P OW1 N IY0})'),
        ("Mr. Cake.", [MISTER, CAKE], "{M IH1 S T ER0} {K EY1 K}."),
        ("Mr. Cake.", [("mr", MISTER[1]), CAKE], "{M IH1 S T ER0} {K EY1 K}."),
        ("e.g., Cake", [("eg", "IY1 JH IY1"), CAKE], "{IY1 JH IY1}, {K EY1 K}"),
        ("Hello. Cake", [HELLO, CAKE], "{HH AH0 L OW1}. {K EY1 K}"),
        ("Oh no. Cake", [("oh", "OW1"), ("no", "N OW1"), CAKE], "{OW1} {N OW1}. {K EY1 K}"),
        ("At 12. Cake", [("at", "AE1 T"), ("twelve", "T W EH1 L V"), CAKE], None),
        ("Hello xyzzy pony", [HELLO, PONY], "{HH AH0 L OW1} xyzzy {P OW1 N IY0}"),
        ("Hello pony-cake", [HELLO, PONY, CAKE], "{HH AH0 L OW1} {P OW1 N IY0} {K EY1 K}"),
    ],
)
def test_words_become_phones_and_punctuation_stays(text, words, arpabet):
    expected = "{AE1 T} {T W EH1 L V}. {K EY1 K}" if arpabet is None else arpabet
    assert transcribe(label(text, *words)).arpabet == expected


def test_a_word_with_an_unknown_phone_stays_as_letters():
    result = transcribe(label("Hello big pony", HELLO, ("big", "B spn G"), PONY))
    assert result.arpabet == "{HH AH0 L OW1} big {P OW1 N IY0}"
    assert " ".join(t.content for t in result.tokens) == "HH AH0 L OW1 P OW1 N IY0"


def test_a_poor_match_gives_no_arpabet_but_all_phones():
    result = transcribe(label("Something else was written here, pony", HELLO, PONY))
    assert result.arpabet is None
    assert len(result.tokens) == 8
    assert transcribe(Label("No phones")).tokens == ()


def test_tokens_have_the_label_s_times_without_silences():
    tokens = transcribe(label("Hello", HELLO)).tokens
    assert tokens[0] == Interval("HH", 0.5, 0.6)
    assert all(token.content in PHONES for token in tokens)


def test_a_nameless_word_of_the_label_is_no_word():
    result = transcribe(label("Hello", ("", ""), ("'", ""), HELLO))
    assert [word.content for word in result.words if word.content != "'"] == ["hello"]
    assert result.arpabet == "{HH AH0 L OW1}"


def test_a_phone_belongs_to_the_word_in_which_its_middle_lies():
    phones = (("AY1", 0.0, 0.5), ("S", 0.5, 1.04), ("IY1", 0.9, 1.2), ("Z", 1.7, 1.8))
    words = (Interval("i", 0.0, 0.5), Interval("s", 0.5, 1.0), Interval("ee", 1.0, 1.6))
    said = Label("I s ee", words=words, phones=tuple(Interval(*phone) for phone in phones))
    assert transcribe(said).arpabet == "{AY1} {S} {IY1}"


def test_words_and_pronunciations_come_from_the_label():
    result = transcribe(label("Hello, pony's", HELLO, ("ponys", "P OW1 N IY0 Z")))
    assert result.words[0] == Interval("hello", 0.5, pytest.approx(0.9))
    spelled = dict(result.pronunciations)
    assert spelled["HELLO"] == ("HH", "AH0", "L", "OW1")
    assert spelled["PONYS"] == spelled["PONY'S"] == ("P", "OW1", "N", "IY0", "Z")


def test_style_signs_are_an_option():
    happy = label("Hello", HELLO, tags=("Neutral", "Happy"))
    assert transcribe(happy).text == "Hello"
    result = transcribe(happy, style_signs=True)
    assert (result.text, result.arpabet) == ("☻Hello", "☻{HH AH0 L OW1}")
    assert style_sign(["Neutral"]) == style_sign(["Excited about cake"]) == style_sign([]) == ""
    assert not is_speakable(transcribe(Label("…", tags=("Happy",)), style_signs=True).text)


@pytest.mark.parametrize("style", STYLE_SIGNS)
@pytest.mark.parametrize("tag", [str, str.lower, str.upper, " {} ".format])
def test_a_clip_s_tag_gives_the_sign_that_its_name_in_brackets_promises(style, tag):
    ((promised, _),), _ = split_styles(f"[{style}]Hello")
    result = transcribe(label("Hello", HELLO, tags=(tag(style),)), style_signs=True)
    assert result.text == f"{STYLE_SIGNS[promised]}Hello"
    assert result.arpabet == f"{STYLE_SIGNS[promised]}{{HH AH0 L OW1}}"


def test_soundtools_one_tag_for_two_styles_has_their_sign():
    assert style_sign(["Tired or Exhausted"]) == STYLE_SIGNS["Tired"] == STYLE_SIGNS["Exhausted"]


def test_the_first_tag_with_a_sign_wins():
    assert style_sign(["Happy", "Whispering"]) == STYLE_SIGNS["Happy"]
    assert style_sign(["Neutral", "Whispering", "Happy"]) == STYLE_SIGNS["Whispering"]


@pytest.mark.parametrize(
    ("typed", "clean", "replaced"),
    [
        ("  Hello \t there ", "Hello there", 0),
        ("a|b\nc\r\nd\u2028e", "a b c d e", 5),
        ("nul\0 bell\7", "nul bell", 2),
        ("zero\u200bwidth \ufeffbom", "zerowidth bom", 2),
        ("fullwidth \uff5c pipe", "fullwidth pipe", 1),
        ("lone \ud800 surrogate", "lone surrogate", 1),
        ("cafe\u0301 ﬁne…", "café fine...", 0),
        ("it’s “here”", 'it\'s "here"', 0),
        ("{HH AY1} {laughs} }{", "{HH AY1} (laughs) )(", 4),
        ("{ HH  AY1 } {} {HH XX}", "{HH AY1} () (HH XX)", 4),
        ("{hh ay1}", "{HH AY1}", 0),
    ],
)
def test_texts_are_cleaned_and_replacements_counted(typed, clean, replaced):
    assert clean_text(typed) == (clean, replaced)


@pytest.mark.parametrize(
    ("text", "speakable"),
    [
        ("a", True),
        ("7", True),
        ("友達", True),
        ("...", False),
        ("♪ ☻", False),
        ("\U00010000", False),
    ],
)
def test_something_to_speak_is_a_letter_or_a_digit(text, speakable):
    assert is_speakable(text) is speakable


@settings(max_examples=often(200), deadline=None)
@given(
    st.text(alphabet=st.one_of(st.characters(), st.sampled_from("|{}\n\r\u2028 aHH1")), max_size=40)
)
def test_any_text_fits_one_column_of_one_line(typed):
    text, replaced = clean_text(typed)
    assert replaced >= 0
    assert len(f"a|{text}|b".splitlines()) == 1 and "|" not in text
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text)
    text.encode("utf-8")
    assert clean_text(text) == (text, 0)


@settings(max_examples=often(100), deadline=None)
@given(
    st.lists(
        st.sampled_from(["Hello", "pony", "{K EY1 K}", "12", "|", "mr.", "{", "-"]), max_size=8
    ),
    st.lists(st.sampled_from([HELLO, PONY, MISTER, ("bad", "B XX"), ("mute", "")]), max_size=6),
)
def test_braces_hold_exactly_the_tokens(pieces, words):
    result = transcribe(label(" ".join(p for p in pieces if "{K" not in p), *words))
    if result.arpabet is not None:
        inside = [p for group in re.findall(r"\{([^{}]*)\}", result.arpabet) for p in group.split()]
        assert inside == [token.content for token in result.tokens]
        assert "{}" not in result.arpabet
