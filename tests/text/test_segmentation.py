import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.text.segmentation import (
    is_abbreviation_dot,
    split_paragraphs,
    split_parts,
    split_sentences,
)


def letters(text):
    return "".join(character for character in text if character.isalnum())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bad day.", ["Bad day."]),
        ("Bad day", ["Bad day"]),
        ("  Bad day.  ", ["Bad day."]),
        ("Bad day. A bee! Cake?", ["Bad day.", "A bee!", "Cake?"]),
        ("Bad day.  a bee", ["Bad day.", "a bee"]),
        ('"Bad day." A bee.', ['"Bad day."', "A bee."]),
        ("“Bad day!” A bee.", ["“Bad day!”", "A bee."]),
        ("(Bad day.) A bee.", ["(Bad day.)", "A bee."]),
        ('"Bad day!" said the bee. "Cake?"', ['"Bad day!" said the bee.', '"Cake?"']),
        ("Bad day?! A bee.", ["Bad day?!", "A bee."]),
        ("Bad day... A bee.", ["Bad day...", "A bee."]),
        ("Bad day… A bee.", ["Bad day…", "A bee."]),
        ("Bad... day. A bee … or two.", ["Bad... day.", "A bee … or two."]),
        ("It is 3.5 or 1,000.25 cakes.", ["It is 3.5 or 1,000.25 cakes."]),
        ("Pi is 3.14. Now 1.2.3 is out!", ["Pi is 3.14.", "Now 1.2.3 is out!"]),
        ("{B AE1 D}. {D EY1}!", ["{B AE1 D}.", "{D EY1}!"]),
        ("Bad day. ...", ["Bad day."]),
        ("... Bad day.", ["... Bad day."]),
        ("... \n --- \n", []),
        ("", []),
        # abbreviations
        ("Dr. Hooves met Mr. and Mrs. Cake.", ["Dr. Hooves met Mr. and Mrs. Cake."]),
        ("Bring cake, e.g. Battenberg, i.e. Mine.", ["Bring cake, e.g. Battenberg, i.e. Mine."]),
        ("In the U.S. Army. In the U.S. He ate.", ["In the U.S. Army.", "In the U.S.", "He ate."]),
        ("At 5 p.m. we ate. At 6 p.m. We slept.", ["At 5 p.m. we ate.", "At 6 p.m.", "We slept."]),
        ("J. R. R. Tolkien met A. Smith. Yes.", ["J. R. R. Tolkien met A. Smith.", "Yes."]),
        ("Then plan B. Then I.", ["Then plan B.", "Then I."]),
        ("So did I. Cake was there.", ["So did I.", "Cake was there."]),
        ("Pies, cakes, etc. and so on. Pies etc. Bees.", ["Pies, cakes, etc. and so on.",
                                                          "Pies etc.", "Bees."]),
        ("No. 5 is alive. No. It is not.", ["No. 5 is alive.", "No.", "It is not."]),
        ("He lives on St. Louis St. He does.", ["He lives on St. Louis St.", "He does."]),
        ("1. Buy milk.\n2. Bake.", ["1. Buy milk.", "2. Bake."]),
        ("In 1999. Then.", ["In 1999.", "Then."]),
        # lines
        ("Bad day\nA bee", ["Bad day", "A bee"]),
        ("Bad\nday", ["Bad day"]),
        ("Bad day.\r\n\r\nA bee.\n", ["Bad day.", "A bee."]),
        ("This line was broken by a margin after the name of\nTwilight Sparkle. Yes.",
         ["This line was broken by a margin after the name of Twilight Sparkle.", "Yes."]),
        # abbreviations by their neighbours
        ("On Jan. 5 we met. On Dec. 25, 2023, it snowed.",
         ["On Jan. 5 we met.", "On Dec. 25, 2023, it snowed."]),
        ("They met in Sept. It rained.", ["They met in Sept.", "It rained."]),
        ("He weighs 200 lbs. now.", ["He weighs 200 lbs. now."]),
        ("She is 5 ft. 3 in. tall. He came in. Then left.",
         ["She is 5 ft. 3 in. tall.", "He came in.", "Then left."]),
        ("It took 20 min. Then it rang.", ["It took 20 min.", "Then it rang."]),
        ("I like plan B. Twilight agreed.", ["I like plan B.", "Twilight agreed."]),
        ("“Hi,” said A. “Cake?”", ["“Hi,” said A.", "“Cake?”"]),
        ("I like pears (pies, etc.) Then I left.", ["I like pears (pies, etc.)", "Then I left."]),
        # no space after the mark
        ("Stop.Now!", ["Stop.", "Now!"]),
        ("Hello.How are you?Fine", ["Hello.", "How are you?", "Fine"]),
        ("Wait...What? Wait...what?", ["Wait...", "What?", "Wait...what?"]),
        ("No!“Why?”(He left.)So", ["No!", "“Why?”", "(He left.)", "So"]),
        ("It cost $5.Then we left.", ["It cost $5.", "Then we left."]),
        ("He ate pies etc.Then he left.", ["He ate pies etc.", "Then he left."]),
        ("Mr.Cake met J.Smith, Ph.D. and e.g.Pinkie.",
         ["Mr.Cake met J.Smith, Ph.D. and e.g.Pinkie."]),
        ("See www.Mlp.com or Twilight@Ponyville.Org, and Node.JS.",
         ["See www.Mlp.com or Twilight@Ponyville.Org, and Node.JS."]),
        ('He said"Stop!"to me', ['He said"Stop!"to me']),
        # lists
        ("- apples\n- pears\n* plums", ["apples", "pears", "plums"]),
        ("• Apples\n• Pears", ["Apples", "Pears"]),
        ("apples\npears\nplums", ["apples", "pears", "plums"]),
        ("1. An item that is longer than fifty characters, as it is\n2. Another",
         ["1. An item that is longer than fifty characters, as it is", "2. Another"]),
        ("roses are red\nviolets are blue", ["roses are red", "violets are blue"]),
        ("-5 degrees", ["-5 degrees"]),
    ],
)  # fmt: skip
def test_sentences(text, expected):
    assert split_sentences(text) == expected


@pytest.mark.parametrize(
    ("word", "following", "is_abbreviation"),
    [
        ("Mr", " Cake.", True),
        ("e.g", ", cake", True),
        ("St", " Louis", True),
        ("St", " He does.", False),
        ("No", " 5", True),
        ("No", " It is not.", False),
        ("cake", " Then", False),
    ],
)
def test_a_full_stop_is_an_abbreviation_s_or_a_sentence_s(word, following, is_abbreviation):
    assert is_abbreviation_dot(word, following) is is_abbreviation


def test_paragraphs_are_parted_by_empty_lines():
    assert split_paragraphs("One.\ntwo\r\n \t\r\nThree.\n\n...\n\n\nFour") == [
        "One.\ntwo", "Three.", "Four"
    ]  # fmt: skip


WILD = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="ab IA.!?…\n\"”')(,1{}-", max_size=60),
    st.lists(
        st.sampled_from(
            ["Dr.", "e.g.", "U.S.", "A.", "No.", "5", "etc.", "end.", "he.", "...", "“So", "?”"]
        )
    ).map(" ".join),
)


@given(WILD)
def test_no_letter_is_lost_or_moved(text):
    pieces = split_sentences(text)
    assert letters("".join(pieces)) == letters(text)
    assert all(piece == piece.strip() and "\n" not in piece for piece in pieces)


@settings(max_examples=60)
@given(WILD, st.integers(1, 30))
def test_parts_are_short_and_lose_no_letter(text, limit):
    for sentence in split_sentences(text):
        parts = split_parts(sentence, limit, len)
        assert letters("".join(part.text for part in parts)) == letters(sentence)
        # a pair of braces is one sound, which cannot be cut, whatever is in it
        if not set("{}") & set(sentence):
            assert all(len(part.text) <= limit for part in parts)
        assert parts[-1].ends == "sentence"
        assert all(part.ends in ("clause", "word") for part in parts[:-1])


def test_a_long_sentence_is_cut_at_its_commas():
    text = "When the day was over, and the bees had gone, we ate cake."
    parts = split_parts(text, 30, len)
    assert [(part.text, part.ends) for part in parts] == [
        ("When the day was over,", "clause"),
        ("and the bees had gone,", "clause"),
        ("we ate cake.", "sentence"),
    ]


def test_without_commas_it_is_cut_between_words_into_even_parts():
    parts = split_parts("word " * 29 + "end.", 60, len)
    assert all(part.ends == "word" for part in parts[:-1])
    lengths = [len(part.text) for part in parts]
    assert len(lengths) == 3 and max(lengths) - min(lengths) < 15


def test_a_number_is_not_torn_from_its_unit():
    parts = split_parts("we have paid them more than $3 million to go", 30, len)
    assert not any(part.text.endswith("$3") for part in parts)


def test_a_word_that_is_too_long_is_cut_and_phones_stay_phones():
    parts = split_parts("{HH AH0 L OW1 HH AH0 L OW1 HH AH0 L OW1}!", 20, len)
    assert len(parts) > 1
    assert all(part.text[0] == "{" and part.text.rstrip("!")[-1] == "}" for part in parts)
    assert [len(part.text) <= 20 for part in split_parts("a" * 50, 20, len)] == [True] * 4


@pytest.mark.parametrize(
    "unit",
    ["Mr. Dr. e.g. ", "It was a day, and we ate. ", "$1,234.56 ", "7", "a", "Stop.Now!", "... ",
     "A. ", "- a\n", "word ", "{AA1}", '"a." ', "a,b;c"],
)  # fmt: skip
def test_the_time_is_linear_in_the_length(unit):
    def seconds(n):
        text = unit * (n // len(unit))
        start = time.process_time()
        for sentence in split_sentences(text):
            split_parts(sentence, 150, len)
        return time.process_time() - start

    n = 20_000
    least = 0.02  # of noise
    assert min(seconds(4 * n) for _ in range(2)) < 8 * max(least, min(seconds(n) for _ in range(2)))


def test_what_is_too_long_without_a_space_is_cut():
    for word in (
        "{AA1}" * 500,
        "{AA1}" + "a" * 900,
        "a" * 900 + "{AA1}",
        "a{AA1}b" * 300,
        "{" * 99,
    ):
        parts = split_parts(word, 20, len)
        assert "".join(part.text.replace(" ", "") for part in parts) == word
        assert all(len(part.text) <= 20 for part in parts)


def test_a_page_without_a_mark_takes_no_time():
    parts = split_parts("word " * 4000, 150, len)
    assert len(parts) > 100 and all(len(part.text) <= 150 for part in parts)
