"""Letter-to-sound (grapheme-to-phoneme, G2P): phones of English words in no dictionary."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
"""What a word may consist of; a network's embedding has padding before them."""

MODEL_PATH = Path(__file__).with_suffix(".npz")
_LONGEST = 40  # letters; what is longer is hardly a word

Phones = tuple[str, ...]
_Way = tuple[float, Phones]  # a score, and a letter's phones


@dataclass(frozen=True)
class LetterToSound:
    """Residual convolutions over a word's letters, which tell the phones of each letter.

    Trained on the CMU Pronouncing Dictionary by ``experiments/letter_to_sound.py``.
    """

    chunks: list[Phones]
    """The classes: none, one or two phones."""
    embedding: npt.NDArray[np.float32]
    """(letters + 1, width)."""
    kernels: npt.NDArray[np.float32]
    """(layers, kernel size * width, width)."""
    biases: npt.NDArray[np.float32]
    """(layers, width)."""
    output: npt.NDArray[np.float32]
    """(width, classes)."""
    output_bias: npt.NDArray[np.float32]
    """(classes,)."""

    @classmethod
    def read(cls, path: Path = MODEL_PATH) -> LetterToSound:
        """Read a model that ``experiments/letter_to_sound.py`` wrote."""
        import numpy as np  # the command's help does without it

        with np.load(path, allow_pickle=False) as file:
            weights = {name: file[name].astype(np.float32) for name in file if name != "chunks"}
            return cls([tuple(chunk.split()) for chunk in file["chunks"].tolist()], **weights)

    def guess(self, word: str) -> Phones:
        """Return a word's probable phones; none where it is no word of Latin letters.

        Args:
            word: lower-case letters and apostrophes, at most 40.
        """
        if not 0 < len(word) <= _LONGEST or not set(LETTERS).issuperset(word):
            return ()
        logits = self._logits([LETTERS.index(letter) + 1 for letter in word])
        return self._stressed(logits)

    def _logits(self, letters: list[int]) -> npt.NDArray[np.float32]:
        import numpy as np

        x = self.embedding[letters]  # (T, width)
        width = x.shape[1]
        size = self.kernels.shape[1] // width
        padded = np.zeros((len(letters) + size - 1, width), np.float32)
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            padded[size // 2 : size // 2 + len(letters)] = x
            windows = np.concatenate([padded[i : i + len(letters)] for i in range(size)], axis=1)
            x = x + np.maximum(windows @ kernel + bias, 0)
        return x @ self.output + self.output_bias

    def _stressed(self, logits: npt.NDArray[np.float32]) -> Phones:
        """Return the likeliest phones, with the primary stress on one vowel that can have it."""
        best = [self.chunks[number] for number in logits.argmax(1)]
        ways = [self._ways(scores, chunk) for scores, chunk in zip(logits, best, strict=True)]
        vowels = [place for place, (with_1, _) in enumerate(ways) if with_1[0] > -math.inf]
        main = max(vowels, key=lambda place: ways[place][0][0] - ways[place][1][0], default=-1)
        chosen = [way[place != main][1] for place, way in enumerate(ways)]
        return tuple(phone for chunk in chosen for phone in chunk)

    def _ways(self, scores: npt.NDArray[np.float32], chunk: Phones) -> tuple[_Way, _Way]:
        """Return the best of a chunk's stresses with a primary one, and the best without."""
        same = [(float(scores[n]), self.chunks[n]) for n in self._by_sounds[_sounds(chunk)]]
        with_1 = [way for way in same if _is_primary(way[1])]
        without = [way for way in same if not _is_primary(way[1])]
        unstressed = tuple(phone.replace("1", "2") for phone in chunk)
        return max(with_1, default=(-math.inf, chunk)), max(
            without, default=(-math.inf, unstressed)
        )

    @functools.cached_property
    def _by_sounds(self) -> dict[Phones, list[int]]:
        numbers: dict[Phones, list[int]] = {}
        for number, chunk in enumerate(self.chunks):
            numbers.setdefault(_sounds(chunk), []).append(number)
        return numbers


def _sounds(chunk: Phones) -> Phones:
    return tuple(phone.rstrip("012") for phone in chunk)


def _is_primary(chunk: Phones) -> bool:
    return any(phone.endswith("1") for phone in chunk)


@functools.cache
def letter_to_sound() -> LetterToSound:
    """Return the model that the package carries."""
    return LetterToSound.read()
