"""The exponential moving average (EMA) of a model's weights, which speaks more steadily."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ponytaco.model.tacotron2 import Tacotron2


class EMA:
    """A copy of a model whose weights are the exponential moving average of the model's.

    Each step moves the weights towards its few clips, and the next one moves them back. Attention
    depends on the frame before, so that one such move can make it skip a word; the average keeps
    what the steps have in common (Polyak & Juditsky 1992).

    ``torch.optim.swa_utils.AveragedModel`` is not used because it copies its counter to the device
    at every step, which makes a GPU wait.

    Attributes:
        model: the average, in evaluation mode; never trained itself.

    Args:
        trained: the model in training, on its device.
        decay: share of itself that the average keeps at a step, 0 to 1, late in a run.
        weights: the average so far; by default the trained model's weights.
    """

    model: Tacotron2

    def __init__(
        self, trained: Tacotron2, decay: float, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        self._decay = decay
        self.begin(trained, weights)

    def begin(self, trained: Tacotron2, weights: Mapping[str, Tensor] | None = None) -> None:
        """Start anew, as after layers of the model were exchanged; arguments as of the class."""
        self.model = copy.deepcopy(trained).eval().requires_grad_(False)
        self.model.zero_grad(set_to_none=True)  # gradients are copied, too
        if weights is not None:
            self.model.load_state_dict(weights)
        # A copy's LSTM weights are scattered, and cuDNN would compact them in each validation.
        self.model.encoder.lstm.flatten_parameters()
        pairs = [
            (ours, theirs.detach())
            for ours, theirs in (
                *zip(self.model.parameters(), trained.parameters(), strict=True),
                *zip(self.model.buffers(), trained.buffers(), strict=True),
            )
        ]
        self._means = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Average in the trained model's weights.

        Args:
            step: steps of the run so far. The average covers at most about a ninth of them: early
                on, a voice improves too fast for older weights to help.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        ours, theirs = map(list, zip(*self._means, strict=True))
        get_ema_multi_avg_fn(decay)(ours, theirs, step)
        for our, their in self._counts:
            our.copy_(their)
