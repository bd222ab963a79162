"""Vocoders: log-mel spectrogram (B, n_mels, T_mel) to waveform (B, T_wav)."""

from ponytaco.vocoders.griffin_lim import GriffinLim

VOCODERS = {"griffin_lim": GriffinLim}
