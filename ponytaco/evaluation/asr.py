"""The recogniser that fits the texts: it listens to the voice and to the real clips alike."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt

from ponytaco.errors import PonytacoError
from ponytaco.text.encode import clean
from ponytaco.text.lexicon import Lexicon

# A list of words up to which any of them may follow any other. Its search takes time in
# proportion to the list: 90 words half the sound's duration, 235 words four times it.
_MOST_LISTED = 120

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


class SpeechRecogniser:
    """Writes down what is said, in the way that tells voices apart best.

    Texts of few words, such as the demo voice's, are heard as words of their list: nothing but the
    sound decides. Other texts are taken down with pocketsphinx's language model.

    Args:
        words: all that will be heard.
        lexicon: pronunciations of words that pocketsphinx may lack.

    Raises:
        RecogniserError: pocketsphinx is not installed.
    """

    def __init__(self, words: Collection[str], lexicon: Lexicon) -> None:
        dictation = DictationRecogniser()
        phones = {word: lexicon.lookup(word) or () for word in sorted(words)}
        unknown = [word for word in phones if not phones[word] and not dictation.knows(word)]
        self._lexicon = lexicon
        self._listed: frozenset[str] | None = None
        self._recogniser: DictationRecogniser | WordGrammarRecogniser = dictation
        self.name = "pocketsphinx with its English language model"
        if 0 < len(phones) <= _MOST_LISTED and not unknown:
            self._recogniser = WordGrammarRecogniser(phones)
            self._listed = frozenset(phones)
            self.name = f"pocketsphinx with a list of the {len(phones)} words that occur"

    def also_for(self, words: Collection[str]) -> SpeechRecogniser:
        """This one, if it can hear these words, too; otherwise one that can hear both."""
        if self._listed is None or self._listed.issuperset(words):
            return self
        return SpeechRecogniser(self._listed.union(words), self._lexicon)

    def transcribe(self, waveform: npt.NDArray[np.float32], sample_rate: int) -> list[str]:
        """Write down what is said.

        Args:
            waveform: (T_wav,).
            sample_rate: Hz.
        """
        return self._recogniser.transcribe(waveform, sample_rate)


def spoken_words(text: str, cleaner: str) -> list[str]:
    """The words of a text as a recogniser writes them, numbers in words.

    None where some of them are given as phones in braces, which no recogniser writes.
    """
    cleaned = clean(text, cleaner).lower()
    return [] if "{" in cleaned else _WORD.findall(cleaned.replace("’", "'"))


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


class RecogniserError(PonytacoError):
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
