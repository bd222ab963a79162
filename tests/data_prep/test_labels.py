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
        (changed(phones=[{"content": "a", "interval": [0, 1]}] * 10_001), "10001"),
    ],
)
def test_the_error_names_what_is_wrong(label, part):
    with pytest.raises(LabelError, match=part):
        parse(label)


def phones(*intervals: object) -> dict:
    return changed(phones=[{"content": "AH0", "interval": interval} for interval in intervals])


@pytest.mark.parametrize(
    ("label", "field", "part"),
    [
        (changed(utterance={"content": "Hello.", "episode_interval": [5, 4]}), "episode_interval",
         "before it starts"),
        (changed(utterance={"content": "Hello.", "episode_interval": "1-2"}), "episode_interval",
         "pair"),
        (changed(tags=[1]), "tags", "tags"),
        (changed(tags={"Happy": 1}), "tags", "tags"),
        (changed(noise=0), "noise", "noise"),
        (changed(character=["a"]), "character", "character"),
        (changed(words={}), "words", "not a list"),
        (changed(words=[3]), "words", "not an object"),
        (changed(words=[{"content": "a"}]), "words", "pair"),
        (words([0]), "words", "pair"),
        (words([0, float("nan")]), "words", "impossible"),
        (words([0, float("inf")]), "words", "impossible"),
        (words([-0.2, 1]), "words", "impossible"),
        (words([0, 10**400]), "words", "impossible"),
        (words([0, True]), "words", "not a number"),
        (words(["zero", "1"]), "words", "not a number"),
        (words([2, 1]), "words", "before it starts"),
        (phones([0, 0.1], [0.2, 0.1]), "phones", "before it starts"),
        # An aligner's fault of 2019: all phones end where the last word does.
        (phones([0, 0.9], [0.1, 0.9], [0.3, 0.9], [0.5, 0.9]), "phones", "begin before others end"),
    ],
)  # fmt: skip
def test_a_malformed_field_is_dropped_and_counted_and_the_text_stays(label, field, part):
    read = parse(label)
    assert read.text == "Hello." and not getattr(read, field)
    assert len(read.dropped) == 1 and part in read.dropped[0]
    for other in {"tags", "noise", "words", "phones"} - {field}:
        assert getattr(read, other)


@pytest.mark.parametrize(
    ("label", "field", "value"),
    [
        (changed(tags="Canterlot Voice"), "tags", ("Canterlot Voice",)),
        (changed(tags="Happy Canterlot Voice Smug"), "tags", ("Happy", "Canterlot Voice", "Smug")),
        (changed(tags="Tired or Exhausted, Sad"), "tags", ("Tired or Exhausted", "Sad")),
        (words(["0.5", " 1 "]), "words", (Interval("a", 0.5, 1.0),)),
        (words([-0.01, 1]), "words", (Interval("a", 0.0, 1.0),)),
        (changed(utterance={"content": "", "episode_interval": ["3", "4.5"]}), "episode_interval",
         (3.0, 4.5)),
        (phones([0, 0.11], [0.1, 0.2]), "phones",
         (Interval("AH0", 0.0, 0.11), Interval("AH0", 0.1, 0.2))),
    ],
)  # fmt: skip
def test_slips_are_read_as_they_are_meant(label, field, value):
    read = parse(label)
    assert getattr(read, field) == value and not read.dropped


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_labels_in_older_encodings_are_read(encoding):
    text = "Café – it’s naïve"
    data = json.dumps({"utterance": {"content": text}}, ensure_ascii=False).encode(encoding)
    assert parse_label(data).text == text


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
