import pytest

from ponytaco.formatting import and_more, counted, did_you_mean, duration, file_size, shorten


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (-3, "0 s"), (89, "89 s"), (720, "12 min"), (12_000, "3 h 20 min"),
     (3599 * 2, "2 h 00 min"), (216_000, "2.5 days")],
)  # fmt: skip
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("n_bytes", "said"), [(640e3, "640 kB"), (86e6, "86 MB"), (1.25e9, "1.2 GB")]
)
def test_sizes(n_bytes, said):
    assert file_size(n_bytes) == said


@pytest.mark.parametrize(
    ("names", "listed"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c"], "a, b and 1 more"),
     (list("abcdef"), "a, b and 4 more")],
)  # fmt: skip
def test_long_lists_end_with_a_count(names, listed):
    assert and_more(names, most=2) == listed


@pytest.mark.parametrize(("text", "short"), [("", ""), ("pony", "pony"), ("ponies", "pon…")])
def test_long_texts_are_cut(text, short):
    assert shorten(text, most=4) == short


def test_one_thing_is_not_many():
    assert [counted(n, "clip") for n in (0, 1, 2, 1200)] == [
        "0 clips", "1 clip", "2 clips", "1,200 clips",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("Zecra", " Did you mean Zecora?"),
        ("ZECORA", " Did you mean Zecora?"),
        ("Luna", ""),
        ("", ""),
    ],
)
def test_a_guess_is_made_only_for_what_is_near(name, guess):
    assert did_you_mean(name, ["Zecora", "Apple"]) == guess
