import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.text.encode import ids_to_text, text_to_ids
from ponytaco.text.errors import TextError
from ponytaco.text.frontend import TextFrontend
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.pronouncer import Pronouncer
from ponytaco.text.symbols import NVIDIA_SYMBOLS, SYMBOLS

LEXICON = Lexicon({"cake": ("K", "EY1", "K"), "two": ("T", "UW1")})


def frontend(
    symbols=SYMBOLS, cleaner="english", lexicon=LEXICON, limit=150, seen=(), guesses=False
):
    pronouncer = None if lexicon is None else Pronouncer([lexicon], guesses)
    return TextFrontend(symbols, cleaner, pronouncer, limit, seen)


def spoken(script):
    return [ids_to_text(utterance.ids) for utterance in script.utterances]


@given(st.text(alphabet="ab 12.,!-\"' ☻♪\n", max_size=40), st.sampled_from(["english", "basic"]))
def test_what_is_read_are_the_ids_of_the_training(text, cleaner):
    """But for the mark at the end, which a text may lack."""
    try:
        script = frontend(cleaner=cleaner, lexicon=None).read(text)
    except TextError:
        return
    for utterance in script.utterances:
        expected = text_to_ids(utterance.text, cleaner)
        assert list(utterance.ids[: len(expected)]) == expected
        assert len(utterance.ids) - len(expected) <= 1


def test_words_become_phones_and_know_their_places():
    (utterance,) = frontend().read("Bring 2 cokes, cake {AA1}!").utterances
    assert ids_to_text(utterance.ids) == "bring {T UW1} cokes, {K EY1 K} {AA1}!"
    assert [(word, stop - start) for word, start, stop in utterance.words] == [
        ("bring", 5), ("two", 2), ("cokes", 6), ("cake", 3), ("{AA1}", 2),
    ]  # fmt: skip
    assert len(utterance.spoken) == len(utterance.ids)
    assert sum(utterance.spoken) == 5 + 2 + 5 + 3 + 1


def test_words_that_are_spelled_are_listed_once():
    script = frontend().read("Cake, pony! Isn't {P OW1} Pony 2?")
    assert script.spelled == ["pony", "isn't"]
    assert frontend(lexicon=None).read("Pony.").spelled == []


def test_a_text_without_a_mark_gets_one():
    assert spoken(frontend().read("a heading\n\nThe rest")) == ["a heading.", "the rest."]
    assert spoken(frontend(lexicon=None, limit=20).read("one two three four five six")) == [
        "one two three,", "four five six.",
    ]  # fmt: skip


def test_ends_tell_the_pauses():
    utterances = frontend().read("One, two. Three\n\nFour [happy] five.").utterances
    assert [utterance.ends for utterance in utterances] == [
        "sentence",
        "paragraph",
        "clause",
        "paragraph",
    ]
    assert [utterance.style for utterance in utterances] == [
        "Neutral",
        "Neutral",
        "Neutral",
        "Happy",
    ]


def test_the_sign_of_a_style_comes_first_as_in_training():
    script = frontend().read("[happy] Hi! Oh.\n\nSo. [sad]\n\nNo. [neutral] Yes.")
    assert spoken(script) == ["☻hi!", "☻oh.", "☻so.", "○no.", "yes."]
    assert spoken(frontend().read("Hi!", style="HAPPY")) == ["☻hi!"]


def test_a_style_that_the_voice_has_not_seen_is_left_out_and_said():
    script = frontend(seen=[*"abcdehinostu!. ", "○"]).read("[happy] Hi! [sad] Oh.")
    assert spoken(script) == ["hi!", "○oh."]
    assert any(
        "Happy" in note and "This voice knows: Sad, Neutral." in note for note in script.notes
    )
    script = frontend(symbols=NVIDIA_SYMBOLS).read("[happy] Hi!")
    assert any("This voice knows no styles" in note for note in script.notes)
    assert NVIDIA_SYMBOLS[script.utterances[0].ids[0]] == "h"


def test_brackets_that_are_no_style_are_read_and_said():
    script = frontend().read("Hi [the door opens] you.")
    assert spoken(script) == ["hi the door opens you."]
    assert any("[the door opens] is not a style" in note for note in script.notes)


def test_pronunciations_for_a_voice_of_letters_are_said():
    script = frontend(lexicon=None).read("{AA1} cake")
    assert any("letters alone" in note for note in script.notes)
    assert spoken(script) == ["{AA1} cake."]


def test_characters_that_cannot_be_read_are_said():
    (note,) = frontend().read("Hi 🦄 “you”!").notes
    assert "🦄" in note and "“" not in note


def test_sentences_that_cannot_be_spoken_are_listed():
    script = frontend(cleaner="basic").read("Cake. 42.")
    assert [utterance.text for utterance in script.utterances] == ["Cake."]
    assert script.left_out == ["42."]


@pytest.mark.parametrize("text", ["", "   ", "\n", "?!", "☻", "...", "[happy]"])
def test_nothing_to_speak_is_said(text):
    with pytest.raises(TextError, match="Write some words"):
        frontend().read(text)


@settings(max_examples=50)
@given(st.text(alphabet="abc de.,!?\n 12$%", max_size=200), st.integers(8, 40))
def test_no_utterance_is_longer_than_the_limit(text, limit):
    try:
        script = frontend(lexicon=None, limit=limit).read(text)
    except TextError:
        return
    # one character may be many symbols: "%" is "percent", a digit is a word
    assert all(len(utterance.ids) <= max(limit, 30) for utterance in script.utterances)


# Other scripts


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("Say Привет, мир!", "'Привет' is read as 'privet'"),
        ("你好", "'你好' is read as 'ni hao'"),
        ("αβγ and αβγ.\n\nMore αβγ.", "'αβγ' is read as 'abg'"),
    ],
)
def test_what_another_script_is_read_as_is_said_once(text, guess):
    (note,) = [note for note in frontend().read(text).notes if "Latin" in note]
    assert guess in note


@pytest.mark.parametrize(
    "text", ["Café, naïve, Straße, ﬁne!", "½ of 3 µm at 5 Å costs £2.", "ªbc ☻"]
)
def test_latin_letters_and_signs_are_no_other_script(text):
    assert not any("Latin" in note for note in frontend().read(text).notes)


def test_a_voice_that_has_learnt_another_script_so_is_not_told():
    assert not frontend(cleaner="transliteration").read("Привет").notes
    assert "cannot read" in frontend(cleaner="basic").read("Hi Привет").notes[0]


def test_brackets_for_a_voice_without_styles():
    (note,) = frontend(seen=[*"hiyou"]).read("Hi [purple] you.").notes
    assert "[purple] is not a style" in note and note.endswith("without style signs.")


PHONE_SIGNS = [sign for sign in SYMBOLS if sign.startswith("@")]


def test_a_voice_without_letters_never_gets_them_and_says_so():
    script = frontend(seen=[*PHONE_SIGNS, *". ,"]).read(
        "Cake. Pony cake, pony isn't {P OW1}. Pony!"
    )
    assert script.spelled == []
    assert script.unreadable == ["pony", "isn't"]
    assert spoken(script) == ["{K EY1 K}.", "{K EY1 K}, {P OW1}."]
    assert [u.unreadable for u in script.utterances] == [(), ("pony", "isn't")]
    assert script.left_out == ["Pony!"]
    (note,) = script.notes
    assert "left out: pony, isn't." in note and "braces" in note
    assert frontend(seen=PHONE_SIGNS).read("Cake {P OW1} 2.").notes == []
    assert frontend(seen=[*PHONE_SIGNS, *"pony"]).read("Pony.").spelled == ["pony"]


def test_such_a_voice_refuses_a_text_that_it_cannot_read_at_all():
    with pytest.raises(TextError, match=r"no letters yet.*left out: pony, boat\."):
        frontend(seen=PHONE_SIGNS).read("Pony. Boat!")


def test_words_without_a_pronunciation_are_guessed_and_listed():
    script = frontend(seen=[*PHONE_SIGNS, " ", "."], guesses=True).read("Cakes, cake. Blorp's 2!")
    assert spoken(script) == ["{K EY1 K S} {K EY1 K}.", "{B L AO1 R P S} {T UW1}."]
    assert script.guessed == ["blorp's"]
    assert script.notes == script.spelled == script.unreadable == []


def test_guesses_are_those_of_one_text():
    reader = frontend(guesses=True)
    assert reader.read("Blorp.").guessed == ["blorp"]
    assert reader.read("Cake.").guessed == []
    assert reader.read("Blorp cake.").guessed == ["blorp"]


@pytest.mark.parametrize(
    ("known", "read"),
    [
        ({"@AH0", "@AH1"}, "{AH0} {AH1} {AH1}"),
        ({"@AH1"}, "{AH1} {AH1} {AH1}"),
        ({"@AH"}, "{AH} {AH} {AH}"),
        ({"@AH2", "@AH0"}, "{AH0} {AH2} {AH2}"),
    ],
)
def test_a_vowel_takes_a_stress_that_the_voice_knows(known, read):
    script = frontend(seen=[*known, " "]).read("{AH0} {AH1} {AH2}")
    assert spoken(script) == [read]
    assert not script.notes


def test_a_voice_that_knows_letters_reads_words_of_other_sounds_by_them():
    reader = frontend(seen=[*"abcdefghijklmnopqrstuvwxyz ", "@K", "@EY1"], guesses=True)
    script = reader.read("Cake two blorp cakes")
    assert spoken(script) == ["{K EY1 K} two blorp cakes"]
    assert script.spelled == ["two", "blorp", "cakes"] and not script.guessed and not script.notes


def test_sounds_that_the_voice_never_learnt_are_left_out_and_said():
    script = frontend(seen=["@K", "@EY1", " "]).read("Cake {ZH EY1 OY0}")
    assert spoken(script) == ["{K EY1 K} {EY1}"]
    (note,) = script.notes
    assert "sounds OY0 ZH yet" in note


def test_a_note_names_a_dozen_words():
    text = " ".join(f"word{'s' * n}" for n in range(1, 15))
    (note,) = frontend(seen=["@B"]).read(text + " {B}").notes
    assert "wordssssssssssss and 2 more. Write" in note
