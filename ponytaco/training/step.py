"""One step of training: the losses, their balanced gradients, and the optimizer.

Nothing here asks the device for a value, so that a GPU never waits for Python or Python for it:
whether a step is skipped is decided on the device, and read when a report is due.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ponytaco.config import TrainConfig
from ponytaco.data.loader import Batch
from ponytaco.losses.gaf import balanced_backward
from ponytaco.losses.guided_attention import (
    AttentionTargets,
    attention_targets,
    forced_attention,
    guided_attention_loss,
)
from ponytaco.losses.mmi import drop_frames, mmi_loss
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.model.decoder import ForcedAttention
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.state import RunState
from ponytaco.training.distributed import ALONE, Ranks
from ponytaco.training.precision import grad_scaler, product_dtype
from ponytaco.training.schedules import gaf_cap, teacher_forcing

# Values that every part and every process has alike, and that are not added up.
_SAME_EVERYWHERE = ("gaf", "guidance_weight")


class StepLosses(NamedTuple):
    """What a step leaves behind, on its device."""

    values: dict[str, Tensor]
    """Losses and balances by name, scalars."""
    gaf: Tensor
    """The gradient-adaptive factor for the steps to come, a scalar."""
    skipped: Tensor
    """Whether the step changed nothing, a scalar of bool."""


class Share(NamedTuple):
    """How much of a step's losses a part of its clips has: 1 for all of them, each a scalar."""

    frames: Tensor
    clips: Tensor
    guided_steps: Tensor  # steps that the guidance counts


def train_step(
    model: Tacotron2,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: TrainConfig,
    run_state: RunState,
    gaf: Tensor,
    mean_frame: Tensor,
    scaler: torch.amp.GradScaler | None = None,
    n_micro_batches: int = 1,
    ranks: Ranks = ALONE,
) -> StepLosses:
    """One step: forward, the balanced gradients, clipping, and the optimizer.

    A step whose loss or gradient is no number changes nothing but, in float16, the loss's scale.
    The factor that balances the losses is a ratio of their gradients, so their scale cancels out.

    Args:
        model: in any mode; left in training mode.
        optimizer: of all its parameters, from ``make_optimizer``.
        batch: on the model's device.
        settings: the weights of the losses.
        run_state: how far the run has come; decides the weights and when the factor is refreshed.
        gaf: the gradient-adaptive factor so far, a scalar on the model's device.
        mean_frame: (n_mels,), for dropped frames.
        scaler: of the loss; only float16 needs one.
        n_micro_batches: micro-batches whose gradients are accumulated; more than one costs time and
            saves memory.
        ranks: the processes that have the batch's other clips; the step is the same on all.
    """
    model.train()
    # A batch that is not finite would stay in the batch norms' running statistics for good.
    buffers = [buffer.clone() for buffer in model.buffers()]
    scaler = scaler or grad_scaler(torch.float32, batch.mel.device)
    optimizer.zero_grad(set_to_none=True)
    refresh = run_state.step % settings.gaf_every == 0
    values: dict[str, Tensor] = {}
    gaf_before = gaf
    parts = batch.micro_batches(n_micro_batches)
    shares = _shares(parts, model.decoder.n_frames_per_step, ranks)
    for part, share in zip(parts, shares, strict=True):
        of_part, gaf = _backward(
            model, part, settings, run_state, gaf, mean_frame, scaler, share, refresh, ranks
        )
        _add_up(values, of_part)
        refresh = False  # the first part's factor holds for all of them
    _exchange(model, values, ranks)
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
    """Adam for ``train_step``, which needs a fused one to skip steps without being asked.

    The attention layer is a group of its own, with its own multiple of the rate: until it points
    somewhere, the layers behind it learn little of the text.
    """
    attention: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (attention if ".attention_layer." in name else others).append(parameter)
    optimizer = torch.optim.Adam(
        [
            {"params": others, "lr_scale": 1.0},
            {"params": attention, "lr_scale": settings.attention_learning_rate_scale},
        ],
        weight_decay=settings.weight_decay,
        eps=1e-6,
        fused=True,
    )
    set_learning_rate(optimizer, settings.learning_rate)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group of ``make_optimizer`` its multiple of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]


def _shares(parts: list[Batch], n_frames_per_step: int, ranks: Ranks) -> list[Share]:
    """Of each part in the clips of all parts and processes."""
    if len(parts) == 1 and ranks.count == 1:
        return [Share(*parts[0].weight.new_ones(3))]
    counts = []
    for part in parts:
        guided_steps = _guide(part, n_frames_per_step).counted.sum(dim=1)
        frames = part.mel_lengths.to(part.weight.device, non_blocking=True)
        columns = (frames, torch.ones_like(frames), guided_steps)
        counts.append(torch.stack([(column * part.weight).sum() for column in columns]))
    (whole,) = ranks.total([torch.stack(counts).sum(dim=0)])
    return [Share(*(count / whole.clamp(min=1))) for count in counts]


# DistributedDataParallel is not used: it adds up what a plain backward() hands to its hooks, while
# a refreshing step takes two losses' gradients by autograd.grad, needs the sums of both before it
# has a gradient at all, and may compute a batch in parts, or again in more parts.
def _exchange(model: Tacotron2, values: dict[str, Tensor], ranks: Ranks) -> None:
    """Add up gradients and losses over the processes; average the batch norms' statistics.

    Each process normalises by its own clips' statistics, as DistributedDataParallel does.
    """
    if ranks.count == 1:
        return
    parameters = [p for p in model.parameters() if p.grad is not None]
    buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
    names = [name for name in values if name not in _SAME_EVERYWHERE]
    gradients = [p.grad for p in parameters if p.grad is not None]
    message = [*gradients, *buffers, *(values[name] for name in names)]
    totals = iter(ranks.total(message))
    for parameter in parameters:
        parameter.grad = next(totals)
    for buffer in buffers:
        buffer.copy_(next(totals) / ranks.count)
    for name in names:
        values[name] = next(totals)


def _backward(
    model: Tacotron2,
    batch: Batch,
    settings: TrainConfig,
    run_state: RunState,
    gaf: Tensor,
    mean_frame: Tensor,
    scaler: torch.amp.GradScaler,
    share: Share,
    refresh: bool,
    ranks: Ranks,
) -> tuple[dict[str, Tensor], Tensor]:
    """Add a part's balanced gradients to the parameters'.

    Returns:
        The part's share of the losses by name, and the factor.
    """
    device = batch.mel.device
    dtype = product_dtype(settings.precision, device)
    weight = settings.guidance_weight * run_state.guidance_scale
    guide = _guide(batch, model.decoder.n_frames_per_step) if weight > 0 else None
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
        out = model(
            batch.text,
            batch.text_lengths,
            drop_frames(batch.mel, mean_frame, settings.drop_frame_rate),
            batch.mel_lengths,
            teacher_forcing(
                run_state.step,
                run_state.aligned_since,
                settings.p_teacher_forcing,
                settings.teacher_forcing_fade_steps,
            ),
            settings.teacher_forcing_window,
            _forced_attention(guide, settings, run_state),
        )
        recogniser = model.mi if settings.mmi else None
        log_probs = recogniser(out.hidden) if recogniser is not None else None
    parts = tacotron_loss(
        out.mel, out.mel_postnet, out.gate, batch.mel, batch.mel_lengths, settings.gate_weight
    )
    values = {name: value * share.frames for name, value in parts._asdict().items()}
    loss = parts.total * share.frames

    if guide is not None:
        guidance = guided_attention_loss(out.alignment, guide) * share.guided_steps
        loss = loss + weight * guidance
        values.update(guidance=guidance, guidance_weight=torch.tensor(weight))

    if log_probs is not None:
        mi = mmi_loss(log_probs, batch.mel_lengths, batch.ctc, batch.ctc_lengths) * share.clips
        cap = gaf_cap(run_state.first_aligned, settings.max_gaf, settings.max_gaf_aligned)
        if refresh:
            scaled = (scaler.scale(loss), scaler.scale(mi))
            gaf = balanced_backward(*scaled, list(model.parameters()), cap, ranks.total)
        else:
            gaf = gaf.clamp(max=cap)
            scaler.scale(loss + gaf * mi).backward()
        loss = loss + gaf * mi
        values.update(mi=mi, gaf=gaf)
    else:
        scaler.scale(loss).backward()
    values["loss"] = loss
    return {name: value.detach() for name, value in values.items()}, gaf


def _guide(batch: Batch, n_frames_per_step: int) -> AttentionTargets:
    n_steps = -(-batch.mel.shape[2] // n_frames_per_step)
    return attention_targets(batch.intervals, batch.mel_lengths, n_steps, n_frames_per_step)


def _forced_attention(
    guide: AttentionTargets | None, settings: TrainConfig, run_state: RunState
) -> ForcedAttention | None:
    """Where attention should be, and how much of it a clip is told: nothing, or any share.

    Attention that is never told where it was hardly finds out how to go on from there, and
    attention that is always told relies on it; between them lies correcting its own mistakes.
    """
    share = settings.attention_forcing * run_state.guidance_scale
    if guide is None or share == 0:
        return None
    is_told, how_much = torch.rand(2, len(guide.counted), 1, device=guide.counted.device)
    return ForcedAttention(forced_attention(guide), how_much * (is_told < share))


def is_guided(settings: TrainConfig, run_state: RunState) -> bool:
    """Whether attention is still helped to align."""
    return settings.guidance_weight * run_state.guidance_scale > 0


def _add_up(values: dict[str, Tensor], of_part: dict[str, Tensor]) -> None:
    for name, value in of_part.items():
        is_first = name not in values or name in _SAME_EVERYWHERE
        values[name] = value if is_first else values[name] + value
