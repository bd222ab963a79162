"""Mel spectrograms to waveforms: Griffin-Lim, HiFi-GAN, WaveGlow."""
