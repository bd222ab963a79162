"""Changing the reduction factor r of a trained model."""

from __future__ import annotations

import torch
from torch import nn

from ponytaco.checkpoint.conversion.rows import of_frames
from ponytaco.model.tacotron2 import Tacotron2


def set_frames_per_step(
    model: Tacotron2, n_frames_per_step: int, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Set a model's reduction factor: the frames, gates and CTC symbols of a decoder step.

    The output layers keep the rows of a step's first frames. A step is fed the last frame of the
    previous one, and at any r the row for the k-th frame has learnt what comes k frames after the
    one that was fed. So the first rows keep their meaning, while the last ones would have to make
    the next frame and know only a later one. If r grows, the additional frames start as copies of
    the last.

    The optimizer's moments stay with their rows. New ones would be zero, and Adam's first steps,
    which move every weight by the full learning rate, would spoil what has been kept.

    Args:
        model: the model, changed in place; these layers get new parameters.
        n_frames_per_step: the new reduction factor.
        optimizer: the optimizer of its parameters; takes the new ones in place of the old ones.
    """
    decoder = model.decoder
    r, decoder.n_frames_per_step = decoder.n_frames_per_step, n_frames_per_step
    if r == n_frames_per_step:
        return
    mel = decoder.linear_projection if decoder.mel_layer is None else decoder.mel_layer[-1]
    outputs: list[nn.Module] = [mel, decoder.gate_layer]
    if model.mi is not None:
        model.mi.n_frames_per_step = n_frames_per_step
        outputs.append(model.mi.ctc_proj)
    for output in outputs:
        linear = output.get_submodule("linear_layer")
        assert isinstance(linear, nn.Linear)
        for name, old in list(linear.named_parameters()):
            rows = of_frames(range(len(old) // r), len(old) // r, len(old), r, n_frames_per_step)
            assert rows is not None
            places = torch.tensor(rows.places, device=old.device)
            new = nn.Parameter(old.detach()[places], requires_grad=old.requires_grad)
            linear.register_parameter(name, new)
            linear.out_features = len(new)
            if optimizer is not None:
                _replace(optimizer, old, new, places)


def _replace(
    optimizer: torch.optim.Optimizer, old: nn.Parameter, new: nn.Parameter, places: torch.Tensor
) -> None:
    for group in optimizer.param_groups:
        # The position matters: a saved state is restored by it.
        group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
    if old in optimizer.state:
        optimizer.state[new] = {
            name: value[places] if value.shape == old.shape else value
            for name, value in optimizer.state.pop(old).items()
        }
