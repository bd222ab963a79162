"""One step of training: the losses, their balanced gradients, and the optimizer."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ponytaco.checkpoint import Progress
from ponytaco.config import TrainConfig
from ponytaco.dataset import Batch
from ponytaco.gaf import balanced_backward
from ponytaco.guidance import guidance_loss
from ponytaco.losses import tacotron_loss
from ponytaco.mmi import drop_frames, mmi_loss
from ponytaco.model import Tacotron2
from ponytaco.schedule import gaf_cap, guidance_weight


class StepLosses(NamedTuple):
    """A step's losses and balances by name, and whether it was skipped."""

    values: dict[str, Tensor]
    skipped: bool


def train_step(
    model: Tacotron2,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: TrainConfig,
    progress: Progress,
    mean_frame: Tensor,
) -> StepLosses:
    """One step: forward, the balanced gradients, clipping, and the optimizer.

    A step whose loss or gradient is no number changes nothing.

    Args:
        model: in any mode; left in training mode.
        optimizer: of all its parameters.
        batch: on the model's device.
        settings: the weights of the losses.
        progress: its ``gaf`` is refreshed here.
        mean_frame: (n_mels,), for dropped frames.
    """
    model.train()
    gaf_before = progress.gaf
    # A batch that is not finite would stay in the batch norms' running statistics for good.
    buffers = [buffer.clone() for buffer in model.buffers()]
    out = model(
        batch.text,
        batch.text_lengths,
        drop_frames(batch.mel, mean_frame, settings.drop_frame_rate),
        batch.mel_lengths,
        settings.p_teacher_forcing,
        settings.teacher_forcing_window,
    )
    parts = tacotron_loss(
        out.mel, out.mel_postnet, out.gate, batch.mel, batch.mel_lengths, settings.gate_weight
    )
    values = parts._asdict()
    loss = parts.total

    weight = guidance_weight(
        progress.step,
        progress.aligned_since,
        settings.guidance_weight,
        settings.guidance_fade_steps,
    )
    if weight > 0:
        r = model.decoder.n_frames_per_step
        guidance = guidance_loss(out.alignment, batch.intervals, batch.mel_lengths, r)
        loss = loss + weight * guidance
        values.update(guidance=guidance, guidance_weight=torch.tensor(weight))

    optimizer.zero_grad(set_to_none=True)
    parameters = list(model.parameters())
    if settings.mmi and model.mi is not None:
        mi = mmi_loss(model.mi(out.hidden), batch.mel_lengths, batch.ctc, batch.ctc_lengths)
        cap = gaf_cap(progress.aligned_since, settings.max_gaf, settings.max_gaf_aligned)
        if progress.step % settings.gaf_every == 0:
            factor = float(balanced_backward(loss, mi, parameters, cap))
            progress.gaf = factor if math.isfinite(factor) else progress.gaf
        else:
            (loss + min(progress.gaf, cap) * mi).backward()
        loss = loss + min(progress.gaf, cap) * mi
        values.update(mi=mi, gaf=torch.tensor(progress.gaf))
    else:
        loss.backward()

    grad_norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
    skipped = not bool(torch.isfinite(loss) & torch.isfinite(grad_norm))
    if skipped:
        progress.gaf = gaf_before
        for buffer, before in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(before)
    else:
        optimizer.step()
    values.update(loss=loss, grad_norm=grad_norm)
    return StepLosses({name: value.detach() for name, value in values.items()}, skipped)
