"""The fields of a checkpoint: whether values from a file are what they must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

_MOST_SYMBOLS = 10_000


def is_symbol_table(value: Any) -> bool:
    """Whether a value from a file is a list of texts, of a possible length."""
    is_list = isinstance(value, list) and len(value) <= _MOST_SYMBOLS
    return is_list and all(isinstance(text, str) for text in value)


def _is_count(value: Any, limit: int = 2**53) -> bool:
    return type(value) is int and 0 <= value < limit


def _is_state(value: Any) -> bool:
    return value is None or isinstance(value, Mapping)


def _is_table(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(held, kind) for name, held in value.items()
    )


def _is_mean_frame(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 1 and value.is_floating_point()


# The settings check themselves.
_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "state_dict": lambda value: _is_table(value, Tensor),
    "trained": lambda value: value is None or _is_table(value, Tensor),
    "symbols": is_symbol_table,
    "ctc_symbols": is_symbol_table,
    "mean_frame": _is_mean_frame,
    "lexicon": lambda value: _is_table(value, str),
    "seen_symbols": is_symbol_table,
    "longest_text": lambda value: _is_count(value, 2**31),
    "run_state": lambda value: value.is_valid,
    "optimizer": _is_state,
    "sampler": _is_state,
    "scaler": _is_state,
    "adversary": _is_state,
    "rng": _is_state,
    "fingerprint": lambda value: isinstance(value, str),
    "dataset": lambda value: isinstance(value, str),
    "version": lambda value: isinstance(value, str),
    "clips": _is_count,
    "minutes": lambda value: type(value) in (int, float) and 0 <= value < 2**53,
    "card": lambda value: value is None or _is_table(value, (str, int, float)),
}


def invalid_field(fields: Mapping[str, Any]) -> str:
    """Return the name of the first field of a ``Checkpoint`` with an impossible value, or ''."""
    return next((name for name, is_right in _CHECKS.items() if not is_right(fields[name])), "")
