"""Vocoders: log-mel spectrogram (B, n_mels, T_mel) to waveform (B, T_wav)."""

from ponytaco.vocoders.griffin_lim import GriffinLim
from ponytaco.vocoders.hifigan import HifiGan
from ponytaco.vocoders.opening import VOCODERS, Vocoder, check_vocoder, open_vocoder
from ponytaco.vocoders.waveglow import WaveGlow
from ponytaco.vocoders.weights import VocoderError, read_weights

__all__ = [
    "VOCODERS",
    "GriffinLim",
    "HifiGan",
    "Vocoder",
    "VocoderError",
    "WaveGlow",
    "check_vocoder",
    "open_vocoder",
    "read_weights",
]
