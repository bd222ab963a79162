import pytest
import torch

from ponytaco.io.state_dicts import mismatch

WANTED = {
    "a.weight": torch.empty(3, 2), "a.bias": torch.empty(3), "b.scale": torch.empty(()),
    "b.num_batches_tracked": torch.tensor(0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"a.weight": torch.empty(3, 2).half(), "b.num_batches_tracked": None}, ""),
        ({"a.bias": None}, "it lacks 'a.bias'"),
        ({"a.weight": None, "a.bias": None, "b.scale": None}, "it lacks 'a.weight' and 2 more"),
        ({"c": torch.empty(1)}, "it has 'c', for which there is no place"),
        ({"\x1b[2J": torch.empty(1), **{f"{i}": torch.empty(1) for i in range(2000)}},
         "it has '\\x1b[2J' and 2,000 more, for which there is no place"),
        ({"a.weight": torch.empty(2, 3)}, "its a.weight has 2 x 3 numbers, not 3 x 2"),
        ({"b.scale": torch.empty(2)}, "its b.scale has 2 numbers, not 1"),
        ({"a.bias": torch.empty(3, dtype=torch.int8)}, "its a.bias has numbers of the type int8"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_in_a_few_words(changes, why):
    weights = {name: value for name, value in {**WANTED, **changes}.items() if value is not None}
    assert mismatch(weights, WANTED) == why
