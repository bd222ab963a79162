"""What is said of the last few steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from ponytaco.checkpoint import Progress


@dataclass(frozen=True)
class StepReport:
    """The last few steps' means."""

    step: int
    max_steps: int
    epoch: int
    seconds_per_step: float
    learning_rate: float
    losses: dict[str, float]
    """'loss' (what is minimised), 'mel', 'mel_postnet', 'gate', 'mi', 'gaf', 'guidance',
    'guidance_weight', 'grad_norm'; those in use."""
    skipped_steps: int

    def history_row(self, progress: Progress) -> dict[str, float]:
        """The columns of the history that a report fills."""
        return {
            **self.losses,
            "epoch": self.epoch,
            "seconds": progress.seconds,
            "learning_rate": self.learning_rate,
            "skipped_steps": self.skipped_steps,
        }


class Recent:
    """The steps since the last report."""

    def __init__(self) -> None:
        self._begin()

    def add(self, losses: dict[str, Tensor] | None) -> None:
        """Count a step, and its losses unless it was skipped."""
        self._n_steps += 1
        if losses is not None:
            self._losses.append(losses)

    def pause(self, seconds: float) -> None:
        """Leave out time that is not the steps'."""
        self._since += seconds

    def report(
        self, progress: Progress, max_steps: int, epoch: int, learning_rate: float
    ) -> StepReport:
        """The means; what comes next belongs to the next report."""
        report = StepReport(
            step=progress.step,
            max_steps=max_steps,
            epoch=epoch,
            seconds_per_step=(time.monotonic() - self._since) / self._n_steps,
            learning_rate=learning_rate,
            losses=self._means(),
            skipped_steps=progress.skipped_steps,
        )
        self._begin()
        return report

    def _begin(self) -> None:
        self._losses: list[dict[str, Tensor]] = []
        self._n_steps = 0
        self._since = time.monotonic()

    def _means(self) -> dict[str, float]:
        names = {name for values in self._losses for name in values}
        return {
            name: float(
                torch.stack([v[name].float().cpu() for v in self._losses if name in v]).mean()
            )
            for name in sorted(names)
        }
