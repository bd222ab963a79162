"""Alignment of many clips on all cores, in their order."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from data_prep.alignment.aligner import SAMPLE_RATE, Aligner, Alignment, is_installed
from data_prep.alignment.words import Speller, Word
from data_prep.audio import Waveform, pcm16, resample
from data_prep.pronunciation import can_pronounce
from ponytaco.errors import PonytacoError
from ponytaco.text.lexicon import Lexicon

CLIPS_PER_PROCESS = 25
"""Fewer are aligned sooner than another process starts."""

PEAK = 0.8
"""Level that clips are scaled to, of full scale, so that loudness does not count."""

LEAST_SCORE = -3.5
"""Score below which a text is not what is said. Measured on 560 clips of four voices: 99 % above
-2.7 with their own text, all below -4 with another of the same length."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Sound:
    """What is to be aligned."""

    text: str
    waveform: Waveform
    """(T_wav,)."""

    sample_rate: int
    """Hz."""


class AlignmentError(PonytacoError):
    """Alignment stopped; the message tells why and what to do."""


@dataclass(frozen=True)
class Outcome:
    """What became of a clip."""

    alignment: Alignment | None = None
    """None if it was not aligned, or is suspicious."""

    suspicion: str = ""
    """Why its text may not be what is said, as a sentence; empty if nothing tells against it."""

    score: float | None = None
    """Of the alignment, be it used or not."""


def why_not() -> str:
    """Tell in one sentence why nothing can be aligned here; empty if it can."""
    if is_installed() and can_pronounce():
        return ""
    return 'Clips without phone times could be aligned: pip install "ponytaco[align]"'


class AlignmentPool:
    """Aligns clips on all cores: ``with AlignmentPool(...) as pool: pool.outcomes(...)``.

    Args:
        n_clips: how many will come, at most; 0 to align nothing.
        lexicons: dictionaries asked before the installed one.
    """

    def __init__(self, n_clips: int, lexicons: Sequence[Lexicon] = ()) -> None:
        self._is_on = n_clips > 0
        self._speller = Speller(lexicons)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._n_processes = min(cores or 1, n_clips // CLIPS_PER_PROCESS)
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._executor is None:
            return
        processes = list(getattr(self._executor, "_processes", {}).values())
        self._executor.shutdown(wait=error is None, cancel_futures=True)
        for process in processes if error else []:
            process.terminate()  # otherwise this process would wait for the last clips

    def outcomes(
        self, items: Iterable[Item], to_align: Callable[[Item], Sound | None]
    ) -> Iterator[tuple[Item, Outcome]]:
        """Align the clips of items.

        Args:
            items: read a little ahead of what is given back.
            to_align: what to align of an item; None for nothing.

        Yields:
            Each item in order, with what became of it.

        Raises:
            AlignmentError: another process died.
        """
        pending: deque[tuple[Item, Future[Alignment | None] | Outcome]] = deque()
        for item in items:
            pending.append((item, self._begin(to_align(item))))
            while len(pending) > 4 * self._n_processes:
                yield _finish(*pending.popleft())
        while pending:
            yield _finish(*pending.popleft())

    def _begin(self, sound: Sound | None) -> Future[Alignment | None] | Outcome:
        words = self._speller.words(sound.text) if sound and self._is_on else ()
        if sound is None or not words:
            return Outcome()
        samples = pcm16_16khz(sound.waveform, sound.sample_rate)
        if self._n_processes <= 1:
            return verdict(_align(samples, words))
        if self._executor is None:  # not before there is something to do
            self._executor = ProcessPoolExecutor(
                self._n_processes,
                # Not forked: torch's threads may hold locks.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=signal.signal,
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )
        return self._executor.submit(_align, samples, words)


def _finish(item: Item, begun: Future[Alignment | None] | Outcome) -> tuple[Item, Outcome]:
    if isinstance(begun, Outcome):
        return item, begun
    try:
        return item, verdict(begun.result())
    except BrokenProcessPool:
        raise AlignmentError(
            "A process that aligned clips was stopped, probably for want of memory. Run the "
            "command again, or leave alignment out: --align off"
        ) from None


_aligner: Aligner | None = None  # one a process: it keeps its dictionary


def _align(samples: bytes, words: Sequence[Word]) -> Alignment | None:
    global _aligner
    _aligner = _aligner or Aligner()
    return _aligner.align(samples, words)


def pcm16_16khz(waveform: Waveform, sample_rate: int) -> bytes:
    """Return a sound as `Aligner.align` takes it, at one level."""
    peak = float(np.abs(waveform).max(initial=0.0)) or 1.0
    return pcm16(resample(waveform * np.float32(PEAK / peak), sample_rate, SAMPLE_RATE)).tobytes()


def verdict(alignment: Alignment | None) -> Outcome:
    """Judge by an alignment, or by its failure, whether the text is what is said."""
    if alignment is None:
        return Outcome(suspicion="No way of speaking its text fits its sound.")
    score = round(alignment.score, 2)
    if score >= LEAST_SCORE:
        return Outcome(alignment, score=score)
    why = f"Its text fits its sound badly ({score:.1f}; {LEAST_SCORE:g} would do)."
    return Outcome(suspicion=why, score=score)
