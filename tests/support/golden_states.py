"""The weights of the golden models in the published layouts, their sizes, and a checkpoint."""

import numpy as np
import torch
from support.paths import GOLDEN

from ponytaco.checkpoint.format import Checkpoint, save_checkpoint
from ponytaco.config import Config
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, NVIDIA_SYMBOLS

_FILES = {"plain": "nvidia_tacotron2_tiny.npz", "mmi": "mmi_tacotron2_tiny.npz"}

_COMMON = {
    "symbols_embedding_dim": 24, "encoder_embedding_dim": 24, "attention_rnn_dim": 32,
    "prenet_dim": 16, "attention_dim": 12, "attention_location_n_filters": 4,
    "attention_location_kernel_size": 7, "postnet_embedding_dim": 20, "postnet_n_convolutions": 5,
    "encoder_n_convolutions": 3, "n_frames_per_step": 1, "encoder_kernel_size": 5,
    "postnet_kernel_size": 5,
}  # fmt: skip
GOLDEN_SIZES = {
    "plain": {**_COMMON, "head": "plain", "decoder_rnn_dim": 28},
    "mmi": {**_COMMON, "head": "mmi", "decoder_rnn_dim": 32},
}


def golden_state(head):
    """NVIDIA's ('plain') or bfs18's ('mmi') state_dict."""
    arrays = np.load(GOLDEN / _FILES[head])
    names = [name for name in arrays.files if name.startswith("state/")]
    return {name.removeprefix("state/"): torch.from_numpy(arrays[name]) for name in names}


PLAIN = golden_state("plain")


def plain_checkpoint(symbols=NVIDIA_SYMBOLS, state=PLAIN, **changes):
    config = Config().replace(**{**GOLDEN_SIZES["plain"], **changes})
    return Checkpoint(
        config, dict(state), list(symbols), list(CTC_SYMBOLS), torch.zeros(80),
        run_state=RunState(step=70),
    )  # fmt: skip


def saved(path, checkpoint):
    save_checkpoint(path, checkpoint)
    return path
