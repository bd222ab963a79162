"""A training step takes few operations a frame, since each is a launch on a GPU."""

import pytest

from benchmarks.operations import operations_per_frame
from ponytaco.presets import preset


@pytest.mark.parametrize(("refresh", "most"), [(False, 48), (True, 67)])
def test_the_full_size_takes_few_operations_a_frame(refresh, most):
    counts = operations_per_frame(preset("full"), refresh)
    assert sum(counts.values()) <= most
    # Everything outside the loops is done for all frames at once.
    assert counts["rest"] == 0 and all(counts[phase] > 4 for phase in list(counts)[:4])
