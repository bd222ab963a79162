"""Another number of frames a step (r) for a model that has learnt with its own."""

from __future__ import annotations

import torch
from torch import nn

from ponytaco.checkpoint.conversion.rows import of_frames
from ponytaco.model.tacotron2 import Tacotron2


def set_frames_per_step(
    model: Tacotron2, n_frames_per_step: int, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Let each decoder step make another number of mel frames, gates and recogniser's signs.

    The output layers' rows for a step's first frames are kept. A step is fed the last frame of the
    one before, and in a step of any length the row for the k-th frame has learnt what comes k
    frames after the one that was fed: the first rows go on meaning what they meant, while the last
    ones would have to make the next frame and know only a later one. Where there are more frames
    than before, the further ones begin like the last.

    The optimizer's moments go with their rows. Made anew they would be zero, and Adam's first
    steps, which move every weight by the whole learning rate, would spoil what has been kept.

    Args:
        model: changed in place; these layers get new parameters.
        n_frames_per_step: mel frames that a step is to make.
        optimizer: of its parameters; takes the new ones in the places of the old ones.
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
        # The place counts: a saved state is given back by it.
        group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
    if old in optimizer.state:
        optimizer.state[new] = {
            name: value[places] if value.shape == old.shape else value
            for name, value in optimizer.state.pop(old).items()
        }
