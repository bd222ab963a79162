import random

import torch

from ponytaco.training.rng import rng_state, set_rng_state


def test_restored_random_numbers_are_the_next_ones():
    state = rng_state()
    expected = (torch.rand(3), random.random())
    torch.manual_seed(1)
    random.seed(1)
    set_rng_state(state)
    assert torch.equal(torch.rand(3), expected[0])
    assert random.random() == expected[1]
