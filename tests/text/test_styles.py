import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.text.styles import (
    NO_STYLE,
    StyleError,
    find_style,
    match_style,
    name_style,
    split_styles,
)
from ponytaco.text.symbols import STYLE_SIGNS


@pytest.mark.parametrize("name", ["Happy", "happy", " HAPPY "])
def test_a_style_is_found_in_any_case(name):
    assert find_style(name) == "Happy"


def test_names_of_two_words_and_the_neutral_one():
    assert find_style("canterlot_voice") == find_style("Canterlot-Voice") == "Canterlot Voice"
    assert find_style("neutral") == NO_STYLE


def test_a_name_matches_a_style_or_none():
    assert match_style("SAD") == "Sad" and match_style("Neutral") == NO_STYLE
    assert match_style("sadd") is None


def test_an_unknown_style_names_those_there_are():
    with pytest.raises(StyleError, match="no style 'hapy'. Did you mean Happy.*such as happy"):
        find_style("hapy")
    with pytest.raises(StyleError, match=r"This voice knows: Sad, Neutral\."):
        find_style("purple", known=["Sad"])


def test_a_voice_without_styles_is_said_to_have_none():
    with pytest.raises(StyleError, match=r"'hapy'\. This voice knows no styles") as error:
        find_style("hapy", known=[])
    assert "Happy" not in str(error.value)


def test_a_style_holds_until_the_next():
    stretches, others = split_styles("Hi. [happy] Oh! And [Sad]no. [neutral] Well.")
    assert stretches == [
        (NO_STYLE, "Hi. "), ("Happy", " Oh! And "), ("Sad", "no. "), (NO_STYLE, " Well."),
    ]  # fmt: skip
    assert others == []


def test_the_last_style_goes_on_into_the_next_paragraph():
    assert split_styles("Well. [happy]")[0] == [(NO_STYLE, "Well. "), ("Happy", "")]
    assert split_styles("Well.", "Happy")[0] == [("Happy", "Well.")]


def test_brackets_that_are_no_style_stay_and_are_named():
    text = "Hi [the door opens] you [5]."
    assert split_styles(text) == ([(NO_STYLE, text)], ["the door opens", "5"])


def test_a_slip_is_refused():
    with pytest.raises(StyleError, match="'hapy'"):
        split_styles("[hapy] Hello!")


@given(st.lists(st.sampled_from(["[happy]", "[x y z]", "[", "]", "a", "b. ", "[SAD]", "\n"])))
def test_no_letter_outside_of_a_style_is_lost(parts):
    text = "".join(parts)
    try:
        stretches, _ = split_styles(text)
    except StyleError:
        return
    without = text
    for name in ("[happy]", "[SAD]"):
        without = without.replace(name, "")
    spoken = "".join(stretch for _, stretch in stretches)
    assert [c for c in spoken if c.isalnum()] == [c for c in without if c.isalnum()]
    assert {style for style, _ in stretches} <= {NO_STYLE, *STYLE_SIGNS}


def test_the_sign_of_a_clip_is_named():
    assert name_style("☻Hello ♥") == "[Happy] Hello ♥"
    assert name_style("►{AA1}") == "[Tired] {AA1}"
    assert name_style("Hello ☻") == "Hello ☻" and name_style("") == ""
