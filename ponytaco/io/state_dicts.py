"""Weights from a file held against those that a network needs, in words for people."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ponytaco.printable import brief

# Old files lack it, and torch does without: it counts the batches that a layer was trained on.
_COUNTER = ".num_batches_tracked"


def mismatch(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Return why weights do not fit, as 'it lacks a.weight and 3 more'; '' if they do.

    Args:
        weights: from a file, by name; only shapes and types are looked at.
        wanted: the network's own.
    """
    missing = [n for n in wanted if n not in weights and not n.endswith(_COUNTER)]
    if missing:
        return f"it lacks {_first(missing)}"
    beyond = [name for name in weights if name not in wanted]
    if beyond:
        return f"it has {_first(beyond)}, for which there is no place"
    for name, value in weights.items():
        if value.shape != wanted[name].shape:
            there, here = map(_sizes, (value, wanted[name]))
            return f"its {name} has {there} numbers, not {here}"
        if wanted[name].is_floating_point() and not value.is_floating_point():
            return f"its {name} has numbers of the type {str(value.dtype).removeprefix('torch.')}"
    return ""


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"'{brief(names[0], 80)}'{more}"


def _sizes(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "1"
