"""How near speech is to a real clip of the same text: its sound, its length and its pitch."""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np
import numpy.typing as npt
from scipy.fft import dct  # type: ignore[import-untyped]  # ships no type information

# c1 to c13. c0 is the loudness, which says nothing about what is spoken.
_N_CEPSTRA = 13
# What natural logarithms of magnitudes are in decibels.
_DECIBELS = 20 / np.log(10)

# The range of speaking voices, of deep men as of cartoon ponies (Hz).
_LOWEST_PITCH, _HIGHEST_PITCH = 65.0, 800.0
# Frames that are voiced in both clips, below which a correlation is chance (a quarter second).
_FEWEST_VOICED = 20


# The distortion that halves a score. Real voices' good synthesis has 4 to 6 dB.
_HALVING_DECIBELS = 6.0


@dataclass(frozen=True)
class Likeness:
    """How near one clip is to another."""

    distortion: float
    """Mel-cepstral distortion in decibels, along the best path in time; 0 is the same."""
    length: float
    """Its length over the real clip's."""

    @property
    def score(self) -> float:
        """0 to 1: halved by every 6 dB, and lower by as much as it is too long or too short."""
        return 0.5 ** (self.distortion / _HALVING_DECIBELS) * min(self.length, 1 / self.length)


def mel_cepstra(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The spectrum's envelope in 13 numbers a frame.

    Args:
        mel: (n_mels, T_mel), natural logarithm of magnitudes.

    Returns:
        (13, T_mel), c1 to c13, scaled so that the Euclidean distance of two frames is the root
        mean square difference of their smoothed spectra, in decibels.
    """
    spectra = np.asarray(mel, dtype=np.float64)
    cepstra = dct(spectra, axis=0, norm="ortho")[1 : 1 + _N_CEPSTRA]
    return np.asarray(_DECIBELS / np.sqrt(len(spectra)) * cepstra)


def best_path(
    cepstra: npt.NDArray[np.float64], real: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Which frames belong together (dynamic time warping).

    Args:
        cepstra: (13, T_mel) of ``mel_cepstra``.
        real: (13, T_real) likewise.

    Returns:
        (n, 2) pairs of frames, from the first pair to the last; every frame is in one.
    """
    _, path = librosa.sequence.dtw(cepstra, real, metric="euclidean")
    return path[::-1]


def compare(mel: npt.ArrayLike, real: npt.ArrayLike) -> Likeness:
    """Compare a spoken mel with that of the real clip.

    The mel-cepstral distortion is ``10 / ln 10 * sqrt(2 * sum over k = 1..13 of (c_k - c'_k)^2)``
    (Kubichek 1993, "Mel-cepstral distance measure for objective speech quality assessment"), mean
    over the pairs of frames of the best path. The cepstra are those of the mel, without c0, as in
    Skerry-Ryan et al. 2018 ("Towards end-to-end prosody transfer"); in terms of the orthonormal
    cosine transform C of n_mels logarithms, ``c_k = sqrt(2 / n_mels) * C_k``.

    Args:
        mel: (n_mels, T_mel), natural logarithm of magnitudes, T_mel at least 1.
        real: (n_mels, T_real) likewise.

    Raises:
        ValueError: one of them has no frame, or they differ in their bands.
    """
    spoken, wanted = np.asarray(mel), np.asarray(real)
    if 0 in (*spoken.shape, *wanted.shape) or len(spoken) != len(wanted):
        raise ValueError(f"Mels of {spoken.shape} and {wanted.shape} cannot be compared.")
    cepstra, real_cepstra = mel_cepstra(spoken), mel_cepstra(wanted)
    path = best_path(cepstra, real_cepstra)
    distances = np.linalg.norm(cepstra[:, path[:, 0]] - real_cepstra[:, path[:, 1]], axis=0)
    return Likeness(float(distances.mean()), spoken.shape[1] / wanted.shape[1])


def pitch(
    waveform: npt.NDArray[np.float32], sample_rate: int, hop_length: int
) -> npt.NDArray[np.float64]:
    """The melody of a clip (probabilistic YIN; Mauch and Dixon 2014).

    Args:
        waveform: (T_wav,).
        sample_rate: Hz.
        hop_length: samples from one frame to the next, as the mel's.

    Returns:
        (1 + T_wav // hop_length,) Hz, nan where nothing is voiced.
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
    """Whether the voice goes up and down where the real one does.

    Args:
        spoken: (T_mel,) of ``pitch``.
        real: (T_real,) likewise.
        path: (n, 2) of ``best_path``; frames beyond the melodies' ends are left out.

    Returns:
        Pearson's correlation of the logarithms over the pairs in which both are voiced, -1 to 1;
        None where there are too few of these, or one melody is a single tone.
    """
    inside = path[(path[:, 0] < len(spoken)) & (path[:, 1] < len(real))]
    both = np.stack([spoken[inside[:, 0]], real[inside[:, 1]]])
    voiced = np.log(both[:, np.isfinite(both).all(axis=0)])
    if voiced.shape[1] < _FEWEST_VOICED or (np.ptp(voiced, axis=1) < 1e-9).any():
        return None
    return float(np.corrcoef(voiced)[0, 1])
