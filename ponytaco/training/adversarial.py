"""Adversarial training of the postnet, which sharpens what squared errors have blurred.

Of all ways to say a sound, the one with the least squared error is their mean: a blurred spectrum,
of which a vocoder makes a muffled voice. Some time after attention has aligned, the postnet is no
longer trained on squared errors, but to make mels that a discriminator takes for those of clips:
from the decoder's mels under teacher forcing, and from those that it makes on its own, as in
synthesis, which are blurred further. The decoder goes on as before: no gradient of this reaches it.
experiments/results/adversarial.md has what it brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ponytaco.data.loader import Batch
from ponytaco.losses.adversarial import discriminator_loss, feature_matching_loss, generator_loss
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.mel_discriminator import MelDiscriminator
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.training.distributed import ALONE, Ranks

ADVERSARIAL_EVERY = 8
"""Training steps between rounds: to make the decoder speak on its own takes as long as a step."""
_N_UPDATES = 8
_N_SPOKEN, _N_CROPS, _CROP_FRAMES = 8, 8, 96
_LEARNING_RATE, _BETAS = 2e-4, (0.5, 0.9)
_FEATURES_WEIGHT, _SCORE_WEIGHT = 2.0, 0.5
# Frames over which a mel that has no true one must keep its mean.
_COARSE_FRAMES = 5


class _Mels(NamedTuple):
    mels: tuple[Tensor, ...]
    """Each (B, n_mels, T_mel), of the same clips."""
    lengths: Tensor
    """(B,) frames, on the CPU."""


class AdversarialPostnet:
    """Trains a model's postnet against a discriminator.

    Attributes:
        has_begun: whether it has taken the place of squared errors; set by whoever begins.

    Args:
        model: the model in training, on its device.
        mean_frame: (n_mels,), the data set's mean frame.
        seed: seed of the discriminator's weights.
    """

    def __init__(self, model: Tacotron2, mean_frame: Tensor, seed: int) -> None:
        self.has_begun = False
        self._model = model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            discriminator = MelDiscriminator(mean_frame.cpu())
        self._discriminator = discriminator.to(mean_frame.device)
        self._of_postnet = _optimizer(model.postnet)
        self._of_discriminator = _optimizer(self._discriminator)

    def round(
        self, batch: Batch, decoded: Tensor, is_usable: Tensor, ranks: Ranks = ALONE
    ) -> dict[str, Tensor]:
        """Train discriminator and postnet on random crops of a batch, a few times.

        The model is left in evaluation mode.

        Args:
            batch: on the model's device.
            decoded: (B, n_mels, T_mel), the batch's mels before the postnet, teacher-forced.
            is_usable: scalar of bool, on the device; where it is False, nothing changes.
            ranks: the processes that train together, each on its own clips.

        Returns:
            The last update's losses by name.
        """
        forced = _Mels((decoded, batch.mel), batch.mel_lengths)
        spoken = self._speak(batch)
        losses: dict[str, Tensor] = {}
        for _ in range(_N_UPDATES):
            losses = self._update(forced, spoken, is_usable, ranks)
        return losses

    @torch.no_grad()
    def _speak(self, batch: Batch) -> _Mels:
        """Let the decoder speak a batch's first texts on its own, without the postnet."""
        model = self._model.eval()
        text, lengths = batch.text[:_N_SPOKEN], batch.text_lengths[:_N_SPOKEN]
        packed = PackedDecoder(model.decoder, with_graphs=False)
        free, n_frames = model.infer(text, lengths, batch.mel.shape[2], packed=packed)
        return _Mels((free.mel,), n_frames.cpu())

    def _update(
        self, forced: _Mels, spoken: _Mels, is_usable: Tensor, ranks: Ranks
    ) -> dict[str, Tensor]:
        decoded, true = _crops(forced)
        (free,) = _crops(spoken)
        inputs = torch.cat([decoded, free])
        sharpened = inputs + self._model.postnet(inputs)

        real_scores, _ = self._discriminator(true)
        fake_scores, _ = self._discriminator(sharpened.detach())
        wrong = discriminator_loss(real_scores, fake_scores)
        _descend(self._of_discriminator, wrong, is_usable, ranks)

        with torch.no_grad():
            _, real_features = self._discriminator(true)
        scores, features = self._discriminator(sharpened)
        found_out = generator_loss(scores)
        n = len(true)
        loss = (
            F.l1_loss(sharpened[:n], true)
            + F.l1_loss(_coarse(sharpened[n:]), _coarse(free))
            + _FEATURES_WEIGHT * feature_matching_loss(real_features, [f[:n] for f in features])
            + _SCORE_WEIGHT * found_out
        )
        _descend(self._of_postnet, loss, is_usable, ranks)
        return {"discriminator": wrong.detach(), "adversarial": found_out.detach()}

    def state_dict(self) -> dict[str, Any] | None:
        """Return the state to resume from; None before it has begun."""
        if not self.has_begun:
            return None
        return {
            "discriminator": self._discriminator.state_dict(),
            "of_discriminator": self._of_discriminator.state_dict(),
            "of_postnet": self._of_postnet.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Restore a state; None leaves a discriminator that has learnt nothing."""
        self.has_begun = state is not None
        if state is not None:
            self._discriminator.load_state_dict(state["discriminator"])
            self._of_discriminator.load_state_dict(state["of_discriminator"])
            self._of_postnet.load_state_dict(state["of_postnet"])


def _optimizer(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), _LEARNING_RATE, _BETAS, fused=True)


def _crops(mels: _Mels) -> list[Tensor]:
    """Draw crops at the same places of all mels; a shorter clip's last frame is repeated.

    Returns:
        Each (N, n_mels, frames).
    """
    first, lengths = mels.mels[0], mels.lengths
    # Drawn on the CPU, so that the device has nothing to tell.
    rows = torch.randint(len(lengths), (_N_CROPS,))
    lengths = lengths[rows]
    starts = (torch.rand(_N_CROPS) * (lengths - _CROP_FRAMES + 1).clamp(min=1)).long()
    frames = torch.minimum(starts[:, None] + torch.arange(_CROP_FRAMES), lengths[:, None] - 1)
    rows, frames = (x.to(first.device, non_blocking=True) for x in (rows, frames))
    return [mel.transpose(1, 2)[rows[:, None], frames].transpose(1, 2) for mel in mels.mels]


def _coarse(mel: Tensor) -> Tensor:
    return F.avg_pool1d(mel, _COARSE_FRAMES)


def _descend(
    optimizer: torch.optim.Optimizer, loss: Tensor, is_usable: Tensor, ranks: Ranks
) -> None:
    """Take a step of a fused optimizer on the processes' mean gradient, unless it is not finite."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = list(torch.autograd.grad(loss, parameters))
    if ranks.count > 1:
        gradients = [total / ranks.count for total in ranks.all_reduce(gradients)]
    norm = torch.nn.utils.get_total_norm(gradients)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    # A fused optimizer reads this on the device and does nothing if it is 1.
    optimizer.found_inf = (~(is_usable & torch.isfinite(norm))).float()  # type: ignore[attr-defined]
    optimizer.step()
    for parameter in parameters:
        parameter.grad = None
