"""The discriminator, which tells mels of clips from the postnet's; only training needs it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_CHANNELS = (32, 64, 96, 128)
# Frames are halved twice, bands four times: a score is about some 0.6 s of 80 bands.
_STRIDES = ((2, 2), (2, 2), (2, 1), (2, 1))
# The standard deviation of a log mel's values, roughly; spectral norms expect some such scale.
_SCALE = 2.0
_SLOPE = 0.2


class MelDiscriminator(nn.Module):
    """Convolutions over bands and frames that score patches of a mel (Isola et al. 2017, PatchGAN).

    Spectral norms keep it from winning by steepness (Miyato et al. 2018, arXiv:1802.05957).

    Args:
        mean_frame: (n_mels,), the data set's mean frame.
    """

    mean_frame: Tensor

    def __init__(self, mean_frame: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean_frame", mean_frame.clone())
        # The second channel is the place in the spectrum: bands differ, unlike an image's rows.
        widths = (2, *_CHANNELS)
        self.convolutions = nn.ModuleList(
            spectral_norm(nn.Conv2d(n_in, n_out, 5, stride, padding=2))
            for n_in, n_out, stride in zip(widths, widths[1:], _STRIDES, strict=False)
        )
        self.score = spectral_norm(nn.Conv2d(_CHANNELS[-1], 1, 3, padding=1))

    def forward(self, mel: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score patches.

        Args:
            mel: (B, n_mels, T_mel).

        Returns:
            Scores (B, 1, bands, frames), learnt to be 1 for mels of clips and 0 for others, and the
            features of each layer.
        """
        x = (mel - self.mean_frame[:, None]) / _SCALE
        place = torch.linspace(-1, 1, x.shape[1], device=x.device)[None, :, None].expand_as(x)
        x = torch.stack([x, place], dim=1)
        features = []
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), _SLOPE)
            features.append(x)
        return self.score(x), features
