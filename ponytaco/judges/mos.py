"""Prediction of the mean opinion score (MOS): how people would rate a sound, from 1 to 5.

The network and its weights are Distill-MOS (Stahl and Gamper 2025, arXiv:2502.05356), which the
package distillmos carries (MIT).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ponytaco.judges.sound import Waveform
from ponytaco.judges.weights import load_network

_PACKAGE, _FILE = "distillmos", "weights/distill_mos_v7.pt"

# Windows of 20 ms every 10 ms, at 16 kHz.
_N_FFT, _HOP = 320, 160
_N_SAMPLES = 768 * _HOP  # 7.68 s, the length it was trained on; shorter sounds are filled up
_MOST_HOP = 16_000  # between the excerpts of a longer sound, samples
_CHANNELS = (2, 64, 64, 128, 256, 256, 256)
_N_FEATURES, _N_POSITIONS, _WIDTH = 1024, 384, 200
_COMPRESSION, _SLOPE, _TINY = 0.3, 0.1, 1e-12


class MosPredictor:
    """Predicts the MOS of sounds at 16 kHz.

    Raises:
        JudgeError: the package distillmos is not installed, or damaged.
    """

    def __init__(self) -> None:
        self._network = load_network(_Network, _PACKAGE, _FILE, "model", _our_name)

    @torch.inference_mode()
    def __call__(self, waveforms: Sequence[Waveform]) -> list[float]:
        """Predict each waveform's MOS, 1 to 5; loudness does not count."""
        return [self._rate(waveform) for waveform in waveforms]

    def _rate(self, waveform: Waveform) -> float:
        # One after another: each needs 250 MB, and a voice that does not stop has many.
        excerpts = _excerpts(waveform).split(1)
        return float(np.mean([float(self._network(excerpt)) for excerpt in excerpts]))


class _Network(nn.Module):
    """Convolutions over the complex spectrum, a transformer, and attention pooling."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n, (before, after) in enumerate(itertools.pairwise(_CHANNELS), start=1):
            stride = (1 if n == 1 else 2, 2 if n == len(_CHANNELS) - 1 else 1)
            layers += [nn.Conv2d(before, after, 3, stride, (0, 1)), nn.LeakyReLU(_SLOPE)]
        self.convolutions = nn.Sequential(*layers)
        self.norm_in = nn.BatchNorm1d(_N_FEATURES)
        self.norm = nn.BatchNorm1d(_N_FEATURES)
        self.project = nn.Linear(_N_FEATURES, _WIDTH)
        self.positions = nn.Parameter(torch.zeros(1, _N_POSITIONS, _WIDTH))
        layer = nn.TransformerEncoderLayer(_WIDTH, 8, 2 * _WIDTH, 0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, 7, enable_nested_tensor=False)
        self.norm_out = nn.BatchNorm1d(_WIDTH)
        self.weigh_1 = nn.Linear(_WIDTH, 2 * _WIDTH)
        self.weigh_2 = nn.Linear(2 * _WIDTH, 1)
        self.rate = nn.Linear(_WIDTH, 1)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, _N_SAMPLES) -> (B,), 1 to 5."""
        x = self.convolutions(_spectrum(waveforms)).flatten(1, 2)  # (B, _N_FEATURES, positions)
        x = self.norm(self.norm_in(x)).transpose(1, 2)
        x = self.transformer(self.project(x) + self.positions)
        x = self.norm_out(x.transpose(1, 2)).transpose(1, 2)
        weights = torch.softmax(self.weigh_2(torch.relu(self.weigh_1(x))), dim=1)
        return 1 + 4 * torch.sigmoid(self.rate((weights * x).sum(dim=1)))[:, 0]


def _spectrum(waveforms: Tensor) -> Tensor:
    """(B, T_wav) -> (B, 2, bins, frames): real and imaginary parts, their length compressed."""
    padded = functional.pad(waveforms, 2 * ((_N_FFT - _HOP) // 2,), mode="reflect")
    window = torch.hann_window(_N_FFT)
    bins = torch.stft(padded, _N_FFT, _HOP, window=window, center=False, return_complex=True)
    length = bins.abs().clamp(min=_TINY)
    return torch.view_as_real(bins * length ** (_COMPRESSION - 1)).permute(0, 3, 1, 2)


def _excerpts(waveform: Waveform) -> Tensor:
    """(T_wav,) -> (n, _N_SAMPLES): evenly spaced over the whole, each with a peak of 1."""
    beyond = max(0, len(waveform) - _N_SAMPLES)
    starts = np.linspace(0, beyond, -(-beyond // _MOST_HOP) + 1).astype(int)
    padded = np.pad(waveform, (0, max(0, _N_SAMPLES - len(waveform))))
    excerpts = torch.from_numpy(np.stack([padded[s : s + _N_SAMPLES] for s in starts]))
    return excerpts / (excerpts.abs().amax(dim=1, keepdim=True) + 1e-8)


_OURS = {
    "cnn.cnn.": "convolutions.",
    "transformer_pool_attn.norm_input.": "norm_in.",
    "transformer_pool_attn.transformer.norm.": "norm.",
    "transformer_pool_attn.transformer.linear_proj.": "project.",
    "transformer_pool_attn.transformer.position_encoding.pe": "positions",
    "transformer_pool_attn.transformer.transformer_encoder.": "transformer.",
    "transformer_pool_attn.norm_trans.": "norm_out.",
    "transformer_pool_attn.pool.linear1.": "weigh_1.",
    "transformer_pool_attn.pool.linear2.": "weigh_2.",
    "transformer_pool_attn.pool.linear3.": "rate.",
}


def _our_name(published: str) -> str | None:
    found = next((prefix for prefix in _OURS if published.startswith(prefix)), None)
    return found and _OURS[found] + published.removeprefix(found)
