"""Text -> speech with a trained voice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ponytaco.alignment import AlignmentScore, score_alignment
from ponytaco.checkpoint import load_checkpoint
from ponytaco.config import AudioConfig
from ponytaco.model.packed import PackedDecoder
from ponytaco.run import Run
from ponytaco.text import Lexicon, TextError, clean, spoken_symbols, text_to_ids
from ponytaco.vocoders import VOCODERS

Vocoder = Callable[[Tensor], Tensor]
"""mel (B, n_mels, T_mel) -> waveform (B, T_wav)"""

# A symbol takes about 6 frames (70 ms); a sentence that needs this many per symbol never stops.
_MAX_FRAMES_PER_SYMBOL = 25
_MIN_MAX_FRAMES = 200
_PAUSE_SECONDS = 0.25
# A sentence's end: a mark, any closing quotes, then space or the text's end.
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")


@dataclass(frozen=True)
class Sentence:
    """One spoken sentence."""

    text: str
    waveform: Tensor
    """(T_wav,), float32, from -1 to 1."""
    mel: npt.NDArray[np.float32]
    """(n_mels, T_mel)"""
    alignment: npt.NDArray[np.float32]
    """(T_steps, T_text) attention."""
    score: AlignmentScore
    stopped: bool
    """Whether the gate opened; otherwise the sentence was cut at the limit."""


@dataclass(frozen=True)
class Speech:
    """A spoken text."""

    waveform: Tensor
    """(T_wav,), float32, from -1 to 1: the sentences with pauses between them."""
    sample_rate: int
    sentences: list[Sentence]
    spelled: list[str]
    """Words that a voice trained on pronunciations had to read letter by letter."""
    left_out: list[str] = field(default_factory=list)
    """Sentences in which nothing can be spoken."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.waveform) / self.sample_rate

    @property
    def warnings(self) -> list[str]:
        """What a listener should know, one sentence each."""
        said = [f"'{_short(text)}' cannot be spoken and was left out." for text in self.left_out]
        for sentence in self.sentences:
            if not sentence.stopped:
                said.append(f"'{_short(sentence.text)}' did not come to an end and was cut.")
            elif sentence.score.coverage < 0.7 or sentence.score.end_reached < 1:
                said.append(f"'{_short(sentence.text)}' was not read through: {sentence.score}.")
        return said


class Voice:
    """A trained voice, ready to speak.

    Args:
        path: a run's folder or a checkpoint.
        vocoder: a name in ``VOCODERS``.
        device: where to compute; 'cuda' is worth it from long texts on.
        weight_type: of the decoder's weights while speaking: 'auto' is the fastest that sounds the
            same as 'float32'; also 'float16', 'bfloat16' and 'int8'.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint.
        WeightTypeError: there is no such type on this machine.
    """

    def __init__(
        self,
        path: Path,
        vocoder: str = "griffin_lim",
        device: str | torch.device = "cpu",
        weight_type: str = "auto",
    ) -> None:
        self.path = Run(path).voice() if path.is_dir() else path
        checkpoint = load_checkpoint(self.path)
        self.audio: AudioConfig = checkpoint.config.audio
        self.step = checkpoint.progress.step
        self._device = torch.device(device)
        self._model = checkpoint.build_model().to(self._device)
        self._packed = PackedDecoder(self._model.decoder, weight_type)
        self._symbols = list(checkpoint.symbols)
        self._cleaner = checkpoint.config.train.cleaner
        self._uses_arpabet = checkpoint.config.train.p_arpabet > 0
        self._lexicon = Lexicon(
            {word: tuple(phones.split()) for word, phones in checkpoint.lexicon.items()}
        )
        self._vocoder: Vocoder = VOCODERS[vocoder](self.audio)

    def speak(
        self,
        text: str,
        *,
        gate_threshold: float = 0.5,
        max_seconds: float = 0.0,
        seed: int = 1234,
    ) -> Speech:
        """Speak a text, sentence by sentence.

        Args:
            text: any text; pronunciations in braces, ``{HH AH0 L OW1}``.
            gate_threshold: probability of the gate at which a sentence is over, 0 to 1.
            max_seconds: where a sentence that never stops is cut; 0 judges by its length.
            seed: of the prenet's dropout; another one speaks a little differently.

        Raises:
            TextError: nothing in the text can be spoken.
        """
        sentences = split_sentences(text)
        if not sentences:
            raise TextError("There is no text to speak. Write some words.")
        readable = [sentence for sentence in sentences if self._can_be_spoken(sentence)]
        if not readable:
            self._ids(sentences[0])  # says why
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            spoken = [self._speak_sentence(s, gate_threshold, max_seconds) for s in readable]
        left_out = [sentence for sentence in sentences if sentence not in readable]
        pause = torch.zeros(int(_PAUSE_SECONDS * self.audio.sample_rate))
        parts = [part for sentence in spoken for part in (sentence.waveform, pause)][:-1]
        return Speech(
            torch.cat(parts), self.audio.sample_rate, spoken, self._spelled(text), left_out
        )

    def _ids(self, text: str) -> list[int]:
        return text_to_ids(self._pronounce(text), self._cleaner, self._symbols)

    def _can_be_spoken(self, text: str) -> bool:
        try:
            return bool(self._ids(text))
        except TextError:
            return False

    def _speak_sentence(self, text: str, gate_threshold: float, max_seconds: float) -> Sentence:
        ids = self._ids(text)
        frames_per_second = self.audio.sample_rate / self.audio.hop_length
        limit = max(_MIN_MAX_FRAMES, _MAX_FRAMES_PER_SYMBOL * len(ids))
        if max_seconds > 0:
            limit = max(1, round(max_seconds * frames_per_second))
        out, lengths = self._model.infer(
            torch.tensor([ids], device=self._device),
            torch.tensor([len(ids)], device=self._device),
            max_frames=limit,
            gate_threshold=gate_threshold,
            packed=self._packed,
        )
        last_gate = torch.sigmoid(out.gate[0, int(lengths[0]) - 1])
        alignment = out.alignment[0].float().cpu().numpy()
        return Sentence(
            text=text,
            waveform=self._vocoder(out.mel_postnet)[0].float().cpu(),
            mel=out.mel_postnet[0].float().cpu().numpy(),
            alignment=alignment,
            score=score_alignment(
                alignment, self._model.decoder.n_frames_per_step, spoken_symbols(ids, self._symbols)
            ),
            stopped=bool(last_gate > gate_threshold),
        )

    def _pronounce(self, text: str) -> str:
        if not self._uses_arpabet:
            return text
        return self._lexicon.apply(clean(text, self._cleaner))

    def _spelled(self, text: str) -> list[str]:
        if not self._uses_arpabet or not self._lexicon.entries:
            return []
        outside = re.sub(r"\{[^{}]*\}", " ", self._pronounce(text))
        return list(dict.fromkeys(re.findall(r"[a-z]+(?:'[a-z]+)*", outside.lower())))


def split_sentences(text: str) -> list[str]:
    """Cut a text at its sentences' ends and its line breaks; marks stay with their sentence."""
    pieces: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        pieces.append(text[start : end.end()].strip())
        start = end.end()
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if any(letter.isalnum() for letter in piece)]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
