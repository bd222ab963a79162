import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.text.cleaners import CLEANERS
from ponytaco.text.encode import clean, ctc_targets, ids_to_text, text_to_ids, unknown_characters
from ponytaco.text.errors import TextError
from ponytaco.text.symbols import CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS

ANY_TEXT = st.one_of(
    st.text(max_size=60),
    # what makes trouble more often than chance would have it
    st.text(alphabet="aB1{}@_ .,$%/-'\n␤☺;éA H0\ud800", max_size=40),
)
ANY_CLEANER = st.sampled_from(sorted(CLEANERS))


@given(ANY_TEXT, ANY_CLEANER, st.sampled_from([SYMBOLS, NVIDIA_SYMBOLS]))
def test_any_text_gives_ids_or_a_sentence_why_not(text, cleaner, symbols):
    try:
        ids = text_to_ids(text, cleaner, symbols)
    except TextError as error:
        assert "can be spoken" in str(error)
        with pytest.raises(TextError):
            ctc_targets(text, cleaner)
        return
    assert all(0 < id_ < len(symbols) for id_ in ids)
    targets = ctc_targets(text, cleaner)
    assert targets
    assert all(0 < id_ < len(CTC_SYMBOLS) for id_ in targets)


@given(ANY_TEXT, ANY_CLEANER)
def test_what_is_read_is_the_cleaned_text_less_the_unknown_characters(text, cleaner):
    unknown = unknown_characters(text, cleaner)
    try:
        read = ids_to_text(text_to_ids(text, cleaner))
    except TextError:
        return
    expected = "".join(c for c in clean(text, cleaner) if c not in unknown or c in "{}")
    # neighbouring pronunciations come back as one
    assert read.replace("}{", " ").split() == expected.replace("}{", " ").split()


@given(ANY_TEXT, ANY_CLEANER)
def test_spaces_are_single_and_never_at_the_ends(text, cleaner):
    try:
        read = ids_to_text(text_to_ids(text, cleaner))
    except TextError:
        return
    assert read == read.strip(" ")
    assert "  " not in read


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "♪", "_", "{}", "☺ ␤", '"', "\n"])
def test_nothing_speakable_is_refused(text):
    with pytest.raises(TextError, match="can be spoken"):
        text_to_ids(text)
    with pytest.raises(TextError, match="can be spoken"):
        ctc_targets(text)


def test_an_unknown_cleaner_is_refused_with_the_known_ones():
    with pytest.raises(TextError, match="'klingon'.*english, transliteration, basic"):
        clean("hello", "klingon")


def test_the_padding_sign_is_never_made_from_text():
    assert 0 not in text_to_ids("a_b", "basic")
    assert unknown_characters("a_b", "basic") == ["_"]


@pytest.mark.parametrize(
    ("text", "cleaner", "expected"),
    [
        ("Café – “NAÏVE” 5", "english", 'cafe - "naive" five'),
        ("Café 5 Dr. & Co", "transliteration", "cafe 5 dr. & co"),
        ("Café\t 5", "basic", "café 5"),
        ("Rock & roll, and/or", "english", "rock and roll, and or"),
        ("dr. Drs. Prof. vs. x", "english", "doctor doctors professor versus x"),
        ("He sat first. Most. Cost.", "english", "he sat first. most. cost."),
        ("Привет", "english", "privet"),
        ("♪• → ‼ § ¶ ␤", "english", "♪• → ‼ § ¶ ␤"),
        ("$3.50 {HH AH0} 2", "english", "three dollars, fifty cents {HH AH0} two"),
    ],
)
def test_cleaners(text, cleaner, expected):
    assert clean(text, cleaner) == expected


def test_unknown_characters_are_named_once_in_order():
    assert unknown_characters('say "hello" *twice* 🦄') == ["🦄", '"', "*"]
    assert unknown_characters("all; known! (yes) ☻ {HH AH0 L OW1} 1989 $5") == []
    assert unknown_characters("☻yes␤", symbols=NVIDIA_SYMBOLS) == ["☻", "␤"]
    assert unknown_characters("{loose brace") == ["{"]


def test_what_is_left_out_leaves_no_double_space():
    assert ids_to_text(text_to_ids('* one " two *')) == "one two"


def test_an_id_outside_the_table_is_refused():
    with pytest.raises(TextError, match="179"):
        ids_to_text([5, 179])
    with pytest.raises(TextError, match="-1"):
        ids_to_text([-1])
