"""The recogniser that fits the texts: it listens to the voice and to the real clips alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ponytaco.intelligibility import DictationRecogniser, WordGrammarRecogniser
from ponytaco.text import Lexicon, clean

# A list of words up to which any of them may follow any other. Its search takes time in
# proportion to the list: 90 words half the sound's duration, 235 words four times it.
_MOST_LISTED = 120

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


class Listener:
    """Writes down what is said, in the way that tells voices apart best.

    Texts of few words, such as the demo voice's, are heard as words of their list: nothing but the
    sound decides. Other texts are taken down with pocketsphinx's language model.

    Args:
        texts: the words of each text that will be heard.
        lexicon: pronunciations of words that pocketsphinx may lack.

    Raises:
        RecogniserError: pocketsphinx is not installed.
    """

    def __init__(self, texts: Sequence[Sequence[str]], lexicon: Lexicon) -> None:
        words = sorted({word for text in texts for word in text})
        dictation = DictationRecogniser()
        phones = {word: lexicon.lookup(word) or () for word in words}
        unknown = [word for word in words if not phones[word] and not dictation.knows(word)]
        self._recogniser: DictationRecogniser | WordGrammarRecogniser = dictation
        self.name = "pocketsphinx with its English language model"
        if 0 < len(words) <= _MOST_LISTED and not unknown:
            self._recogniser = WordGrammarRecogniser(phones)
            self.name = f"pocketsphinx with a list of the {len(words)} words that occur"

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
