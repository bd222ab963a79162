"""How far a run has come, and what was found on its way: what its schedules go by."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass


@dataclass
class Progress:
    """How far a run has come, beyond weights and optimizer."""

    step: int = 0
    seconds: float = 0.0
    """Time spent training, over all sessions."""
    gaf: float = 0.0
    """The gradient-adaptive factor as last refreshed."""
    skipped_steps: int = 0
    """Steps left out because their loss or gradient was no number."""
    aligned_since: int | None = None
    """Step since which every validation has found the model aligned."""
    first_aligned: int | None = None
    """Step of the first validation that did."""
    guided: float = 1.0
    """Share of what helps attention to align that it still gets, 0 to 1."""
    rate_factor: float = 1.0
    """Of the learning rate; halved whenever too many steps in a row were no numbers."""
    n_parts: int = 1
    """Parts that a batch is computed in, where the memory is too small for the whole."""
    best_aligned: bool = False
    best_score: float | None = None
    """Whether the best model was aligned, and its voice's score."""
    best_step: int = 0
    validations_since_best: int = 0
    """Its step, and how many validations have found no better voice since."""

    def take_over(self, other: Progress) -> None:
        """Become equal to another."""
        for f in dataclasses.fields(self):
            setattr(self, f.name, getattr(other, f.name))

    @property
    def is_possible(self) -> bool:
        """Whether every value is of its kind and range; what a file says may be anything."""
        counts = (
            self.step,
            self.skipped_steps,
            self.aligned_since or 0,
            self.first_aligned or 0,
            self.n_parts,
            self.best_step,
            self.validations_since_best,
        )
        numbers = (self.seconds, self.gaf, self.guided, self.rate_factor)
        return (
            all(type(count) is int and 0 <= count < 2**53 for count in counts)
            and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
            and 0 <= self.guided <= 1
            and (self.best_score is None or type(self.best_score) in (int, float))
        )
