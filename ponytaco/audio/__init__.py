"""Waveforms in and out, and log-mel spectrograms."""
