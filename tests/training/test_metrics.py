import torch

from ponytaco.training.metrics import RunningMetrics
from ponytaco.training.step import StepLosses


def step(skipped=False, **values):
    tensors = {name: torch.tensor(value) for name, value in values.items()}
    return StepLosses(tensors, torch.zeros(()), torch.tensor(skipped))


def test_means_are_over_the_steps_that_have_a_loss_and_were_not_skipped():
    metrics = RunningMetrics()
    metrics.add(step(loss=1.0, mi=3.0))
    metrics.add(step(skipped=True, loss=float("nan")))
    metrics.add(step(loss=2.0))
    assert len(metrics) == 3
    assert metrics.take_means() == {"loss": 1.5, "mi": 3.0}
    assert len(metrics) == 0 and metrics.take_means() == {}


def test_each_skipped_step_is_counted_once():
    metrics = RunningMetrics()
    for skipped in (True, False, True, True):
        metrics.add(step(skipped, loss=1.0))
    assert (metrics.count_skipped(), metrics.skipped_in_a_row) == (3, 2)
    assert metrics.count_skipped() == 0
    metrics.add(step(True, loss=1.0))
    metrics.take_means()
    assert metrics.skipped_in_a_row == 3  # a row continues across reports
    metrics.add(step(loss=1.0))
    assert (metrics.count_skipped(), metrics.skipped_in_a_row) == (0, 0)


def test_skipped_steps_alone_have_no_mean():
    metrics = RunningMetrics()
    metrics.add(step(True, loss=float("nan")))
    assert metrics.take_means() == {}
