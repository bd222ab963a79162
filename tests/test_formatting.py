import pytest

from ponytaco.formatting import duration, file_size


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (-3, "0 s"), (89, "89 s"), (720, "12 min"), (12_000, "3 h 20 min"),
     (3599 * 2, "2 h 00 min")],
)  # fmt: skip
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("n_bytes", "said"), [(640e3, "640 kB"), (86e6, "86 MB"), (1.25e9, "1.2 GB")]
)
def test_sizes(n_bytes, said):
    assert file_size(n_bytes) == said
