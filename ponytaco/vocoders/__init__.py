"""Vocoders: log-mel spectrogram (B, n_mels, T_mel) to waveform (B, T_wav)."""

from ponytaco.vocoders.griffin_lim import GriffinLim
from ponytaco.vocoders.opening import VOCODERS, Vocoder, VocoderError, open_vocoder

__all__ = ["VOCODERS", "GriffinLim", "Vocoder", "VocoderError", "open_vocoder"]
