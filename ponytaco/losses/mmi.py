"""Maximising the mutual information (MMI) of text and speech: CTC loss, and dropped frames.

Liu et al. 2019, "Maximizing Mutual Information for Tacotron" (arXiv:1909.01145). The CTC head
(``model/ctc_head.py``) recognises the text from the decoder's features, which is possible only once
the decoder attends to the text instead of copying the previous frame.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mmi_loss(
    log_probs: Tensor, frame_lengths: Tensor, targets: Tensor, target_lengths: Tensor
) -> Tensor:
    """Compute the CTC loss per frame, averaged over the clips.

    A clip too short for its text counts as zero instead of infinity.

    Args:
        log_probs: (B, T_mel, n_symbols + 1) from the CTC head, the blank last.
        frame_lengths: (B,) frames of each clip; on the CPU, so as not to wait for a GPU.
        targets: (B, T_ctc) ids of the CTC alphabet.
        target_lengths: (B,) ids of each clip; on the CPU likewise.

    Returns:
        A scalar.
    """
    losses = F.ctc_loss(
        log_probs.transpose(0, 1),
        targets,
        frame_lengths,
        target_lengths,
        blank=log_probs.shape[2] - 1,
        reduction="none",
        zero_infinity=True,
    )
    return (losses / frame_lengths.to(losses.device, non_blocking=True)).mean()


def drop_frames(mel: Tensor, mean_frame: Tensor, rate: float) -> Tensor:
    """Replace random frames by the data set's mean frame.

    A decoder that cannot rely on the previous frame must attend to the text.

    Args:
        mel: (B, n_mels, T_mel), the teacher's frames.
        mean_frame: (n_mels,), mean over the data set's real frames.
        rate: probability that a frame is replaced, 0 to 1.

    Returns:
        (B, n_mels, T_mel); ``mel`` itself if the rate is 0.
    """
    if rate <= 0:
        return mel
    dropped = torch.rand(mel.shape[0], 1, mel.shape[2], device=mel.device) < rate
    return torch.where(dropped, mean_frame[:, None].to(mel.dtype), mel)
