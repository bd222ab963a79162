import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep.word_matching import match_words, spelling_key, split_words


def pairs(text: str, said: str) -> list[tuple[str, str]]:
    """What of the text is matched to what of the label, as texts."""
    words, label = split_words(text), said.split()
    return [
        (
            text[words[m.text_start].start : words[m.text_end - 1].end],
            " ".join(label[m.label_start : m.label_end]),
        )
        for m in match_words([w.key for w in words], [spelling_key(w) for w in label])
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Printing, in the -- only.", ["Printing", "in", "the", "only"]),
        ("Don't! It's the ponies' well-known", ["Don't", "It's", "the", "ponies'", "well-known"]),
        ("'tis 'quoted' text", ["'tis", "quoted", "text"]),
        ("1,000 or $3.50 at 7:30, 50%.", ["1,000", "or", "$3.50", "at", "7:30", "50%"]),
        ("Mr. Cake & i.e. U.S. end.Start", ["Mr", "Cake", "&", "i.e", "U.S", "end", "Start"]),
        ("say {HH AY1} now", ["say", "{HH AY1}", "now"]),
        ("…!? -- ♪", []),
    ],
)
def test_words_are_found(text, words):
    assert [text[w.start : w.end] for w in split_words(text)] == words


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("Hello there", "hello there", [("Hello", "hello"), ("there", "there")]),
        ("Don't, Café", "dont cafe", [("Don't", "dont"), ("Café", "cafe")]),
        ("a well-known pony", "a wellknown pony", [("a", "a"), ("well-known", "wellknown")]),
        ("a well-known pony", "a well known pony", [("a", "a"), ("well-known", "well known")]),
        ("my every pony now", "my everypony now", [("my", "my"), ("every pony", "everypony")]),
        (
            "In 1850 they",
            "in eighteen fifty they",
            [("In", "in"), ("1850", "eighteen fifty"), ("they", "they")],
        ),
        ("Mr. Cake paid", "mister cake paid", [("Mr", "mister"), ("Cake", "cake")]),
        ("salt & pepper", "salt and pepper", [("salt", "salt"), ("&", "and")]),
        ("it is 5", "it is five", [("it", "it"), ("is", "is"), ("5", "five")]),
        ("my colour now", "my color now", [("my", "my"), ("colour", "color")]),
    ],
)
def test_spellings_meet(text, said, expected):
    assert pairs(text, said)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("text", "said", "lost"),
    [
        ("one whatever two", "one zebra two", "whatever"),
        ("one two three", "one three", "two"),
        ("one {HH AY1} two", "one hi two", "{HH AY1}"),
    ],
)
def test_what_does_not_fit_stays_unmatched(text, said, lost):
    found = [written for written, _ in pairs(text, said)]
    assert lost not in found and found[0] == "one" and len(found) == 2


def test_words_that_were_not_written_are_jumped_over():
    assert pairs("the end", "well the um end") == [("the", "the"), ("end", "end")]


KEYS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "12", "{X}", "abba"]), max_size=8)


@settings(max_examples=often(150), deadline=None)
@given(KEYS, KEYS)
def test_matches_are_in_order_inside_and_never_empty(text, label):
    place = (0, 0)
    for match in match_words(text, label):
        assert place[0] <= match.text_start < match.text_end <= len(text)
        assert place[1] <= match.label_start < match.label_end <= len(label)
        place = match.text_end, match.label_end


@settings(max_examples=often(60), deadline=None)
@given(KEYS)
def test_equal_words_all_match(keys):
    assert len(match_words(keys, keys)) == len(keys)


@settings(max_examples=often(100), deadline=None)
@given(st.text(max_size=40))
def test_any_text_splits_into_words_in_order(text):
    place = 0
    for word in split_words(text):
        assert place <= word.start < word.end and word.key
        place = word.end


def test_behind_a_doubtful_word_the_matching_goes_on():
    found = pairs("whatever then every pony at last now", "zebra well everypony atlast now")
    assert found == [("every pony", "everypony"), ("at last", "atlast"), ("now", "now")]
