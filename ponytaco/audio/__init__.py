"""Wav files and log-mel spectrograms."""
