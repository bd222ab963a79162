"""Short runs on the fake dataset: their settings, how to stop them, how to compare two."""

import dataclasses
import random

import numpy as np
import torch

from ponytaco.presets import preset
from ponytaco.training.loop import train

# Everything that is random, or kept in the state, before a voice is aligned is on.
# 11 clips in batches of 4 are 3 steps per epoch.
CONFIG = preset("tiny").replace(
    batch_size=4, max_steps=5, validate_every=100, drop_frame_rate=0.3, gaf_every=3,
    guidance_weight=2.0, p_arpabet=0.5, max_gaf=0.4,
    prenet_dim=16, attention_rnn_dim=24, decoder_rnn_dim=24, device="cpu",
)  # fmt: skip
FAST = CONFIG.replace(gaf_every=10)
# For sessions that are killed: small, fast, and saving at every step.
SMALLEST = preset("tiny").replace(
    batch_size=4, validate_every=1000, drop_frame_rate=0.3, mmi=False, guidance_weight=0.0,
    p_arpabet=0.5, prenet_dim=16, attention_rnn_dim=24, decoder_rnn_dim=24, device="cpu",
    encoder_n_convolutions=1, postnet_n_convolutions=2, save_every_minutes=1e-6,
)  # fmt: skip
SAVING = CONFIG.replace(save_every_minutes=1e-6)  # at every step


def train_quietly(*args, **kwargs):
    return train(*args, log=lambda sentence: None, **kwargs)


def stop_after(n_steps):
    """Return a ``stop`` that is true after so many steps."""
    asked = []

    def stop():
        asked.append(1)
        return len(asked) >= n_steps

    return stop


def disturb_random_numbers():
    torch.manual_seed(98765)
    random.seed(98765)
    np.random.default_rng().random()


def assert_same(one, other, place=""):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    elif hasattr(one, "items"):
        assert list(one) == list(other), place
        for key in one:
            assert_same(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{place}/{i}")
    else:
        assert one == other, place


def assert_same_run(one, other, except_for=("seconds",)):
    """Compare two checkpoints to the bit, except for the duration of the training."""
    for name in ("state_dict", "trained", "optimizer", "sampler", "rng", "mean_frame", "symbols"):
        assert_same(getattr(one, name), getattr(other, name), name)
    first, second = (dataclasses.asdict(c.run_state) for c in (one, other))
    for name in except_for:
        first.pop(name), second.pop(name)
    assert first == second
