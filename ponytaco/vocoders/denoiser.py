"""Denoiser: removes the constant hum of a vocoder."""

from __future__ import annotations

import torch
from torch import Tensor


class Denoiser:
    """Subtracts a constant spectrum, as NVIDIA's denoiser for WaveGlow.

    Args:
        hum: (T_wav,), the vocoder's output without noise.
        strength: share of the hum's magnitude to subtract; 0.1 is audible, 1 too much.
        hop_length: samples between spectra, a quarter of the window.
    """

    OVERLAP = 4

    def __init__(self, hum: Tensor, strength: float, hop_length: int) -> None:
        self._hop_length = hop_length
        self._n_fft = self.OVERLAP * hop_length
        self._window = torch.hann_window(self._n_fft, device=hum.device)
        self._subtracted = strength * self._spectrum(hum[None])[:, :, :1].abs()

    def __call__(self, waveform: Tensor) -> Tensor:
        """Denoise a waveform (B, T_wav)."""
        spectrum = self._spectrum(waveform)
        magnitude = spectrum.abs()
        # Scaling keeps the phase; silence has none.
        kept = (magnitude - self._subtracted).clamp(min=0) / magnitude.clamp(min=1e-12)
        return torch.istft(
            spectrum * kept,
            self._n_fft,
            self._hop_length,
            window=self._window,
            length=waveform.shape[-1],
        )

    def _spectrum(self, waveform: Tensor) -> Tensor:
        # Reflection needs more samples than it pads.
        pad_mode = "reflect" if waveform.shape[-1] > self._n_fft // 2 else "constant"
        return torch.stft(
            waveform,
            self._n_fft,
            self._hop_length,
            window=self._window,
            pad_mode=pad_mode,
            return_complex=True,
        )
