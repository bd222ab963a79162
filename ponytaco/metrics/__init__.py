"""Alignment, attention errors, mel-cepstral distortion."""
