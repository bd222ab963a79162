import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep.labels import Interval, Label, LabelError, make_label, parse_label

GOOD = {
    "character": "Zecora",
    "episode": "s1e9",
    "tags": ["Happy", "Amused"],
    "noise": "Noisy",
    "utterance": {"content": "Hello.", "episode_interval": [3, 4.5]},
    "words": [{"content": "hello", "interval": [0.5, 1.0]}],
    "phones": [
        {"content": "AH0", "interval": [0.7, 0.8]},
        {"content": "HH", "interval": [0.5, 0.7]},
    ],
}


def parse(label: object) -> Label:
    return parse_label(json.dumps(label).encode())


def test_a_good_label_is_read_whole_and_sorted():
    label = parse(GOOD)
    assert label.text == "Hello." and label.character == "Zecora" and label.noise == "Noisy"
    assert label.tags == ("Happy", "Amused")
    assert label.untrimmed_seconds == 1.5
    assert label.words == (Interval("hello", 0.5, 1.0),)
    assert [phone.content for phone in label.phones] == ["HH", "AH0"]


def test_only_the_text_is_required():
    label = parse({"utterance": {"content": "Hi"}})
    assert label == Label("Hi") and label.untrimmed_seconds is None


def test_a_label_that_was_made_is_read_back():
    words, phones = (
        (Interval("hi", 0.1, 0.5),),
        (Interval("HH", 0.1, 0.2), Interval("AY1", 0.2, 0.5)),
    )
    made = make_label("Hi.", 0.6, "Me", "now", tags=("Happy",), words=words, phones=phones)
    assert parse(made) == Label("Hi.", "Me", "now", ("Happy",), "", (0.0, 0.6), words, phones)


def changed(**fields: object) -> dict:
    return GOOD | fields


def words(interval: object) -> dict:
    return changed(words=[{"content": "a", "interval": interval}])


@pytest.mark.parametrize(
    ("label", "part"),
    [
        ([], "not a JSON object"),
        ({}, "utterance"),
        (changed(utterance={}), "content"),
        (changed(utterance={"content": 5}), "not a text"),
        (changed(utterance={"content": "x" * 2001}), "2001 characters"),
        (changed(utterance={"content": "x", "episode_interval": [5, 4]}), "before it starts"),
        (changed(tags="Happy"), "tags"),
        (changed(tags=[1]), "tags"),
        (changed(noise=0), "noise"),
        (changed(words={}), "not a list"),
        (changed(words=[3]), "not an object"),
        (changed(words=[{"content": "a"}]), "pair"),
        (changed(phones=[{"content": "a", "interval": [0, 1]}] * 10_001), "10001"),
        (words([0]), "pair"),
        (words([0, float("nan")]), "impossible"),
        (words([0, float("inf")]), "impossible"),
        (words([-0.1, 1]), "impossible"),
        (words([0, 10**400]), "impossible"),
        (words([0, True]), "not a number"),
        (words(["0", "1"]), "not a number"),
        (words([2, 1]), "before it starts"),
    ],
)
def test_the_error_names_what_is_wrong(label, part):
    with pytest.raises(LabelError, match=part):
        parse(label)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe\xff", b"nul\0", b"[" * 100_000, b"1" * 10_000, b'{"a":' * 50_000]
)
def test_broken_json_is_a_label_error(data):
    with pytest.raises(LabelError):
        parse_label(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "interval", "episode_interval"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=often(80), deadline=None)
@given(st.sampled_from(sorted(GOOD)), JSON)
def test_any_value_anywhere_gives_a_label_or_a_label_error(key, value):
    try:
        label = parse(GOOD | {key: value})
    except LabelError:
        return
    assert all(0 <= i.start <= i.end <= 1e6 for i in label.words + label.phones)


@settings(max_examples=often(50), deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_label_error(data):
    with pytest.raises(LabelError):
        parse_label(data)
