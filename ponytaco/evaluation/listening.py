"""The recogniser that fits the texts: it listens to the voice and to the real clips alike."""

from __future__ import annotations

import re
from collections.abc import Collection

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

    def also_for(self, words: Collection[str]) -> Listener:
        """This one, if it can hear these words, too; otherwise one that can hear both."""
        if self._listed is None or self._listed.issuperset(words):
            return self
        return Listener(self._listed.union(words), self._lexicon)

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
