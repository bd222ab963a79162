"""Vocoding in chunks: the same sound, in memory that does not grow with the mel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def in_chunks(
    vocode: Callable[[Tensor, int], Tensor],
    mel: Tensor,
    hop_length: int,
    margin: int,
    chunk: int,
) -> Tensor:
    """Vocode a mel in overlapping chunks, and keep of each the part that no edge affects.

    Args:
        vocode: mel (B, n_mels, T) and the frame at which it begins -> waveform (B, T * hop_length).
        mel: (B, n_mels, T_mel).
        hop_length: samples a frame.
        margin: frames to either side that affect a frame's sound.
        chunk: frames kept of each chunk; more need more memory.

    Returns:
        waveform (B, T_mel * hop_length), float32, on the mel's device.
    """
    n_frames = mel.shape[-1]
    if not mel.shape[0] or not n_frames:
        return mel.new_zeros((mel.shape[0], n_frames * hop_length), dtype=torch.float32)
    # A little more than one chunk is not worth computing the margins twice.
    chunk = n_frames if n_frames <= chunk + 2 * margin else chunk
    parts = []
    for start in range(0, n_frames, chunk):
        stop = min(start + chunk, n_frames)
        first, last = max(0, start - margin), min(n_frames, stop + margin)
        sound = vocode(mel[..., first:last], first)
        kept = sound[..., (start - first) * hop_length : (stop - first) * hop_length]
        parts.append(kept.to(mel.device, torch.float32))
    return torch.cat(parts, dim=-1)
