"""One step of training: the losses, their balanced gradients, and the optimizer.

Nothing here asks the device for a value, so that a GPU never waits for Python or Python for it:
whether a step is skipped is decided on the device, and read when a report is due.
"""

from __future__ import annotations

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
    """What a step leaves behind, on its device."""

    values: dict[str, Tensor]
    """Losses and balances by name, scalars."""
    gaf: Tensor
    """The gradient-adaptive factor for the steps to come, a scalar."""
    skipped: Tensor
    """Whether the step changed nothing, a scalar of bool."""


def train_step(
    model: Tacotron2,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: TrainConfig,
    progress: Progress,
    gaf: Tensor,
    mean_frame: Tensor,
    scaler: torch.amp.GradScaler | None = None,
    n_parts: int = 1,
) -> StepLosses:
    """One step: forward, the balanced gradients, clipping, and the optimizer.

    A step whose loss or gradient is no number changes nothing but, in float16, the loss's scale.
    The factor that balances the losses is a ratio of their gradients, so their scale cancels out.

    Args:
        model: in any mode; left in training mode.
        optimizer: of all its parameters, from ``make_optimizer``.
        batch: on the model's device.
        settings: the weights of the losses.
        progress: how far the run has come; decides the weights and when the factor is refreshed.
        gaf: the gradient-adaptive factor so far, a scalar on the model's device.
        mean_frame: (n_mels,), for dropped frames.
        scaler: of the loss; only float16 needs one.
        n_parts: batches that the clips are computed in, their gradients added up; more than one
            costs time and saves memory.
    """
    model.train()
    # A batch that is not finite would stay in the batch norms' running statistics for good.
    buffers = [buffer.clone() for buffer in model.buffers()]
    scaler = scaler or grad_scaler(torch.float32, batch.mel.device)
    optimizer.zero_grad(set_to_none=True)
    refresh = progress.step % settings.gaf_every == 0
    values: dict[str, Tensor] = {}
    gaf_before = gaf
    for part in batch.parts(n_parts):
        # Of the mean over all frames; exactly 1 for a batch in one part.
        share = part.mel_lengths.sum() / batch.mel_lengths.sum()
        of_part, gaf = _backward(
            model, part, settings, progress, gaf, mean_frame, scaler, share, refresh
        )
        _add_up(values, of_part, share)
        refresh = False  # the first part's factor holds for all of them
    loss = values["loss"]
    parameters = list(model.parameters())
    scaler.unscale_(optimizer)
    grad_norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
    skipped = ~(torch.isfinite(loss) & torch.isfinite(grad_norm))
    for buffer, before in zip(model.buffers(), buffers, strict=True):
        torch.where(skipped, before, buffer, out=buffer)
    # A fused optimizer reads this on the device and does nothing where it is 1. The scaler's own
    # step would set it too, but knows nothing of the loss.
    optimizer.found_inf = skipped.float()  # type: ignore[attr-defined]
    optimizer.step()
    scaler.update()
    values.update(grad_norm=grad_norm)
    return StepLosses(
        {name: value.detach() for name, value in values.items()},
        torch.where(skipped, gaf_before, gaf),
        skipped,
    )


def make_optimizer(model: Tacotron2, settings: TrainConfig) -> torch.optim.Optimizer:
    """Adam for ``train_step``, which needs a fused one to skip steps without being asked."""
    return torch.optim.Adam(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        eps=1e-6,
        fused=True,
    )


def _backward(
    model: Tacotron2,
    batch: Batch,
    settings: TrainConfig,
    progress: Progress,
    gaf: Tensor,
    mean_frame: Tensor,
    scaler: torch.amp.GradScaler,
    share: Tensor,
    refresh: bool,
) -> tuple[dict[str, Tensor], Tensor]:
    """Add a share of the losses' balanced gradients to the parameters'.

    Returns:
        The losses by name, and the factor.
    """
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
            gaf = balanced_backward(*scaled, list(model.parameters()), cap)
        else:
            gaf = gaf.clamp(max=cap)
            scaler.scale((loss + gaf * mi) * share).backward()
        loss = loss + gaf * mi
        values.update(mi=mi, gaf=gaf)
    else:
        scaler.scale(loss * share).backward()
    values["loss"] = loss
    return {name: value.detach() for name, value in values.items()}, gaf


def _add_up(values: dict[str, Tensor], of_part: dict[str, Tensor], share: Tensor) -> None:
    for name, value in of_part.items():
        if name in ("gaf", "guidance_weight"):
            values[name] = value
        else:
            values[name] = values[name] + value * share if name in values else value * share
