"""Concatenation of sentences: ends trimmed and faded, levels matched, pauses between."""

from __future__ import annotations

import statistics
from collections import defaultdict

import torch
from torch import Tensor

_FRAME_SECONDS = 0.01
# Silence: quieter than the loudest frame by so much, or below the floor.
_SILENCE_DB, _FLOOR_DB = -40.0, -65.0
# Consonants begin and end softly, so this much silence is kept.
_MARGIN_SECONDS = 0.03
# Long enough that a cut through noise does not click, too short to be heard as a fade.
_FADE_SECONDS = 0.005
# Frames much softer than the loudest do not count for a level, as in loudness meters.
_GATE_DB = -20.0
# A voice may vary in loudness; only what sounds like another microphone is corrected.
_MOST_GAIN_DB = 4.0
_PEAK = 0.99

PAUSES = {"word": 0.06, "clause": 0.18, "sentence": 0.4, "paragraph": 0.8}
"""Seconds of silence after an utterance, by what it is the end of."""


def trim_silence(waveform: Tensor, sample_rate: int) -> Tensor:
    """Cut off the silence at both ends.

    Args:
        waveform: (T_wav,).
        sample_rate: Hz.

    Returns:
        (T_wav,), shorter; unchanged if all of it is silent.
    """
    levels = _frame_levels(waveform, sample_rate)
    if not len(levels):
        return waveform
    loud = (levels > max(float(levels.max()) + _SILENCE_DB, _FLOOR_DB)).nonzero()
    if not len(loud):
        return waveform
    frame, margin = _n(_FRAME_SECONDS, sample_rate), _n(_MARGIN_SECONDS, sample_rate)
    start = max(0, int(loud[0]) * frame - margin)
    stop = min(len(waveform), (int(loud[-1]) + 1) * frame + margin)
    return waveform[start:stop]


def fade_ends(waveform: Tensor, sample_rate: int) -> Tensor:
    """Fade a waveform (T_wav,) in and out, so that it does not click beside a pause."""
    n = min(_n(_FADE_SECONDS, sample_rate), len(waveform) // 2)
    if not n:
        return waveform
    ramp = 0.5 - 0.5 * torch.cos(torch.pi * torch.arange(n, device=waveform.device) / n)
    faded = waveform.clone()
    faded[:n] *= ramp
    faded[-n:] *= ramp.flip(0)
    return faded


def speech_level(waveform: Tensor, sample_rate: int) -> float:
    """Return the level of a waveform's (T_wav,) speech in dB of full scale; pauses do not count."""
    levels = _frame_levels(waveform, sample_rate)
    if not len(levels):
        return -torch.inf
    loud = levels[levels > levels.max() + _GATE_DB]
    return float(10 * (10 ** (loud / 10)).mean().log10()) if len(loud) else -torch.inf


class Leveller:
    """Brings each utterance to the median level of those before it.

    Each style has a level of its own: a whisper is not as loud as a shout.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._levels: dict[str, list[float]] = defaultdict(list)

    def __call__(self, waveform: Tensor, style: str = "") -> Tensor:
        """Return the waveform (T_wav,), at most 4 dB louder or softer, never clipping."""
        level = speech_level(waveform, self._sample_rate)
        if level < _FLOOR_DB:
            return waveform
        levels = self._levels[style]
        levels.append(level)
        gain_db = statistics.median(levels) - level
        gain = 10 ** (max(-_MOST_GAIN_DB, min(_MOST_GAIN_DB, gain_db)) / 20)
        peak = float(waveform.abs().max())
        return waveform * min(gain, max(1.0, _PEAK / peak)) if gain != 1 else waveform


def silence(seconds: float, sample_rate: int) -> Tensor:
    """Return silence (T_wav,)."""
    return torch.zeros(_n(seconds, sample_rate))


def _frame_levels(waveform: Tensor, sample_rate: int) -> Tensor:
    """Return (n_frames,) decibels."""
    size = min(_n(_FRAME_SECONDS, sample_rate), len(waveform))
    if not size:
        return waveform.new_empty(0)
    power = waveform.float().unfold(0, size, size).square().mean(1)
    return 10 * power.clamp(min=1e-12).log10()


def _n(seconds: float, sample_rate: int) -> int:
    return round(seconds * sample_rate)
