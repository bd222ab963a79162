"""Freezing: layers of a warm-started model that are not trained at first."""

from __future__ import annotations

from typing import Any

import torch

from ponytaco.config import TrainConfig
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.state import RunState


def freeze(
    model: Tacotron2, optimizer: torch.optim.Optimizer, settings: TrainConfig, run_state: RunState
) -> None:
    """Freeze the encoder or the attention for a run's first steps.

    A hook removes their gradients before each step of the optimizer. Zero gradients would not do,
    because Adam still moves weights that have a weight decay.

    Args:
        model: the model to train.
        optimizer: optimizer of its parameters.
        settings: tells for how many steps each is frozen.
        run_state: tells the step.
    """
    frozen = (
        (settings.freeze_encoder_steps, (model.embedding, model.encoder)),
        (
            settings.freeze_attention_steps,
            (model.decoder.attention_rnn, model.decoder.attention_layer),
        ),
    )

    def remove_gradients(*_: Any) -> None:
        for n_steps, modules in frozen:
            if run_state.step < n_steps:
                for module in modules:
                    module.zero_grad(set_to_none=True)

    if any(n_steps for n_steps, _ in frozen):
        optimizer.register_step_pre_hook(remove_gradients)
