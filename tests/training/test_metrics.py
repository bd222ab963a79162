import torch

from ponytaco.training.metrics import Tally
from ponytaco.training.step import StepLosses


def step(skipped=False, **values):
    tensors = {name: torch.tensor(value) for name, value in values.items()}
    return StepLosses(tensors, torch.zeros(()), torch.tensor(skipped))


def test_means_leave_out_skipped_steps_and_average_what_is_there():
    tally = Tally()
    tally.add(step(loss=1.0, mi=3.0))
    tally.add(step(skipped=True, loss=float("nan")))
    tally.add(step(loss=2.0))
    assert len(tally) == 3
    assert tally.take_means() == {"loss": 1.5, "mi": 3.0}
    assert len(tally) == 0 and tally.take_means() == {}


def test_each_skipped_step_is_counted_once():
    tally = Tally()
    for skipped in (True, False, True, True):
        tally.add(step(skipped, loss=1.0))
    assert (tally.count_skipped(), tally.skipped_in_a_row) == (3, 2)
    assert tally.count_skipped() == 0
    tally.add(step(True, loss=1.0))
    tally.take_means()
    assert tally.skipped_in_a_row == 3  # a row goes on across reports
    tally.add(step(loss=1.0))
    assert (tally.count_skipped(), tally.skipped_in_a_row) == (0, 0)


def test_only_skipped_steps_have_no_mean():
    tally = Tally()
    tally.add(step(True, loss=float("nan")))
    assert tally.take_means() == {}
