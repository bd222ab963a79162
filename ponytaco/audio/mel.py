"""Log-mel spectrograms with the numbers of NVIDIA's Tacotron 2."""

from __future__ import annotations

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# Keeps the logarithm of silence finite. NVIDIA's value, on which the vocoders were trained.
MIN_MAGNITUDE = 1e-5


class MelSpectrogram(nn.Module):
    """Waveform to log-mel spectrogram, equal to NVIDIA's Tacotron 2's to the fourth decimal.

    Hann window, reflect padding of n_fft / 2 at both ends, magnitudes, Slaney's mel bands,
    natural logarithm of max(x, 1e-5). Computed in float64: in float32 quiet bands differ between
    FFT libraries by more than 1e-4, and mels are cached, so the time hardly counts.
    Source: https://github.com/NVIDIA/tacotron2, stft.py, layers.py.

    Args:
        sample_rate: Hz.
        n_fft: FFT size, samples.
        hop_length: samples between frames.
        win_length: Hann window, samples.
        n_mels: mel bands.
        f_min: lower edge of the lowest band, Hz.
        f_max: upper edge of the highest band, Hz.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self,
        sample_rate: int = 22_050,
        n_fft: int = 1024,
        hop_length: int = 256,
        win_length: int = 1024,
        n_mels: int = 80,
        f_min: float = 0.0,
        f_max: float = 8000.0,
    ) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length
        filters = librosa.filters.mel(
            sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, dtype=np.float64
        )
        # Both follow from the settings, so checkpoints do not carry them.
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)
        self.register_buffer("window", _hann(win_length), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the log-mel spectrograms of a batch.

        Args:
            waveform: (B, T_wav), from -1 to 1, of any length.

        Returns:
            mel (B, n_mels, T_mel), float32, where T_mel = T_wav // hop_length + 1.
        """
        return (self.filters @ self._magnitude(waveform)).clamp(min=MIN_MAGNITUDE).log().float()

    def _magnitude(self, waveform: Tensor) -> Tensor:
        n_frames = waveform.shape[-1] // self.hop_length + 1
        spectrum = torch.stft(
            self._pad(waveform.double()),
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.window,
            center=False,
            return_complex=True,
        )
        return spectrum.abs()[..., :n_frames]

    def _pad(self, waveform: Tensor) -> Tensor:
        padding = self.n_fft // 2
        # Reflection needs more samples than it pads: silence makes a shorter clip longer.
        missing = max(0, padding + 1 - waveform.shape[-1])
        waveform = functional.pad(waveform, (0, missing))
        return functional.pad(waveform, (padding, padding), mode="reflect")


def _hann(length: int) -> Tensor:
    return torch.hann_window(length, dtype=torch.float64)
