"""Metrics of the last training steps, left on their device until a report is due."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ponytaco.runs.history import Column, HistoryRow
from ponytaco.runs.state import RunState
from ponytaco.training.step import StepLosses


@dataclass(frozen=True)
class StepReport:
    """Means over the steps since the last report."""

    step: int
    max_steps: int
    epoch: int
    seconds_per_step: float
    learning_rate: float
    losses: dict[str, float]
    """Those in use of 'loss' (the sum that is minimised), 'mel', 'mel_postnet', 'gate', 'mi',
    'gaf', 'guidance', 'guidance_weight', 'grad_norm', 'adversarial' and 'discriminator'."""
    skipped_steps: int

    def history_row(self, run_state: RunState) -> HistoryRow:
        """Return the history columns of a report."""
        return {
            **self.losses,
            Column.EPOCH: self.epoch,
            Column.SECONDS: run_state.seconds,
            Column.LEARNING_RATE: self.learning_rate,
            Column.SKIPPED_STEPS: self.skipped_steps,
            Column.MICRO_BATCHES: run_state.n_micro_batches,
        }


class RunningMetrics:
    """Metrics of the steps since the last report.

    Reading a value waits for the GPU to finish that step, so all are read at once, and seldom.
    """

    def __init__(self) -> None:
        self.skipped_in_a_row = 0
        """Skipped steps in a row, up to the last step that was counted."""
        self._steps: list[StepLosses] = []
        self._skipped: list[bool] = []

    def __len__(self) -> int:
        """Return the number of steps since the last report."""
        return len(self._steps)

    def add(self, losses: StepLosses) -> None:
        """Add a step's losses."""
        self._steps.append(losses)

    def count_skipped(self) -> int:
        """Return how many of the steps since the last count were skipped."""
        unread = self._steps[len(self._skipped) :]
        flags = torch.stack([step.skipped for step in unread]).tolist() if unread else []
        for skipped in flags:
            self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped else 0
        self._skipped += flags
        return sum(flags)

    def take_means(self) -> dict[str, float]:
        """Return each loss's mean over the steps that were not skipped, and forget the steps.

        A loss that some steps lack is averaged over the others. Call ``count_skipped`` before.
        """
        self.count_skipped()
        done = [
            step.values
            for step, skipped in zip(self._steps, self._skipped, strict=True)
            if not skipped
        ]
        names = sorted({name for values in done for name in values})
        means = [_mean([values[name] for values in done if name in values]) for name in names]
        self._steps, self._skipped = [], []
        return dict(zip(names, torch.stack(means).tolist(), strict=True)) if means else {}

    def report(
        self,
        run_state: RunState,
        max_steps: int,
        epoch: int,
        learning_rate: float,
        seconds: float,
    ) -> StepReport:
        """Return a report and forget its steps, which took ``seconds`` together."""
        n_steps = len(self)
        return StepReport(
            step=run_state.step,
            max_steps=max_steps,
            epoch=epoch,
            seconds_per_step=seconds / n_steps,
            learning_rate=learning_rate,
            losses=self.take_means(),
            skipped_steps=run_state.skipped_steps,
        )


def _mean(values: list[Tensor]) -> Tensor:
    # Some values are on the CPU, such as the guidance's weight.
    device = next((value.device for value in values if value.device.type != "cpu"), None)
    return torch.stack([value.float().to(device) for value in values]).mean().cpu()
