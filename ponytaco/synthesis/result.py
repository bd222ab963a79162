"""What was spoken, and what is to be said of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.metrics.attention_errors import Take

# Words that one warning names.
_MOST_NAMED = 12


@dataclass(frozen=True)
class Sentence:
    """One spoken line: a sentence, or a part of a long one."""

    text: str
    waveform: Tensor
    """(T_wav,), float32, from -1 to 1, without silence at its ends."""
    mel: npt.NDArray[np.float32] | None
    """(n_mels, T_mel) as spoken; None where a long text keeps none."""
    alignment: npt.NDArray[np.float32] | None
    """(T_steps, T_text) attention; None where a long text keeps none."""
    take: Take
    """The judgement on the take that was used."""
    words: tuple[str, ...] = ()
    style: str = ""
    pause_seconds: float = 0.0
    """The silence that follows it; none after the last one."""
    tries: int = 1
    """Takes that there were of it."""
    seed: int = 0
    """Of the batch in which it was spoken."""
    unreadable: tuple[str, ...] = ()
    """Words that the voice has to guess: it knows neither their pronunciation nor letters."""

    @property
    def good(self) -> bool:
        """Whether it was read as it is written, as far as attention and its words tell."""
        return self.take.good and not self.unreadable

    @property
    def score(self) -> AlignmentScore:
        """How well attention followed the text."""
        return self.take.score

    @property
    def stopped(self) -> bool:
        """Whether the gate opened; otherwise the sentence was cut."""
        return self.take.stopped

    @property
    def is_babble(self) -> bool:
        """Whether attention found less than half of its words."""
        n_missed = len(self.take.skipped) + len(self.take.unread)
        return self.take.lost or 2 * n_missed > len(self.words)

    @property
    def warnings(self) -> list[str]:
        """What a listener should know, one sentence each."""
        take, text = self.take, _short(self.text)
        if take.lost:
            return [f"'{text}' was not read: the voice babbles."]
        said = []
        if not take.stopped and take.read_through:
            said.append(f"'{text}' was read to its end, but did not stop by itself and was cut.")
        elif not take.stopped:
            said.append(f"'{text}' did not come to an end and was cut.")
        for words, what in (
            (take.skipped, "skipped"),
            (take.repeated, "said twice or out of order"),
            (take.unread, "left unread at the end"),
            (take.stuck, "dwelt on"),
        ):
            if words:
                said.append(f"In '{text}' was {what}: {_listed(self.words, words)}.")
        return said


@dataclass(frozen=True)
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
    """What the writer of the text should know."""
    babble: str = ""
    """What to say in place of each sentence's warnings, of a voice that cannot read yet."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.waveform) / self.sample_rate

    @property
    def warnings(self) -> list[str]:
        """What a listener should know, one sentence each."""
        unspeakable = [f"'{_short(t)}' cannot be spoken and was left out." for t in self.left_out]
        said = [warning for sentence in self.sentences for warning in sentence.warnings]
        return [*self.notes, *unspeakable, *([self.babble] if self.babble else said)]

    def report(self) -> dict[str, Any]:
        """All that is known about it as plain values, for json."""
        rate = self.sample_rate
        return {
            "seconds": round(self.seconds, 3),
            "sample_rate": rate,
            "spelled": self.spelled,
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


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _listed(words: Sequence[str], chosen: Sequence[int]) -> str:
    named = [words[number] for number in chosen[:_MOST_NAMED]]
    rest = len(chosen) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")
