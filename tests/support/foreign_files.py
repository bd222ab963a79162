"""Checkpoints of other programs: ways of saving weights, and settings kept as objects."""

import argparse
import sys
import types

import torch
from support.golden_states import golden_state
from torch import nn


class Hparams:
    """As tf.contrib's HParams: an object with an attribute for each setting."""

    def __init__(self, **settings):
        self.__dict__.update(settings, _hparam_types={name: (int, False) for name in settings})


class AttributeTable(dict):
    """A table whose items are its attributes, too."""

    def __init__(self, **settings):
        super().__init__(settings)
        self.__dict__ = self


def as_module(state, module="their_model", name="Tacotron2"):
    """A module with such weights, of a program that is not here when it is read."""
    program = types.ModuleType(module)
    kind = type(name, (nn.Module,), {"__module__": module})
    setattr(program, name, kind)
    sys.modules[module] = program
    whole = kind()
    for weight, value in state.items():
        *modules, last = weight.split(".")
        inner = whole
        for part in modules:
            if part not in inner._modules:
                inner.add_module(part, nn.Module())
            inner = inner._modules[part]
        if value.is_floating_point() and not last.startswith("running"):
            inner.register_parameter(last, nn.Parameter(value.clone()))
        else:
            inner.register_buffer(last, value)
    return whole


def their_checkpoint(state):
    optimizer = torch.optim.Adam([torch.zeros(3, requires_grad=True)])
    return {"iteration": 7, "state_dict": state, "optimizer": optimizer.state_dict(),
            "learning_rate": 1e-3}  # fmt: skip


PUBLISHED = {"sampling_rate": 22050, "filter_length": 1024, "hop_length": 256, "win_length": 1024,
             "n_mel_channels": 80, "mel_fmin": 0.0, "mel_fmax": 8000.0,
             "text_cleaners": ["english_cleaners"], "p_decoder_dropout": 0.1}  # fmt: skip

WAYS = {
    "NVIDIA's checkpoint": their_checkpoint,
    "a state dict alone": lambda state: state,
    "FakeYou's": lambda state: {"iteration": 7, "state_dict": state},
    "data parallel": lambda state: {"state_dict": {f"module.{n}": v for n, v in state.items()}},
    "compiled and parallel": lambda state: {f"_orig_mod.module.{n}": v for n, v in state.items()},
    "with an hparams object": lambda state: {**their_checkpoint(state),
                                             "hparams": Hparams(**PUBLISHED)},
    "with a namespace": lambda state: {"state_dict": state,
                                       "args": argparse.Namespace(**PUBLISHED)},
    "with a table of attributes": lambda state: {"state_dict": state,
                                                 "hparams": AttributeTable(**PUBLISHED)},
    "a pickled module": as_module,
    "a table with a pickled module": lambda state: {"model": as_module(state), "iteration": 7},
    "a table of weights named model": lambda state: {"model": state, "step": 7},
}  # fmt: skip


def save_foreign(path, way, state=None, older=False):
    """Save NVIDIA's golden weights, or others, in one of these ways."""
    content = WAYS[way](golden_state("plain") if state is None else state)
    torch.save(content, path, _use_new_zipfile_serialization=not older)
    sys.modules.pop("their_model", None)
    return path
