"""Mel-cepstral distortion, length and pitch of speech against a real clip of the same text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import librosa
import numpy as np
import numpy.typing as npt
from scipy.fft import dct  # type: ignore[import-untyped]  # ships no type information

# c1 to c13. c0 is the loudness, which does not depend on what is spoken.
_N_CEPSTRA = 13
# Decibels per unit of a magnitude's natural logarithm.
_DECIBELS = 20 / np.log(10)

# The range of speaking voices, of deep men as of cartoon ponies (Hz).
_LOWEST_PITCH, _HIGHEST_PITCH = 65.0, 800.0
# With fewer frames voiced in both clips (a quarter second) a correlation is chance.
_FEWEST_VOICED = 20

# Distortion that halves a score. Good synthesis of real voices has 4 to 6 dB.
_HALVING_DECIBELS = 6.0


@dataclass(frozen=True)
class MelSimilarity:
    """Similarity of a spoken clip to the real one."""

    mel_cepstral_distortion: float
    """Decibels, mean along the best path in time; 0 is the same sound."""
    length: float
    """Length over the real clip's."""

    @property
    def score(self) -> float:
        """0 to 1: halved every 6 dB, times the ratio of the lengths, shorter to longer."""
        return 0.5 ** (self.mel_cepstral_distortion / _HALVING_DECIBELS) * min(
            self.length, 1 / self.length
        )


def mel_cepstra(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the envelope of the spectrum in 13 numbers a frame.

    Args:
        mel: (n_mels, T_mel), natural logarithm of magnitudes.

    Returns:
        (13, T_mel), c1 to c13, scaled so that the Euclidean distance between two frames is the
        root mean square difference of their smoothed spectra, in decibels.
    """
    spectra = np.asarray(mel, dtype=np.float64)
    cepstra = dct(spectra, axis=0, norm="ortho")[1 : 1 + _N_CEPSTRA]
    return np.asarray(_DECIBELS / np.sqrt(len(spectra)) * cepstra)


def best_path(
    cepstra: npt.NDArray[np.float64], real: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Match the frames of two clips by dynamic time warping.

    Args:
        cepstra: (13, T_mel) of ``mel_cepstra``.
        real: (13, T_real) likewise.

    Returns:
        (n, 2) pairs of frames, from the first pair to the last; every frame is in one.
    """
    _, path = librosa.sequence.dtw(cepstra, real, metric="euclidean")
    return path[::-1]


def compare_mels(mel: npt.ArrayLike, real: npt.ArrayLike) -> MelSimilarity:
    """Compare a spoken mel with that of the real clip.

    The mel-cepstral distortion is ``10 / ln 10 * sqrt(2 * sum over k = 1..13 of (c_k - c'_k)^2)``
    (Kubichek 1993, "Mel-cepstral distance measure for objective speech quality assessment"), mean
    over the pairs of frames of the best path. The cepstra are those of the mel, without c0, as in
    Skerry-Ryan et al. 2018 ("Towards end-to-end prosody transfer"); in terms of the orthonormal
    cosine transform C of n_mels logarithms, ``c_k = sqrt(2 / n_mels) * C_k``.

    Args:
        mel: (n_mels, T_mel), natural logarithm of magnitudes, T_mel at least 1.
        real: (n_mels, T_real) likewise.

    Returns:
        The similarity; of a mel that is not finite, as a diverged voice makes it, the distortion
        is infinite and the score 0.

    Raises:
        ValueError: one has no frame, or they differ in their number of bands.
    """
    spoken, wanted = np.asarray(mel), np.asarray(real)
    if 0 in (*spoken.shape, *wanted.shape) or len(spoken) != len(wanted):
        raise ValueError(f"Mels of {spoken.shape} and {wanted.shape} cannot be compared.")
    length = spoken.shape[1] / wanted.shape[1]
    if not np.isfinite(spoken).all():
        return MelSimilarity(math.inf, length)
    cepstra, real_cepstra = mel_cepstra(spoken), mel_cepstra(wanted)
    path = best_path(cepstra, real_cepstra)
    distances = np.linalg.norm(cepstra[:, path[:, 0]] - real_cepstra[:, path[:, 1]], axis=0)
    return MelSimilarity(float(distances.mean()), length)


def pitch(
    waveform: npt.NDArray[np.float32], sample_rate: int, hop_length: int
) -> npt.NDArray[np.float64]:
    """Track the pitch of a clip (probabilistic YIN; Mauch and Dixon 2014).

    Args:
        waveform: (T_wav,).
        sample_rate: Hz.
        hop_length: samples between frames, the mel's.

    Returns:
        (1 + T_wav // hop_length,) Hz, nan where unvoiced.
    """
    f0, _, _ = librosa.pyin(
        waveform,
        fmin=_LOWEST_PITCH,
        fmax=_HIGHEST_PITCH,
        sr=sample_rate,
        hop_length=hop_length,
    )
    return np.asarray(f0, dtype=np.float64)


def pitch_correlation(
    spoken: npt.NDArray[np.float64],
    real: npt.NDArray[np.float64],
    path: npt.NDArray[np.intp],
) -> float | None:
    """Correlate two melodies: does the voice go up and down where the real one does?

    Args:
        spoken: (T_mel,) of ``pitch``.
        real: (T_real,) likewise.
        path: (n, 2) of ``best_path``; frames beyond the melodies' ends are left out.

    Returns:
        Pearson's correlation of log pitch over the pairs in which both are voiced, -1 to 1; None
        where these are too few, or one melody is a single tone.
    """
    inside = path[(path[:, 0] < len(spoken)) & (path[:, 1] < len(real))]
    both = np.stack([spoken[inside[:, 0]], real[inside[:, 1]]])
    voiced = np.log(both[:, np.isfinite(both).all(axis=0)])
    if voiced.shape[1] < _FEWEST_VOICED or (np.ptp(voiced, axis=1) < 1e-9).any():
        return None
    return float(np.corrcoef(voiced)[0, 1])
