"""Waveforms as all judges take them."""

from __future__ import annotations

from typing import TypeAlias

import librosa
import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
"""Hz, of every judge's model."""

Waveform: TypeAlias = npt.NDArray[np.float32]
"""(T_wav,) float32."""


def prepared(waveform: Waveform, sample_rate: int) -> Waveform:
    """Resample a waveform to ``SAMPLE_RATE``; what is not finite becomes silence.

    Args:
        waveform: (T_wav,), of any loudness; a young voice may have overflowed.
        sample_rate: its rate, Hz.

    Returns:
        (T_wav,) float32, at least one sample.
    """
    finite = np.nan_to_num(waveform.astype(np.float32), posinf=0.0, neginf=0.0)
    if sample_rate != SAMPLE_RATE:
        finite = librosa.resample(finite, orig_sr=sample_rate, target_sr=SAMPLE_RATE)
    return finite if finite.size else np.zeros(1, dtype=np.float32)
