"""Is it understood? Recognisers that write down what is said, and the word error rate."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt

RECOGNISER_SAMPLE_RATE = 16_000
"""Hz, that of pocketsphinx's English model."""

WORD_INSERTION_PENALTY = 0.05
"""Factor on a path's probability for each word. Any word may follow any other here, so at
pocketsphinx's 0.65 the recogniser hears additional short words (8 % against 5 % of words)."""

BEAM = 1e-40
"""Smallest probability, relative to the best path's, that is followed. Halves the time that
pocketsphinx's 1e-48 takes, with no more errors on the demo voice."""

PEAK = 0.8
"""Of full scale; what each clip is scaled to, so that loudness does not count."""


SILENCE_SECONDS = 0.2
"""Put before and after each clip: of one that begins or ends with a word, the recogniser loses
that word, and at times everything."""


class RecogniserError(RuntimeError):
    """The recogniser cannot be set up; the text says why and what to do."""


class WordGrammarRecogniser:
    """Hears any sequence of a small vocabulary's words, and nothing else (pocketsphinx).

    Args:
        vocabulary: lower-case word -> its ARPAbet phones, with or without stress digits. Used for
            the words that pocketsphinx's own dictionary lacks.

    Raises:
        RecogniserError: if pocketsphinx is not installed, or the vocabulary is empty or has a word
            or phone that pocketsphinx cannot take.
    """

    def __init__(self, vocabulary: Mapping[str, Sequence[str]]) -> None:
        if not vocabulary:
            raise RecogniserError("The vocabulary is empty. Give at least one word.")
        self._decoder: Any = _pocketsphinx().Decoder(
            lm=None, loglevel="FATAL", wip=WORD_INSERTION_PENALTY, beam=BEAM, pbeam=BEAM
        )
        for word, phones in vocabulary.items():
            self._add_word(word, phones)
        words = " | ".join(sorted(vocabulary))
        self._decoder.add_jsgf_string(
            "words", f"#JSGF V1.0; grammar words; public <sentence> = ({words})+ ;"
        )
        self._decoder.activate_search("words")

    def transcribe(self, waveform: npt.NDArray[np.float32], sample_rate: int) -> list[str]:
        """Write down what is said.

        Args:
            waveform: (T_wav,) float32, of any loudness.
            sample_rate: Hz.

        Returns:
            Words of the vocabulary; none where nothing is heard.

        Raises:
            ValueError: if the waveform is not one-dimensional.
        """
        return _transcribe(self._decoder, waveform, sample_rate)

    def _add_word(self, word: str, phones: Sequence[str]) -> None:
        if not word.replace("'", "").isalpha() or word != word.lower():
            raise RecogniserError(f"{word!r} is no word of small letters. Spell it with letters.")
        if self._decoder.lookup_word(word) is not None:
            return
        # pocketsphinx's phones carry no stress.
        plain = " ".join(phone.rstrip("012") for phone in phones)
        try:
            self._decoder.add_word(word, plain, False)
        except RuntimeError as error:
            raise RecogniserError(
                f"pocketsphinx cannot take the word {word!r} with the phones {plain!r}. "
                "Spell them in ARPAbet."
            ) from error


class DictationRecogniser:
    """Hears English of any kind, with the language model that pocketsphinx carries.

    What it makes of a sentence it also guesses from the words around: of an unclear voice it writes
    down other words that go together.

    Raises:
        RecogniserError: if pocketsphinx is not installed.
    """

    def __init__(self) -> None:
        self._decoder: Any = _pocketsphinx().Decoder(loglevel="FATAL")

    def transcribe(self, waveform: npt.NDArray[np.float32], sample_rate: int) -> list[str]:
        """Write down what is said.

        Args:
            waveform: (T_wav,) float32, of any loudness.
            sample_rate: Hz.

        Returns:
            Words in lower case; none where nothing is heard.

        Raises:
            ValueError: if the waveform is not one-dimensional.
        """
        return _transcribe(self._decoder, waveform, sample_rate)

    def knows(self, word: str) -> bool:
        """Whether a lower-case word is in its dictionary; others it never hears."""
        return self._decoder.lookup_word(word) is not None


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest words to insert, delete or replace that turn one sequence into the other.

    Args:
        reference: words that were to be said.
        hypothesis: words that were heard.

    Returns:
        The edit distance (Levenshtein) in words.
    """
    costs = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, start=1):
        diagonal, costs[0] = costs[0], i
        for j, heard in enumerate(hypothesis, start=1):
            replaced = diagonal + (said != heard)
            diagonal = costs[j]
            costs[j] = min(replaced, costs[j] + 1, costs[j - 1] + 1)
    return costs[-1]


def word_error_rate(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float:
    """Errors of all clips over the words of all clips.

    Args:
        pairs: of each clip the reference and the hypothesis.

    Returns:
        0 where every word was understood; above 1 where more was heard than said.

    Raises:
        ValueError: if the references hold no word.
    """
    errors = words = 0
    for reference, hypothesis in pairs:
        errors += word_errors(reference, hypothesis)
        words += len(reference)
    if words == 0:
        raise ValueError("there is no word in the references, so there is no error rate")
    return errors / words


def _pocketsphinx() -> Any:
    try:
        return importlib.import_module("pocketsphinx")
    except ImportError as error:
        raise RecogniserError(
            "Listening to the voice needs pocketsphinx, which is not installed here. "
            'Run: pip install "ponytaco[evaluate]".'
        ) from error


def _transcribe(decoder: Any, waveform: npt.NDArray[np.float32], sample_rate: int) -> list[str]:
    if waveform.ndim != 1:
        raise ValueError(f"waveform must be (T_wav,), but its shape is {waveform.shape}")
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak == 0.0:
        return []
    resampled = librosa.resample(
        waveform / peak, orig_sr=sample_rate, target_sr=RECOGNISER_SAMPLE_RATE
    )
    padded = np.pad(resampled, round(SILENCE_SECONDS * RECOGNISER_SAMPLE_RATE))
    samples = (np.clip(PEAK * padded, -1, 1) * 32767).astype(np.int16)
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr.split() if hypothesis is not None else []
