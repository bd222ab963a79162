"""A vocoder by its name or by its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ponytaco.config import AudioConfig
from ponytaco.vocoders.griffin_lim import GriffinLim

Vocoder = Callable[[Tensor], Tensor]
"""mel (B, n_mels, T_mel) -> waveform (B, T_wav)"""

VOCODERS = {"griffin_lim": GriffinLim}


class VocoderError(ValueError):
    """A vocoder cannot be had, or does not fit the voice."""


def open_vocoder(
    name_or_path: str | Path, audio: AudioConfig, device: str | torch.device = "cpu"
) -> Vocoder:
    """A vocoder for a voice.

    Args:
        name_or_path: a name in ``VOCODERS``.
        audio: what the voice's mels are made with.
        device: where to compute.

    Raises:
        VocoderError: there is none of that name.
    """
    if str(name_or_path) not in VOCODERS:
        raise VocoderError(
            f"There is no vocoder '{name_or_path}'. There are: {', '.join(VOCODERS)}."
        )
    return VOCODERS[str(name_or_path)](audio)
