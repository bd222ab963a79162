"""Forced alignment: when each word and each phone of a known text is spoken in a clip.

pocketsphinx does it with the English acoustic model in its wheel, in two passes: the first finds
the words, their pauses and which of their pronunciations was spoken, the second the phones within
each word.
"""

import importlib
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data_prep.alignment.words import Phones, Word
from data_prep.labels import Interval

SAMPLE_RATE = 16_000
"""Hz, of pocketsphinx's model."""

EDGE_SECONDS = 0.2
"""Silence added at both ends: the model expects some there, and trimmed clips have none."""

FRAME_SECONDS = 0.01

OFFSET_SECONDS = 0.013
"""Added to all times: a frame stands for the middle of its window of 25.6 ms."""

BEAMS = (1e-60, 1e-200)
"""Smallest probabilities, relative to the best path's, that are followed: of the first try, and of
the one after it, where no path reached the end."""

SILENCE_PROBABILITY = 0.2
"""Of a pause between two words; pocketsphinx's 0.005 misses short ones."""

_NATS = 1024 * math.log(1.0001)  # of one unit of pocketsphinx's scores


@dataclass(frozen=True)
class Alignment:
    """Times in seconds from the clip's start."""

    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]
    """With "sil" at the edges and "sp" at pauses, without gaps."""

    score: float
    """Mean logarithm of a frame's likelihood in speech, relative to the likeliest of the sounds
    that were compared: 0 at best."""


def is_installed() -> bool:
    """Whether pocketsphinx is installed."""
    return importlib.util.find_spec("pocketsphinx") is not None


@dataclass(frozen=True)
class _Segment:
    """A word or a silence, as pocketsphinx names it."""

    name: str
    phones: list[tuple[int, int, int]]
    """First frame, number of frames, and score of each."""

    @property
    def is_silence(self) -> bool:
        return self.name[0] in "<["

    @property
    def variant(self) -> int:
        """Which of the word's pronunciations was spoken."""
        return int(self.name.rstrip(")").partition("(")[2] or 1) - 1

    @property
    def start(self) -> int:
        return self.phones[0][0]

    @property
    def end(self) -> int:
        return self.phones[-1][0] + self.phones[-1][1]


class Aligner:
    """Aligns clips with their texts, one after the other."""

    def __init__(self) -> None:
        self._sphinx: Any = importlib.import_module("pocketsphinx")
        self._decoders: dict[float, _Decoder] = {}

    def align(self, samples: bytes, words: Sequence[Word]) -> Alignment | None:
        """Align one clip.

        Args:
            samples: mono PCM16 at 16 kHz.
            words: its text.

        Returns:
            The times; None if no way of speaking the text fits the sound.
        """
        seconds = len(samples) / 2 / SAMPLE_RATE
        edge = bytes(2 * round(EDGE_SECONDS * SAMPLE_RATE))
        for beam in BEAMS:
            if beam not in self._decoders:
                self._decoders[beam] = _Decoder(self._sphinx, beam)
            segments = self._decoders[beam](edge + samples + edge, words)
            if segments:
                return _timed(segments, words, seconds)
        return None


class _Decoder:
    """A pocketsphinx decoder of one beam, with a dictionary of what it was asked for."""

    def __init__(self, sphinx: Any, beam: float) -> None:
        self._decoder = sphinx.Decoder(
            lm=None, dict=None, loglevel="FATAL", beam=beam, pbeam=beam, wbeam=beam,
            silprob=SILENCE_PROBABILITY,
            # The best path through its lattice may have words too short for their phones.
            bestpath=False,
        )  # fmt: skip
        self._names: dict[tuple[Phones, ...], str] = {}

    def __call__(self, samples: bytes, words: Sequence[Word]) -> list[_Segment]:
        """Return the words and silences of a clip in order; none if no path reached the end."""
        try:
            self._decoder.set_align_text(" ".join(self._name(w.pronunciations) for w in words))
            self._process(samples)
            self._decoder.set_alignment()
            self._process(samples)
        except RuntimeError:  # "Failed to stop utterance processing"
            return []
        return [
            _Segment(word.name, [(p.start, p.duration, p.score) for p in word])
            for word in self._decoder.get_alignment()
        ]

    def _name(self, variants: tuple[Phones, ...]) -> str:
        """Return the dictionary's name of a word with these pronunciations: w7, w7(2), w7(3)."""
        if variants not in self._names:
            name = self._names[variants] = f"w{len(self._names)}"
            for number, phones in enumerate(variants, start=1):
                plain = " ".join(phone.rstrip("012") for phone in phones)
                self._decoder.add_word(f"{name}({number})" if number > 1 else name, plain, False)
        return self._names[variants]

    def _process(self, samples: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()


def _timed(segments: Sequence[_Segment], words: Sequence[Word], seconds: float) -> Alignment:
    """Turn frames into times of the clip, and plain phones into those of the dictionary."""
    spoken_words, phones = [], []
    remaining = iter(words)
    score = n_frames = 0
    for number, segment in enumerate(segments):
        start, end = (_time(frame, seconds) for frame in (segment.start, segment.end))
        if segment.is_silence:
            at_edge = number in (0, len(segments) - 1)
            phones.append(Interval("sil" if at_edge else "sp", start, end))
            continue
        word = next(remaining)
        spoken_words.append(Interval(word.content, start, end))
        spoken = word.pronunciations[segment.variant]
        phones += [
            Interval(phone, _time(first, seconds), _time(first + length, seconds))
            for phone, (first, length, _) in zip(spoken, segment.phones, strict=True)
        ]
        score += sum(part for _, _, part in segment.phones)
        n_frames += segment.end - segment.start
    per_frame = score * _NATS / n_frames
    return Alignment(tuple(spoken_words), tuple(phones), per_frame)


def _time(frame: int, seconds: float) -> float:
    return min(max(frame * FRAME_SECONDS + OFFSET_SECONDS - EDGE_SECONDS, 0.0), seconds)
