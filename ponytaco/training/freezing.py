"""Parts of a warm started model that do not learn yet."""

from __future__ import annotations

from typing import Any

import torch

from ponytaco.config import TrainConfig
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.state import Progress


def freeze(
    model: Tacotron2, optimizer: torch.optim.Optimizer, settings: TrainConfig, progress: Progress
) -> None:
    """Keep the encoder or the attention as they are for a run's first steps.

    The optimizer passes over them, and the step itself need not know: a gradient of zero would not
    do, because Adam still moves what has a weight decay.

    Args:
        model: whose parts they are.
        optimizer: of the model's parameters; asks before each of its steps.
        settings: for how many steps.
        progress: its step is read each time.
    """
    parts = (
        (settings.freeze_encoder_steps, (model.embedding, model.encoder)),
        (
            settings.freeze_attention_steps,
            (model.decoder.attention_rnn, model.decoder.attention_layer),
        ),
    )

    def pass_over(*_: Any) -> None:
        for n_steps, modules in parts:
            if progress.step < n_steps:
                for module in modules:
                    module.zero_grad(set_to_none=True)

    if any(n_steps for n_steps, _ in parts):
        optimizer.register_step_pre_hook(pass_over)
