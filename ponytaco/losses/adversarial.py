"""Losses of a least-squares GAN (Mao et al. 2017, arXiv:1611.04076), and feature matching."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Compute the discriminator's loss: scores of 1 are wanted for real, of 0 for fake mels."""
    return (real - 1).square().mean() + fake.square().mean()


def generator_loss(fake: Tensor) -> Tensor:
    """Compute the generator's loss, which wants its mels to be scored 1."""
    return (fake - 1).square().mean()


def feature_matching_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Compute how far apart a discriminator's features are (Kumar et al. 2019, arXiv:1910.06711).

    Args:
        real: each layer's features of the true mels; they get no gradient.
        fake: those of the generator's, in the same order.
    """
    distances = [
        (ours - theirs.detach()).abs().mean() for theirs, ours in zip(real, fake, strict=True)
    ]
    return torch.stack(distances).mean()
