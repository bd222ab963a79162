"""One training step: losses, balanced gradients, gradient clipping and the optimizer.

Nothing here reads a value from the device, so that neither the GPU nor Python waits for the other:
the device decides whether a step is skipped, and the answer is read when a report is due. Only the
adversarial rounds of the postnet, seldom, wait for the end of what the decoder speaks.
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
from ponytaco.training.adversarial import ADVERSARIAL_EVERY, AdversarialPostnet
from ponytaco.training.distributed import ALONE, Ranks
from ponytaco.training.precision import grad_scaler, product_dtype
from ponytaco.training.schedules import drop_rate, gaf_cap, teacher_forcing

# Values that are equal in all micro-batches and processes; all others are sums over them.
_NOT_SUMMED = ("gaf", "guidance_weight")


class StepLosses(NamedTuple):
    """The results of a step, on its device."""

    values: dict[str, Tensor]
    """Losses, their weights and the gradient norm by name, scalars."""
    gaf: Tensor
    """The gradient-adaptive factor for the next steps, a scalar."""
    skipped: Tensor
    """Whether the step was skipped, a scalar of bool."""


class _Share(NamedTuple):
    """A micro-batch's share of what a step's losses are means over: 0 to 1, each a scalar."""

    frames: Tensor
    clips: Tensor
    guided_steps: Tensor  # decoder steps that the guidance counts


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
    adversary: AdversarialPostnet | None = None,
) -> StepLosses:
    """Train on a batch: forward pass, balanced gradients, clipping, and the optimizer's step.

    A step whose loss or gradient is not finite is skipped: it changes nothing but the loss scale of
    float16. The gradient-adaptive factor is a ratio of gradients, so that the loss scale cancels.

    Args:
        model: in any mode; left in training mode.
        optimizer: optimizer of all its parameters, from ``make_optimizer``.
        batch: on the model's device.
        settings: weights of the losses.
        run_state: decides schedules, and whether this step refreshes the factor.
        gaf: the gradient-adaptive factor so far, a scalar on the model's device.
        mean_frame: (n_mels,) replaces dropped frames.
        scaler: loss scaler; only float16 needs one.
        n_micro_batches: micro-batches whose gradients are accumulated, which takes less memory and
            more time.
        ranks: the processes that have the batch's other clips; the step is the same on all.
        adversary: trains the postnet in the place of its squared error; None until it begins.
    """
    model.train()
    if adversary is not None:
        model.postnet.eval()
    # A batch that is not finite would stay in the batch norms' running statistics for good.
    buffers = [buffer.clone() for buffer in model.buffers()]
    scaler = scaler or grad_scaler(torch.float32, batch.mel.device)
    optimizer.zero_grad(set_to_none=True)
    refresh = run_state.step % settings.gaf_every == 0
    values: dict[str, Tensor] = {}
    gaf_before = gaf
    micro_batches = batch.micro_batches(n_micro_batches)
    shares = _shares(micro_batches, model.decoder.n_frames_per_step, ranks)
    for micro_batch, share in zip(micro_batches, shares, strict=True):
        new_values, gaf, decoded = _backward(
            model, micro_batch, settings, run_state, gaf, mean_frame, scaler, share, refresh, ranks,
            has_adversary=adversary is not None,
        )  # fmt: skip
        for name, value in new_values.items():
            is_sum = name in values and name not in _NOT_SUMMED
            values[name] = values[name] + value if is_sum else value
        refresh = False  # the first micro-batch's factor holds for all
    _all_reduce(model, values, ranks)
    loss = values["loss"]
    parameters = list(model.parameters())
    scaler.unscale_(optimizer)
    grad_norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
    skipped = ~(torch.isfinite(loss) & torch.isfinite(grad_norm))
    for buffer, before in zip(model.buffers(), buffers, strict=True):
        torch.where(skipped, before, buffer, out=buffer)
    # A fused optimizer reads this on the device and does nothing if it is 1. The scaler's own step
    # would set it too, but does not check the loss.
    optimizer.found_inf = skipped.float()  # type: ignore[attr-defined]
    optimizer.step()
    scaler.update()
    values.update(grad_norm=grad_norm)
    if adversary is not None and run_state.step % ADVERSARIAL_EVERY == 0:
        values.update(adversary.round(micro_batch, decoded, ~skipped, ranks))
    return StepLosses(
        {name: value.detach() for name, value in values.items()},
        torch.where(skipped, gaf_before, gaf),
        skipped,
    )


def is_guided(settings: TrainConfig, run_state: RunState) -> bool:
    """Whether attention is still guided."""
    return settings.guidance_weight * run_state.guidance_scale > 0


def _shares(micro_batches: list[Batch], n_frames_per_step: int, ranks: Ranks) -> list[_Share]:
    """Return the share of each micro-batch in those of all processes."""
    if len(micro_batches) == 1 and ranks.count == 1:
        return [_Share(*micro_batches[0].weight.new_ones(3))]
    counts = []
    for batch in micro_batches:
        guided_steps = _attention_targets(batch, n_frames_per_step).counted.sum(dim=1)
        frames = batch.mel_lengths.to(batch.weight.device, non_blocking=True)
        columns = (frames, torch.ones_like(frames), guided_steps)
        counts.append(torch.stack([(column * batch.weight).sum() for column in columns]))
    (total,) = ranks.all_reduce([torch.stack(counts).sum(dim=0)])
    return [_Share(*(count / total.clamp(min=1))) for count in counts]


# DistributedDataParallel sums what one backward() hands to its hooks. A step that refreshes the
# factor takes two losses' gradients by autograd.grad and needs the sums of both before it has a
# gradient at all; and a step may accumulate micro-batches, or start again with more of them.
def _all_reduce(model: Tacotron2, values: dict[str, Tensor], ranks: Ranks) -> None:
    """Sum gradients and losses over the processes, and average the batch norms' statistics.

    Each process normalises by its own clips' statistics, as in DistributedDataParallel.
    """
    if ranks.count == 1:
        return
    parameters = [p for p in model.parameters() if p.grad is not None]
    buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
    names = [name for name in values if name not in _NOT_SUMMED]
    gradients = [p.grad for p in parameters if p.grad is not None]
    sums = iter(ranks.all_reduce([*gradients, *buffers, *(values[name] for name in names)]))
    for parameter in parameters:
        parameter.grad = next(sums)
    for buffer in buffers:
        buffer.copy_(next(sums) / ranks.count)
    for name in names:
        values[name] = next(sums)


def _backward(
    model: Tacotron2,
    batch: Batch,
    settings: TrainConfig,
    run_state: RunState,
    gaf: Tensor,
    mean_frame: Tensor,
    scaler: torch.amp.GradScaler,
    share: _Share,
    refresh: bool,
    ranks: Ranks,
    has_adversary: bool,
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Add a micro-batch's balanced gradients to the parameters' gradients.

    Returns:
        The micro-batch's summands of the losses by name, the gradient-adaptive factor, and the mel
        (B, n_mels, T_mel) before the postnet.
    """
    device = batch.mel.device
    dtype = product_dtype(settings.precision, device)
    weight = settings.guidance_weight * run_state.guidance_scale
    targets = _attention_targets(batch, model.decoder.n_frames_per_step) if weight > 0 else None
    drop = drop_rate(
        run_state.first_aligned, settings.drop_frame_rate, settings.drop_frame_rate_aligned
    )
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32):
        out = model(
            batch.text,
            batch.text_lengths,
            drop_frames(batch.mel, mean_frame, drop),
            batch.mel_lengths,
            teacher_forcing(
                run_state.step,
                run_state.aligned_since,
                settings.p_teacher_forcing,
                settings.teacher_forcing_fade_steps,
            ),
            settings.teacher_forcing_window,
            _forced_attention(targets, settings, run_state),
        )
        recogniser = model.mi if settings.mmi else None
        log_probs = recogniser(out.hidden) if recogniser is not None else None
    losses = tacotron_loss(
        out.mel,
        out.mel_postnet.detach() if has_adversary else out.mel_postnet,
        out.gate,
        batch.mel,
        batch.mel_lengths,
        settings.gate_weight,
        batch.is_end,
    )
    values = {name: value * share.frames for name, value in losses._asdict().items()}
    loss = losses.total * share.frames

    if targets is not None:
        guidance = guided_attention_loss(out.alignment, targets) * share.guided_steps
        loss = loss + weight * guidance
        values.update(guidance=guidance, guidance_weight=torch.tensor(weight))

    if log_probs is not None:
        mi = mmi_loss(log_probs, batch.mel_lengths, batch.ctc, batch.ctc_lengths) * share.clips
        cap = gaf_cap(run_state.first_aligned, settings.max_gaf, settings.max_gaf_aligned)
        is_constant = settings.mmi_weight > 0
        if refresh and not is_constant:
            scaled = (scaler.scale(loss), scaler.scale(mi))
            gaf = balanced_backward(*scaled, list(model.parameters()), cap, ranks.all_reduce)
        else:
            gaf = torch.full_like(gaf, settings.mmi_weight) if is_constant else gaf.clamp(max=cap)
            scaler.scale(loss + gaf * mi).backward()
        loss = loss + gaf * mi
        values.update(mi=mi, gaf=gaf)
    else:
        scaler.scale(loss).backward()
    values["loss"] = loss
    return {name: value.detach() for name, value in values.items()}, gaf, out.mel.detach()


def _attention_targets(batch: Batch, n_frames_per_step: int) -> AttentionTargets:
    n_steps = -(-batch.mel.shape[2] // n_frames_per_step)
    return attention_targets(batch.intervals, batch.mel_lengths, n_steps, n_frames_per_step)


def _forced_attention(
    targets: AttentionTargets | None, settings: TrainConfig, run_state: RunState
) -> ForcedAttention | None:
    """Return the attention to force: by a random share in some clips, not at all in the others.

    Attention that is never forced hardly learns to move on from a place, and attention that is
    always forced relies on it; in between it learns to correct its own mistakes.
    """
    p_forced = settings.attention_forcing * run_state.guidance_scale
    if targets is None or p_forced == 0:
        return None
    draw, share = torch.rand(2, len(targets.counted), 1, device=targets.counted.device)
    return ForcedAttention(forced_attention(targets), share * (draw < p_forced))
