"""Presets: named settings for common cases."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ponytaco.config import Config, ConfigError, ModelConfig, parse_recipe

DEFAULT = "full"

# Settings are some kB.
_MOST_BYTES = 2**20

# Changes from the defaults, which are the published size.

# The published dropouts of 0.5 are for a model 15 times as large: with them the small one's mel
# loss after 270 steps on the demo voice is 2.7 instead of 1.6, and with a prenet's of 0.5 in the
# place of 0.2 fewer words are understood (experiments/results/real_voice.md).
_LOW_DROPOUT: Mapping[str, float] = {
    "p_encoder_dropout": 0.1, "p_head_dropout": 0.1, "p_postnet_dropout": 0.1,
}  # fmt: skip
_SMALL_MODEL: Mapping[str, Any] = {
    "symbols_embedding_dim": 128, "encoder_embedding_dim": 128, "attention_rnn_dim": 256,
    "decoder_rnn_dim": 256, "prenet_dim": 128, "attention_dim": 64,
    "attention_location_n_filters": 16, "attention_location_kernel_size": 15,
    "postnet_embedding_dim": 128, "n_frames_per_step": 2,
    **_LOW_DROPOUT, "p_prenet_dropout": 0.2,
}  # fmt: skip
PRESETS: Mapping[str, Mapping[str, Any]] = types.MappingProxyType({
    "full": {},
    # What hobbyists found for a few minutes of clips and a warm start from NVIDIA's voice: a low
    # learning rate, constant and then decaying to its floor, which it reaches as the run ends.
    "warm": {**_LOW_DROPOUT, "batch_size": 16, "learning_rate": 3e-4,
             "attention_learning_rate_scale": 1.0,
             "max_steps": 10_000, "decay_start": 3_000, "decay_steps": 2_000,
             "drop_frame_rate": 0.2},
    # Attention aligns first over seven times fewer decoder steps.
    "gradual": {"n_frames_per_step": 7, "reduce_frames_to": "2,1"},
    "small": {**_SMALL_MODEL, "batch_size": 16, "learning_rate": 3e-3, "warmup_steps": 50,
              "validate_every": 100, "decay_start": 2_000, "decay_steps": 2_000,
              "adversarial_after": 1_000, "save_every_minutes": 5.0},
    "tiny": {"symbols_embedding_dim": 32, "encoder_embedding_dim": 32, "attention_rnn_dim": 48,
             "decoder_rnn_dim": 48, "prenet_dim": 32, "attention_dim": 16,
             "attention_location_n_filters": 4, "attention_location_kernel_size": 7,
             "encoder_n_convolutions": 2, "postnet_embedding_dim": 24,
             "postnet_n_convolutions": 3, "n_frames_per_step": 2, **_LOW_DROPOUT, "batch_size": 8,
             "learning_rate": 2e-3, "max_steps": 200, "validate_every": 20},
})  # fmt: skip
PRESET_DOCS: Mapping[str, str] = types.MappingProxyType({
    "full": "the published size, for a GPU",
    "warm": "that size with a low learning rate, to start from another voice",
    "gradual": "the published size, for a GPU; 7 frames a decoder step, then 2 and 1 once aligned",
    "small": "a model that a CPU can train",
    "tiny": "learns nothing, but shows in a minute that everything works",
})  # fmt: skip


def preset(name: str) -> Config:
    """Return the settings of a preset.

    Args:
        name: a key of ``PRESETS``; ``PRESET_DOCS`` describes each.

    Raises:
        ConfigError: if there is no such preset.
    """
    if name not in PRESETS:
        import difflib  # only the way to a good error message needs it

        close = difflib.get_close_matches(name.lower(), PRESETS, n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"There is no preset '{name}'.{meant} There are: {', '.join(PRESETS)}.")
    return Config().replace(**PRESETS[name])


def read_config(path: Path, preset_name: str | None = None) -> Config:
    """Read the settings of a run, or of a recipe.

    Args:
        path: a run's folder or its config.json, or a recipe in TOML as ``parse_recipe`` takes it,
            whose ``preset`` has the settings that it does not name.
        preset_name: takes the place of the recipe's ``preset``.

    Raises:
        ConfigError: naming the file and the setting. A run's settings are complete: they refuse a
            preset.
    """
    if (path / "train.txt").is_file():
        raise ConfigError(
            f"{path} is a dataset, which has no settings. Give the folder of a run, or a recipe."
        )
    path = path / "config.json" if path.is_dir() else path
    try:
        text = _read_text(path)
        if text.lstrip().startswith("{"):  # as TOML never does
            if preset_name:
                raise ConfigError(
                    f"a run's settings are complete, so --preset {preset_name} would change "
                    "nothing. Leave out one of them."
                )
            return Config.from_json(text)
        settings = parse_recipe(text)
        own_preset = settings.pop("preset", DEFAULT)
        return preset(preset_name or str(own_preset)).replace(**settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ConfigError("not a file. Give a run's config.json, or a recipe in TOML.")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError("too large for settings. Give a run's config.json, or a recipe.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror or error}). Check the name.") from None
    except UnicodeDecodeError:
        raise ConfigError(
            "not text in UTF-8. Give a run's config.json, or a recipe in TOML."
        ) from None


def preset_of(model: ModelConfig) -> str | None:
    """Return the first preset whose model has these sizes, at any reduction factor; or None."""
    sizes = {k: v for k, v in dataclasses.asdict(model).items() if not k.startswith("p_")}
    return next(iter(presets_with(sizes)), None)


def presets_with(sizes: Mapping[str, Any]) -> list[str]:
    """List the presets whose model has these settings at any of their reduction factors."""
    found = []
    for name in PRESETS:
        config = preset(name)
        models = [config.reduced_to(r).model for r in config.frames_per_step]
        if any(all(getattr(m, s) == v for s, v in sizes.items()) for m in models):
            found.append(name)
    return found
