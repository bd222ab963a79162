"""Recipes: named choices of the methods that make attention learn."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence

from ponytaco import config, presets
from ponytaco.config import Config, ConfigError

Recipe = Mapping[str, object]
"""Settings on top of a preset."""

_OFF: Recipe = types.MappingProxyType(
    {
        "head": "plain",
        "mmi": False,
        "attention_learning_rate_scale": 1.0,
        "drop_frame_rate": 0.0,
        "guidance_weight": 0.0,
        "attention_forcing": 0.0,
        "arpabet_first_steps": 0,
        "ema_decay": 0.0,
    }
)
_MMI: Recipe = types.MappingProxyType({"head": "mmi", "mmi": True})
_DROP: Recipe = types.MappingProxyType({"drop_frame_rate": 0.35})
_GUIDANCE: Recipe = types.MappingProxyType({"guidance_weight": 2.0})

RECIPES: Mapping[str, Recipe] = types.MappingProxyType(
    {
        "plain": _OFF,
        "drop": {**_OFF, **_DROP},
        "mmi": {**_OFF, **_MMI},
        "mmi+drop": {**_OFF, **_MMI, **_DROP},
        "guidance": {**_OFF, **_GUIDANCE},
        "guidance+forcing": {**_OFF, **_GUIDANCE, "attention_forcing": 0.5},
        "unaveraged": {"ema_decay": 0.0},
        "all": {},
        "r": {"n_frames_per_step": 5, "reduce_frames_to": "2"},
    }
)

# Settings that may differ when a run is resumed.
_PASSING = frozenset({"max_steps", "max_minutes", "save_every_minutes", "loader_workers", "device"})
# Settings in which runs of one recipe differ, or by which they are compared.
_NOT_OF_RECIPES = _PASSING | {"seed", "validate_every"}

# The name becomes a folder's.
_NAME = re.compile(r"[\w.+-]+")


def parse_recipe(text: str) -> tuple[str, Recipe]:
    """Read ``NAME:a=b,c=d``; a value may have commas itself.

    Raises:
        ConfigError: it is not of that form.
    """
    name, colon, settings = text.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise ConfigError(
            f"'{text}' is not a recipe: write NAME:setting=value,setting=value, the name in "
            "letters, digits and . + - _."
        )
    return name, config.parse_settings(re.split(r",(?=\w+=)", settings) if settings else [])


def chosen(names: Sequence[str], own: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Select the recipes by name, in that order; own ones that are not named come last.

    Raises:
        ConfigError: if a name is unknown, or an own recipe has the name of a built-in one.
    """
    if taken := own.keys() & RECIPES.keys():
        raise ConfigError(f"There is a recipe '{min(taken)}' already. Choose another name.")
    known = {**RECIPES, **own}
    for name in names:
        if name not in known:
            raise ConfigError(f"There is no recipe '{name}'. There are: {', '.join(known)}.")
    return {name: known[name] for name in dict.fromkeys([*names, *own])}


def configs(
    recipes: Mapping[str, Recipe], preset: str, for_all: Mapping[str, object]
) -> dict[str, Config]:
    """Make each recipe's settings.

    Args:
        recipes: the recipes by name.
        preset: the preset that they change.
        for_all: settings of every recipe.

    Raises:
        ConfigError: if a setting is unknown, has a wrong value, or is set by a recipe, too.
    """
    for name, recipe in recipes.items():
        if both := sorted(recipe.keys() & for_all.keys()):
            raise ConfigError(
                f"The recipe '{name}' has {both[0]}={recipe[both[0]]} and cannot take another for "
                f"all: define one with --recipe NAME:{both[0]}={for_all[both[0]]}."
            )
    base = presets.preset(preset)
    return {name: base.replace(**recipe, **for_all) for name, recipe in recipes.items()}


def differences(begun: Config, wanted: Config) -> list[str]:
    """List the settings that differ from those a run began with, as 'name 1, not 2'."""
    pairs = zip(_flat(begun), _flat(wanted), strict=True)
    return [
        f"{name} {value}, not {other}"
        for (name, value), (_, other) in pairs
        if value != other and name not in _PASSING
    ]


def changes(base: Config, ours: Config) -> list[str]:
    """List a recipe's changes of a preset, as 'name value'."""
    return [
        f"{name} {value}"
        for (name, value), (_, other) in zip(_flat(ours), _flat(base), strict=True)
        if value != other and name not in _NOT_OF_RECIPES
    ]


def _flat(settings: Config) -> Iterable[tuple[str, object]]:
    return ((name, v) for part in settings.to_dict().values() for name, v in part.items())
