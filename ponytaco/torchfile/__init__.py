"""Torch files from strangers: nothing in them runs, and nothing large is believed."""

from ponytaco.torchfile.claims import MoreThanWeightsError, TorchFileError
from ponytaco.torchfile.files import MOST_BYTES, check_members, inspect, load_torch_file
from ponytaco.torchfile.modules import Module, load_modules

__all__ = [
    "MOST_BYTES",
    "Module",
    "MoreThanWeightsError",
    "TorchFileError",
    "check_members",
    "inspect",
    "load_modules",
    "load_torch_file",
]
