"""Automatic speech recognition: writes down what the voice and the real clips say."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt

from ponytaco.errors import PonytacoError
from ponytaco.text.lexicon import Lexicon

RECOGNISER_SAMPLE_RATE = 16_000
"""Hz, of pocketsphinx's English model."""

WORD_INSERTION_PENALTY = 0.05
"""Factor on a path's probability for each word. In a word grammar any word may follow any other,
so at pocketsphinx's 0.65 the recogniser hears additional short words (8 % against 5 % of words)."""

BEAM = 1e-40
"""Smallest probability, relative to the best path's, that is followed. Halves the time that
pocketsphinx's 1e-48 takes, with no more errors on the demo voice."""

PEAK = 0.8
"""Level that each clip is scaled to, of full scale, so that loudness does not count."""

SILENCE_SECONDS = 0.2
"""Added before and after each clip: without it the recogniser loses a word at the edge, and at
times everything."""

# Longest list of words that makes a grammar. The search takes time in proportion to the list: 90
# words half the sound's duration, 235 words four times it.
_MOST_LISTED = 120


class RecogniserError(PonytacoError):
    """The recogniser cannot be set up; the message tells why and what to do."""


class SpeechRecogniser:
    """Recognises speech in the way that tells voices apart best.

    For texts of few words, such as the demo voice's, any sequence of those words is possible, so
    the sound alone decides. Other texts are recognised with pocketsphinx's language model.

    Args:
        words: all that will be spoken.
        lexicon: pronunciations of words that pocketsphinx may lack.

    Raises:
        RecogniserError: pocketsphinx is not installed.
    """

    def __init__(self, words: Collection[str], lexicon: Lexicon) -> None:
        self._recogniser = dictation_recogniser()
        phones = {word: lexicon.lookup(word) or () for word in sorted(words)}
        unknown = [w for w in phones if not phones[w] and not self._recogniser.knows(w)]
        self._lexicon = lexicon
        self._listed: frozenset[str] | None = None
        self.name = "pocketsphinx with its English language model"
        if 0 < len(phones) <= _MOST_LISTED and not unknown:
            self._recogniser = word_grammar_recogniser(phones)
            self._listed = frozenset(phones)
            self.name = f"pocketsphinx with a list of the {len(phones)} words that occur"

    def also_for(self, words: Collection[str]) -> SpeechRecogniser:
        """Return this recogniser if it can hear these words too, else one that hears both."""
        if self._listed is None or self._listed.issuperset(words):
            return self
        return SpeechRecogniser(self._listed.union(words), self._lexicon)

    def transcribe(self, waveform: npt.NDArray[np.float32], sample_rate: int) -> list[str]:
        """Transcribe a clip, as ``PocketsphinxRecogniser`` does."""
        return self._recogniser.transcribe(waveform, sample_rate)


class PocketsphinxRecogniser:
    """A pocketsphinx decoder, with clips resampled and levelled for it.

    Args:
        decoder: a ``pocketsphinx.Decoder``, which has no type information.
    """

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def transcribe(self, waveform: npt.NDArray[np.float32], sample_rate: int) -> list[str]:
        """Transcribe a clip.

        Args:
            waveform: (T_wav,) float32, of any loudness.
            sample_rate: Hz.

        Returns:
            Words in lower case; none where nothing is heard.

        Raises:
            ValueError: the waveform is not one-dimensional.
        """
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
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr.split() if hypothesis is not None else []

    def knows(self, word: str) -> bool:
        """Return whether a lower-case word is in the dictionary; others are never heard."""
        return self._decoder.lookup_word(word) is not None


def dictation_recogniser() -> PocketsphinxRecogniser:
    """Make a recogniser of English with pocketsphinx's language model.

    It also guesses from neighbouring words: of an unclear voice it hears others that go together.

    Raises:
        RecogniserError: pocketsphinx is not installed.
    """
    return PocketsphinxRecogniser(_pocketsphinx().Decoder(loglevel="FATAL"))


def word_grammar_recogniser(vocabulary: Mapping[str, Sequence[str]]) -> PocketsphinxRecogniser:
    """Make a recogniser of any sequence of a small vocabulary's words, and nothing else.

    Args:
        vocabulary: lower-case word -> its ARPAbet phones, with or without stress digits; they
            matter for words that pocketsphinx's own dictionary lacks.

    Raises:
        RecogniserError: pocketsphinx is not installed, or the vocabulary is empty or has a word
            or phone that pocketsphinx cannot take.
    """
    if not vocabulary:
        raise RecogniserError("The vocabulary is empty. Give at least one word.")
    decoder = _pocketsphinx().Decoder(
        lm=None, loglevel="FATAL", wip=WORD_INSERTION_PENALTY, beam=BEAM, pbeam=BEAM
    )
    for word, phones in vocabulary.items():
        _add_word(decoder, word, phones)
    words = " | ".join(sorted(vocabulary))
    decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar words; public <sentence> = ({words})+ ;")
    decoder.activate_search("words")
    return PocketsphinxRecogniser(decoder)


def _add_word(decoder: Any, word: str, phones: Sequence[str]) -> None:
    if not word.replace("'", "").isalpha() or word != word.lower():
        raise RecogniserError(f"{word!r} is not a word of lower-case letters. Spell it with them.")
    if decoder.lookup_word(word) is not None:
        return
    # pocketsphinx's phones carry no stress.
    plain = " ".join(phone.rstrip("012") for phone in phones)
    try:
        decoder.add_word(word, plain, False)
    except RuntimeError as error:
        raise RecogniserError(
            f"pocketsphinx cannot take the word {word!r} with the phones {plain!r}. "
            "Spell them in ARPAbet."
        ) from error


def _pocketsphinx() -> Any:
    try:
        return importlib.import_module("pocketsphinx")
    except ImportError as error:
        raise RecogniserError(
            "Speech recognition needs pocketsphinx, which is not installed here. "
            'Run: pip install "ponytaco[evaluate]".'
        ) from error
