"""The state of a run: its steps, its alignment and its best validation, for its schedules."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

# Below the first, what Whisper writes is chance. A listening has about a hundred words, so that
# differences below the second are noise, and the likeness decides.
_UNDERSTOOD_AT_ALL, _NOTICED = 0.05, 0.05


@dataclass
class RunState:
    """How far a run has come; its weights and its optimizer are kept elsewhere.

    It is changed only by its own methods.
    """

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Duration of the training, over all sessions."""
    gaf: float = 0.0
    """The gradient-adaptive factor."""
    skipped_steps: int = 0
    """Steps skipped because their loss or gradient was not finite."""
    aligned_since: int | None = None
    """Step since which every validation has found attention aligned; None if the last did not."""
    first_aligned: int | None = None
    """Step of the first validation that found attention aligned."""
    guidance_scale: float = 1.0
    """Scale of guidance and attention forcing, 0 to 1."""
    learning_rate_scale: float = 1.0
    """Factor on the learning rate; halved whenever the run rolls back."""
    n_micro_batches: int = 1
    """Micro-batches per batch; more than one if the memory is too small for the whole."""
    best_aligned: bool = False
    """Whether the best model was aligned."""
    best_score: float | None = None
    """Voice score of the best model; None before the first validation."""
    best_step: int = 0
    """Step of the best model."""
    validations_since_best: int = 0
    """Validations since then; those that could have found a better one."""
    best_understood: float | None = None
    """Share of words understood of the best model; None if it was chosen by its score."""
    best_likeness: float | None = None
    """Its likeness to the character; None also where nobody judges it."""
    listening_seconds: float = 0.0
    """Duration of all listenings."""

    def record_step(
        self, guidance_scale: float | None = None, seconds: float | None = None
    ) -> None:
        """Count a step.

        Args:
            guidance_scale: scale for the next step; None keeps it.
            seconds: duration of the training so far; None keeps it.
        """
        self.step += 1
        self.guidance_scale = self.guidance_scale if guidance_scale is None else guidance_scale
        self.seconds = self.seconds if seconds is None else seconds

    def record_skipped(self, n_steps: int) -> None:
        """Count skipped steps."""
        self.skipped_steps += n_steps

    def record_gaf(self, gaf: float) -> None:
        """Record the gradient-adaptive factor."""
        self.gaf = gaf

    def record_listening(self, seconds: float) -> None:
        """Count the duration of a listening."""
        self.listening_seconds += seconds

    def record_validation(
        self,
        aligned: bool,
        score: float,
        loss: float,
        understood: float | None = None,
        likeness: float | None = None,
        is_listened_to: bool = False,
    ) -> bool:
        """Record a validation, and return whether its voice is the best so far.

        Once a voice was understood at all, the one that is understood best wins, and of two that
        are understood alike the one that is more like the character. A validation between two
        listenings then says nothing: its voice is not compared. Before, and where nobody listens,
        an aligned voice is better than any other, and otherwise the higher score wins. A voice
        whose loss or score is not finite is never the best, or no later one could be better.

        Args:
            aligned: whether attention was aligned, free-running.
            score: the voice score, 0 to 1.
            loss: loss on the validation clips.
            understood: share of words understood; None if nobody listened to this validation.
            likeness: likeness to the character's voice.
            is_listened_to: whether the session's voices are listened to, now and then.
        """
        if not aligned:
            self.aligned_since = None
        elif self.aligned_since is None:
            self.aligned_since = self.step
            self.first_aligned = self.first_aligned or self.step
        if understood is not None and understood < _UNDERSTOOD_AT_ALL and not self.best_understood:
            understood = None
        if is_listened_to and understood is None and self.best_understood is not None:
            return False
        if understood is not None:
            mine = _heard(understood, likeness)
            is_better = mine > _heard(self.best_understood or 0.0, self.best_likeness)
        else:
            is_better = self.best_score is None or (
                (aligned, score) > (self.best_aligned, self.best_score)
            )
        is_best = math.isfinite(loss) and math.isfinite(score) and is_better
        if is_best:
            self.best_aligned, self.best_score = aligned, score
            self.best_understood, self.best_likeness = understood, likeness
            self.best_step, self.validations_since_best = self.step, 0
        else:
            self.validations_since_best += 1
        return is_best

    def forget_best(self) -> None:
        """Judge the best voice anew, as on another data set."""
        self.best_aligned, self.best_score = False, None
        self.best_understood = self.best_likeness = None
        self.best_step = self.validations_since_best = 0

    def forget_alignment(self) -> None:
        """Treat attention as not yet aligned, as after a change of the reduction factor.

        Guidance returns in full, and schedules that start at alignment wait for it again.
        """
        self.aligned_since, self.guidance_scale = None, 1.0
        self.validations_since_best = 0

    def double_micro_batches(self) -> None:
        """Double the number of micro-batches."""
        self.n_micro_batches *= 2

    def restore(self, other: RunState) -> None:
        """Copy another state."""
        for f in dataclasses.fields(self):
            setattr(self, f.name, getattr(other, f.name))

    def roll_back(self, saved: RunState) -> None:
        """Copy a save's state, at half the present learning rate; keep count of skipped steps."""
        scale, skipped = self.learning_rate_scale / 2, self.skipped_steps
        self.restore(saved)
        self.learning_rate_scale, self.skipped_steps = scale, skipped

    @property
    def is_valid(self) -> bool:
        """Whether every value has its type and range; a stranger's file may hold anything."""
        counts = (
            self.step,
            self.skipped_steps,
            self.aligned_since or 0,
            self.first_aligned or 0,
            self.n_micro_batches,
            self.best_step,
            self.validations_since_best,
        )
        numbers = (
            self.seconds,
            self.gaf,
            self.guidance_scale,
            self.learning_rate_scale,
            self.listening_seconds,
            *(n for n in (self.best_understood, self.best_likeness) if n is not None),
        )
        return (
            all(type(count) is int and 0 <= count < 2**53 for count in counts)
            and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
            and 0 <= self.guidance_scale <= 1
            and (self.best_score is None or type(self.best_score) in (int, float))
        )


def _heard(understood: float, likeness: float | None) -> tuple[int, float]:
    """Return what heard voices are compared by."""
    return round(understood / _NOTICED), likeness or 0.0
