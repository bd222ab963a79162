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
from ponytaco.precision import grad_scaler, product_dtype
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
    scaler: torch.amp.GradScaler | None = None,
    n_parts: int = 1,
) -> StepLosses:
    """One step: forward, the balanced gradients, clipping, and the optimizer.

    A step whose loss or gradient is no number changes nothing but, in float16, the loss's scale.
    The factor that balances the losses is a ratio of their gradients, so their scale cancels out.

    Args:
        model: in any mode; left in training mode.
        optimizer: of all its parameters.
        batch: on the model's device.
        settings: the weights of the losses.
        progress: its ``gaf`` is refreshed here.
        mean_frame: (n_mels,), for dropped frames.
        scaler: of the loss; only float16 needs one.
        n_parts: batches that the clips are computed in, their gradients added up; more than one
            costs time and saves memory.
    """
    model.train()
    gaf_before = progress.gaf
    # A batch that is not finite would stay in the batch norms' running statistics for good.
    buffers = [buffer.clone() for buffer in model.buffers()]
    scaler = scaler or grad_scaler(torch.float32, batch.mel.device)
    optimizer.zero_grad(set_to_none=True)
    refresh = progress.step % settings.gaf_every == 0
    values: dict[str, Tensor] = {}
    for part in batch.parts(n_parts):
        # Of the mean over all frames; exactly 1 for a batch in one part.
        share = part.mel_lengths.sum() / batch.mel_lengths.sum()
        of_part = _backward(model, part, settings, progress, mean_frame, scaler, share, refresh)
        _add_up(values, of_part, share)
        refresh = False  # the first part's factor holds for all of them
    loss = values["loss"]
    parameters = list(model.parameters())
    scaler.unscale_(optimizer)
    grad_norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
    skipped = not bool(torch.isfinite(loss) & torch.isfinite(grad_norm))
    if skipped:
        progress.gaf = gaf_before
        for buffer, before in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(before)
    else:
        scaler.step(optimizer)
    scaler.update()
    values.update(grad_norm=grad_norm)
    return StepLosses({name: value.detach() for name, value in values.items()}, skipped)


def _backward(
    model: Tacotron2,
    batch: Batch,
    settings: TrainConfig,
    progress: Progress,
    mean_frame: Tensor,
    scaler: torch.amp.GradScaler,
    share: Tensor,
    refresh: bool,
) -> dict[str, Tensor]:
    """Add a share of the losses' balanced gradients to the parameters'; the losses by name."""
    device = batch.mel.device
    dtype = product_dtype(settings.precision, device)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
        out = model(
            batch.text,
            batch.text_lengths,
            drop_frames(batch.mel, mean_frame, settings.drop_frame_rate),
            batch.mel_lengths,
            settings.p_teacher_forcing,
            settings.teacher_forcing_window,
        )
        recogniser = model.mi if settings.mmi else None
        log_probs = recogniser(out.hidden) if recogniser is not None else None
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

    if log_probs is not None:
        mi = mmi_loss(log_probs, batch.mel_lengths, batch.ctc, batch.ctc_lengths)
        cap = gaf_cap(progress.aligned_since, settings.max_gaf, settings.max_gaf_aligned)
        if refresh:
            scaled = (scaler.scale(loss * share), scaler.scale(mi * share))
            factor = float(balanced_backward(*scaled, list(model.parameters()), cap))
            progress.gaf = factor if math.isfinite(factor) else progress.gaf
        else:
            scaler.scale((loss + min(progress.gaf, cap) * mi) * share).backward()
        loss = loss + min(progress.gaf, cap) * mi
        values.update(mi=mi, gaf=torch.tensor(progress.gaf))
    else:
        scaler.scale(loss * share).backward()
    values["loss"] = loss
    return {name: value.detach() for name, value in values.items()}


def _add_up(values: dict[str, Tensor], of_part: dict[str, Tensor], share: Tensor) -> None:
    for name, value in of_part.items():
        if name in ("gaf", "guidance_weight"):
            values[name] = value
        else:
            values[name] = values[name] + value * share if name in values else value * share
