"""Evaluation of voices: ASR, WER, mel-cepstral distortion, speed; reports and charts."""
