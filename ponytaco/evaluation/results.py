"""Results of an evaluation: of each text, of a group of texts, and of the whole run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ponytaco.judges.judge import Judges, Opinion, Verdict, mean_verdict
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.metrics.wer import word_error_rate, word_errors
from ponytaco.training.validation import Validation

FORMAT = 2
"""Version of report.json; raised when a name in it changes."""

NEVER_STOPPED = "never stopped"
STOPPED_EARLY = "stopped early"
TOO_LONG = "too long"
STOP_ERRORS = (NEVER_STOPPED, STOPPED_EARLY, TOO_LONG)
"""Errors at a text's end, the worst first."""

# Relative to the expected length; people's own readings of a sentence differ by a fifth.
_SHORTEST, _LONGEST = 0.6, 1.5


@dataclass(frozen=True)
class TextResult:
    """One text as the voice spoke it."""

    name: str
    """The clip's name, or the sentence's number."""
    text: str
    seconds: float
    alignment: AlignmentScore
    stop_error: str
    """One of ``STOP_ERRORS``, or nothing."""
    skipped: list[str] | None
    """Words that attention skipped; None where attention did not follow the text."""
    repeated: list[str] | None
    said: list[str]
    """Words that the recogniser should hear."""
    heard: list[str] | None = None
    """Words that it heard; None without a recogniser."""
    real_heard: list[str] | None = None
    """Words that it heard in the real clip, through the same vocoder."""
    mel_cepstral_distortion_db: float | None = None
    """None where there is no real clip."""
    length: float | None = None
    """Length over the real clip's."""
    pitch_correlation: float | None = None
    """None also where too little is voiced in both."""
    opinion: Opinion = Opinion(None, None, None)
    """The judges'."""

    @property
    def not_understood(self) -> int | None:
        """Number of words that Whisper did not understand; None without it."""
        if self.opinion.heard is None:
            return None
        said = Judges.said(self.text)
        return min(len(said), word_errors(said, self.opinion.heard))

    @property
    def errors(self) -> int | None:
        """Number of words misheard; None without a recogniser."""
        return None if self.heard is None else word_errors(self.said, self.heard)

    @property
    def badness(self) -> float:
        """Sort key, the worst highest: share of words gone wrong, plus half for a wrong end."""
        n_words = max(1, len(self.said))
        misheard = self.errors if self.not_understood is None else self.not_understood
        wrong = len(self.skipped or ()) + len(self.repeated or ()) + (misheard or 0)
        wrong_end = 0.5 * bool(self.stop_error)
        return wrong / n_words + wrong_end + (1 - self.alignment.coverage)

    def as_json(self) -> dict[str, Any]:
        """Return the values by name."""
        return {
            **dataclasses.asdict(self),
            "errors": self.errors,
            "not_understood": self.not_understood,
        }


@dataclass(frozen=True)
class Media:
    """Sound and pictures of a text."""

    sound: bytes
    """A flac file."""
    real_sound: bytes | None
    """The recording, if there is one."""
    mel: npt.NDArray[np.float32]
    """(n_mels, T_mel)"""
    attention: npt.NDArray[np.float32]
    """(T_steps, T_text) of its first sentence."""


@dataclass(frozen=True)
class Group:
    """Texts of one kind: validation clips or new sentences."""

    results: list[TextResult]
    media: list[Media]

    @property
    def verdict(self) -> Verdict:
        """The judges' verdict on all texts."""
        return mean_verdict([r.opinion for r in self.results], [r.text for r in self.results])

    @property
    def word_error_rate(self) -> float | None:
        """Word error rate of the voice; None without a recogniser or words."""
        return _error_rate((r.said, r.heard) for r in self.results)

    @property
    def real_word_error_rate(self) -> float | None:
        """Word error rate of the real clips of the same texts, through the same vocoder."""
        return _error_rate((r.said, r.real_heard) for r in self.results)

    @property
    def mel_cepstral_distortion_db(self) -> float | None:
        """Mean over the texts with a real clip."""
        return self._mean(lambda result: result.mel_cepstral_distortion_db)

    @property
    def pitch_correlation(self) -> float | None:
        """Mean over the texts that have one."""
        return self._mean(lambda result: result.pitch_correlation)

    @property
    def aligned(self) -> float | None:
        """Share of the texts that are aligned by ``AlignmentScore.aligned``."""
        return self._mean(lambda result: float(result.alignment.aligned))

    @property
    def skipped(self) -> float | None:
        """Share of the words skipped."""
        return self._share_of_words(lambda result: result.skipped)

    @property
    def repeated(self) -> float | None:
        """Share of the words repeated."""
        return self._share_of_words(lambda result: result.repeated)

    def n_stop_errors(self, kind: str) -> int:
        """Count the texts with one of ``STOP_ERRORS``."""
        return sum(result.stop_error == kind for result in self.results)

    def as_json(self) -> dict[str, Any]:
        """Return the means by name, and each text's values."""
        return {
            "n": len(self.results),
            **dataclasses.asdict(self.verdict),
            "word_error_rate": self.word_error_rate,
            "real_word_error_rate": self.real_word_error_rate,
            "mel_cepstral_distortion_db": self.mel_cepstral_distortion_db,
            "pitch_correlation": self.pitch_correlation,
            "aligned": self.aligned,
            "words_skipped": self.skipped,
            "words_repeated": self.repeated,
            "stop_errors": {kind: self.n_stop_errors(kind) for kind in STOP_ERRORS},
            "texts": [result.as_json() for result in self.results],
        }

    def _mean(self, value: Callable[[TextResult], float | None]) -> float | None:
        values = [v for v in map(value, self.results) if v is not None]
        return float(np.mean(values)) if values else None

    def _share_of_words(self, words: Callable[[TextResult], Sequence[str] | None]) -> float | None:
        followed = [(r, w) for r in self.results if (w := words(r)) is not None and r.said]
        n_words = sum(len(result.said) for result, _ in followed)
        return sum(len(found) for _, found in followed) / n_words if n_words else None


@dataclass(frozen=True)
class Results:
    """All results of an evaluation."""

    name: str
    step: int
    first_aligned: int | None
    vocoder: str
    recogniser: str | None
    """Name of the recogniser of the clips; None without one."""
    new_recogniser: str | None
    """Name of the recogniser of the new sentences, and of the real clips for the ceiling."""
    validation: Validation
    """As during training, over all validation clips."""
    clips: Group
    new: Group
    ceiling: float | None
    """Word error rate of real clips through the same vocoder, which no voice can pass."""
    n_ceiling_clips: int
    clips_verdict: Verdict = Verdict(None, None, None)
    """The judges' verdict on the same real clips."""
    notes: list[str] = field(default_factory=list)
    """What was left out, and why, one sentence each."""

    @property
    def alignment_history(self) -> str:
        """Words such as 'first aligned at step 1,000', to follow 'the voice'."""
        if self.first_aligned is None:
            return "was never aligned in training"
        return f"first aligned at step {self.first_aligned:,}"

    def as_json(self) -> dict[str, Any]:
        """Return the content of report.json, with null for numbers that are not finite."""
        validation = self.validation
        return _plain(
            {
                "format": FORMAT,
                "run": self.name,
                "step": self.step,
                "first_aligned": self.first_aligned,
                "vocoder": self.vocoder,
                "recogniser": self.recogniser,
                "new_recogniser": self.new_recogniser,
                "ceiling": {
                    "word_error_rate": self.ceiling,
                    "clips": self.n_ceiling_clips,
                    **dataclasses.asdict(self.clips_verdict),
                },
                "validation": {
                    "loss": validation.loss,
                    "score": validation.score,
                    "aligned": validation.free.aligned,
                    "stopped": validation.stopped,
                    "length": validation.length,
                    "mel_cepstral_distortion_db": validation.distortion,
                    "teacher_forced": dataclasses.asdict(validation.teacher_forced),
                    "free": dataclasses.asdict(validation.free),
                },
                "clips": self.clips.as_json(),
                "new": self.new.as_json(),
                "notes": self.notes,
            }
        )


def stop_error(stopped: bool, end_reached: bool, seconds: float, expected_seconds: float) -> str:
    """Find what is wrong with a text's end.

    Args:
        stopped: whether the gate opened before the limit.
        end_reached: whether attention was at the text's end when it did.
        seconds: duration.
        expected_seconds: duration that the text should take, roughly.

    Returns:
        One of ``STOP_ERRORS``, or ''.
    """
    if not stopped:
        return NEVER_STOPPED
    if not end_reached or seconds < _SHORTEST * expected_seconds:
        return STOPPED_EARLY
    return TOO_LONG if seconds > _LONGEST * expected_seconds else ""


def _error_rate(pairs: Iterable[tuple[list[str], list[str] | None]]) -> float | None:
    heard = [(said, words) for said, words in pairs if words is not None]
    return word_error_rate(heard) if any(said for said, _ in heard) else None


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(held) for name, held in value.items()}
        case list() | tuple():
            return [_plain(held) for held in value]
        case float() if not math.isfinite(value):
            return None
    return value
