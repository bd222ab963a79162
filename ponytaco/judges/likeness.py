"""Likeness of voices (speaker similarity): the cosine between speaker embeddings.

The network is the speaker encoder of Wan et al. 2018 (GE2E, arXiv:1710.10467), with the weights
that the package Resemblyzer carries (Apache 2.0).
"""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ponytaco.judges.sound import SAMPLE_RATE, Waveform
from ponytaco.judges.weights import load_network

_PACKAGE, _FILE = "resemblyzer", "pretrained.pt"

_N_FFT, _HOP, _N_MELS = 400, 160, 40
_N_FRAMES = 160  # of an excerpt, 1.6 s; an utterance is embedded as the mean of its excerpts
_FRAMES_BETWEEN = 80
_LOUDNESS = 10 ** (-30 / 20)  # root mean square that quieter sounds are raised to
_SILENCE_DB = 40.0
_WIDTH = 256

Embedding = npt.NDArray[np.float32]
"""(256,) of length 1, no value negative."""


class VoiceEncoder:
    """Embeds voices at 16 kHz.

    Raises:
        JudgeError: the package Resemblyzer is not installed, or damaged.
    """

    def __init__(self) -> None:
        # The file also has what only training needs.
        self._network = load_network(
            _Network, _PACKAGE, _FILE, "model_state",
            lambda name: None if name.startswith("similarity_") else name,
        )  # fmt: skip

    @torch.inference_mode()
    def embed(self, waveform: Waveform) -> Embedding:
        """Embed a waveform's voice."""
        mean = self._network(_excerpts(waveform)).mean(dim=0)
        return (mean / mean.norm().clamp(min=1e-8)).numpy()


def mean_embedding(embeddings: Sequence[Embedding]) -> Embedding:
    """Return a voice's embedding from those of its clips, of length 1.

    The cosine of clips to their own voice's is about 0.9, of other speakers' about 0.5 (LJ's clips
    to LJ 0.91, two others' 0.53 and 0.51).
    """
    mean = np.mean(embeddings, axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-8)


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_N_MELS, _WIDTH, num_layers=3, batch_first=True)
        self.linear = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, mels: Tensor) -> Tensor:
        """(B, frames, _N_MELS) -> (B, _WIDTH) of length 1."""
        _, (hidden, _) = self.lstm(mels)
        x = torch.relu(self.linear(hidden[-1]))
        return x / x.norm(dim=1, keepdim=True).clamp(min=1e-8)


def _excerpts(waveform: Waveform) -> Tensor:
    """(T_wav,) -> (n, _N_FRAMES, _N_MELS): mels of power, without silence at the ends."""
    trimmed, _ = librosa.effects.trim(waveform, top_db=_SILENCE_DB)
    rms = float(np.sqrt(np.mean(trimmed**2))) if trimmed.size else 0.0
    louder = trimmed * max(1.0, _LOUDNESS / max(rms, 1e-8))
    short = max(0, _N_FRAMES * _HOP - len(louder))
    padded = np.pad(louder, (0, short))
    power = np.abs(librosa.stft(y=padded, n_fft=_N_FFT, hop_length=_HOP)) ** 2
    mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_N_FFT, n_mels=_N_MELS) @ power
    starts = range(0, mel.shape[1] - _N_FRAMES + 1, _FRAMES_BETWEEN)
    return torch.from_numpy(np.stack([mel.T[s : s + _N_FRAMES] for s in starts])).float()
