import pytest

from ponytaco.metrics.wer import understood_share, word_error_rate, word_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("", "", 0),
        ("my pony", "my pony", 0),
        ("my pony", "", 2),
        ("", "my pony", 2),
        ("my pony ran", "my dragon ran", 1),
        ("my pony ran", "my ran", 1),
        ("my pony ran", "my my pony ran", 1),
        ("a b c d", "b c d a", 2),
        ("a b", "b a", 2),
    ],
)
def test_word_errors_is_the_edit_distance(reference, hypothesis, errors):
    assert word_errors(reference.split(), hypothesis.split()) == errors


def test_word_error_rate_weighs_words_not_clips():
    pairs = [(["a"], ["b"]), (["a", "b", "c"], ["a", "b", "c"])]
    assert word_error_rate(pairs) == 0.25
    assert word_error_rate([(["a"], ["b", "c"])]) == 2.0


def test_word_error_rate_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no word"):
        word_error_rate([])


def test_a_text_counts_for_at_most_its_own_words():
    pairs = [(["a", "b"], ["a", "b"]), (["c", "d"], ["x"] * 9), (["e"], [])]
    assert understood_share(pairs) == 2 / 5
    assert understood_share([]) is None
