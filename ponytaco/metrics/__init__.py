"""How well attention aligns, what a take skips or repeats, mel-cepstral distortion."""
