"""Results of speaking: sound, attention errors, and warnings for the listener."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ponytaco.formatting import and_more, counted, shorten
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.metrics.attention_errors import Take

_MOST_NAMED = 12  # words in one warning
_SHOWN = 40  # characters of a text in a warning


@dataclass(frozen=True, repr=False)
class Sentence:
    """A spoken sentence, or a part of a long one."""

    text: str
    waveform: Tensor
    """(T_wav,), float32, from -1 to 1, without silence at its ends."""
    mel: npt.NDArray[np.float32] | None
    """(n_mels, T_mel) as spoken; None where a long text keeps none."""
    alignment: npt.NDArray[np.float32] | None
    """(T_steps, T_text) attention; None where a long text keeps none."""
    take: Take
    """Attention errors of the take that was used."""
    words: tuple[str, ...] = ()
    style: str = ""
    pause_seconds: float = 0.0
    """Silence after it; none after the last one."""
    tries: int = 1
    """Number of takes."""
    seed: int = 0
    """Seed of the batch in which it was spoken."""
    unreadable: tuple[str, ...] = ()
    """Words that the voice guesses: it knows neither their pronunciation nor letters."""

    def __repr__(self) -> str:
        """Write its text and state on one line; sound and attention have thousands of numbers."""
        state = "good" if self.good else "not good"
        return f"Sentence({shorten(self.text, _SHOWN)!r}, {len(self.waveform):,} samples, {state})"

    @property
    def good(self) -> bool:
        """Whether it was read as written, as far as attention and its words tell."""
        return self.take.good and not self.unreadable

    @property
    def score(self) -> AlignmentScore:
        """How well attention followed the text."""
        return self.take.score

    @property
    def stopped(self) -> bool:
        """Whether the gate opened; otherwise the sentence was cut off."""
        return self.take.stopped

    @property
    def is_babble(self) -> bool:
        """Whether attention missed more than half of its words."""
        n_missed = len(self.take.skipped) + len(self.take.unread)
        return self.take.lost or 2 * n_missed > len(self.words)

    @property
    def warnings(self) -> list[str]:
        """What a listener should know, one sentence each."""
        take, text = self.take, shorten(self.text, _SHOWN)
        if take.lost:
            return [f"'{text}' was not read: the voice babbles."]
        warnings = []
        if not take.stopped and take.read_through:
            warnings.append(f"'{text}' was read to its end, but did not stop and was cut off.")
        elif not take.stopped:
            warnings.append(f"'{text}' did not come to an end and was cut off.")
        for words, what in (
            (take.skipped, "skipped"),
            (take.repeated, "repeated or out of order"),
            (take.unread, "left unread at the end"),
            (take.stuck, "drawn out"),
        ):
            if words:
                named = and_more([self.words[number] for number in words], _MOST_NAMED)
                warnings.append(f"In '{text}', {what}: {named}.")
        return warnings


@dataclass(frozen=True, repr=False)
class Speech:
    """A spoken text."""

    waveform: Tensor
    """(T_wav,), float32, from -1 to 1: the sentences with pauses between them."""
    sample_rate: int
    sentences: list[Sentence]
    spelled: list[str] = field(default_factory=list)
    """Words that have no pronunciation and were read letter by letter."""
    left_out: list[str] = field(default_factory=list)
    """Sentences in which nothing can be spoken."""
    notes: list[str] = field(default_factory=list)
    """What the writer of the text should know, one sentence each."""
    babble: str = ""
    """One warning in place of the sentences', for a voice that cannot read yet."""
    guessed: list[str] = field(default_factory=list)
    """Words that no dictionary has, whose pronunciation was guessed from their letters."""

    def __repr__(self) -> str:
        """Write its length and its beginning on one line."""
        text = shorten(" ".join(sentence.text for sentence in self.sentences), _SHOWN)
        sentences = counted(len(self.sentences), "sentence")
        warnings = counted(len(self.warnings), "warning")
        return f"Speech({text!r}, {self.seconds:.1f} s, {sentences}, {warnings})"

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.waveform) / self.sample_rate

    @property
    def warnings(self) -> list[str]:
        """What a listener should know, one sentence each."""
        left_out = [
            f"'{shorten(text, _SHOWN)}' cannot be spoken and was left out."
            for text in self.left_out
        ]
        warnings = [warning for sentence in self.sentences for warning in sentence.warnings]
        return [*self.notes, *left_out, *([self.babble] if self.babble else warnings)]

    def report(self) -> dict[str, Any]:
        """Return everything but sound and attention as plain values, for json."""
        rate = self.sample_rate
        return {
            "seconds": round(self.seconds, 3),
            "sample_rate": rate,
            "spelled": self.spelled,
            "guessed": self.guessed,
            "left_out": self.left_out,
            "notes": self.notes,
            "pieces": [
                {
                    "text": sentence.text,
                    "style": sentence.style,
                    "seconds": round(len(sentence.waveform) / rate, 3),
                    "pause_seconds": round(sentence.pause_seconds, 3),
                    "good": sentence.good,
                    "unreadable": list(sentence.unreadable),
                    "stopped": sentence.stopped,
                    "scores": dataclasses.asdict(sentence.score),
                    "tries": sentence.tries,
                    "seed": sentence.seed,
                    "warnings": sentence.warnings,
                }
                for sentence in self.sentences
            ],
        }
