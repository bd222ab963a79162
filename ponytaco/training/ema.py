"""The running mean of a model's weights, which speaks more steadily than where training is now."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ponytaco.model.tacotron2 import Tacotron2


class EMA:
    """A model whose weights are the mean of another's over its last steps.

    Every step of training moves the weights by what its few clips ask for, and the next one moves
    them back; in attention, whose every frame hangs on the one before, such a move is enough to
    leap over a word. The mean has what the steps agree on (Polyak & Juditsky 1992).

    ``torch.optim.swa_utils.AveragedModel`` would do, but it copies its counter to the device at
    every step, which makes a GPU wait.

    Attributes:
        model: the mean, in evaluation mode; never trained itself.

    Args:
        trained: the model that learns, on its device.
        decay: what the mean keeps of itself in a step, 0 to 1, once the run is long enough.
        weights: the mean so far; the trained model's own if left out.
    """

    model: Tacotron2

    def __init__(
        self, trained: Tacotron2, decay: float, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        self._decay = decay
        self.begin(trained, weights)

    def begin(self, trained: Tacotron2, weights: Mapping[str, Tensor] | None = None) -> None:
        """Begin anew, as with a model whose layers have been exchanged; as for making one."""
        self.model = copy.deepcopy(trained).eval().requires_grad_(False)
        self.model.zero_grad(set_to_none=True)  # a copy has them, too
        if weights is not None:
            self.model.load_state_dict(weights)
        # A copy's LSTM weights lie apart, and cuDNN would gather them anew in each validation.
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
        """Take in the trained model's weights.

        Args:
            step: steps that the run has done. The mean is over about a ninth of them at most: in
                the beginning a voice gets better too fast for its older weights to help.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        ours, theirs = map(list, zip(*self._means, strict=True))
        get_ema_multi_avg_fn(decay)(ours, theirs, step)
        for our, their in self._counts:
            our.copy_(their)
