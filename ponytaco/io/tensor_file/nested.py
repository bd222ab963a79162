"""Nested values as JSON and tensors by name, and back again to the bit.

JSON has no tensors, tuples, NaN or infinity, and its keys are texts. Each of these becomes an
object of one key that begins with '$': ``{"$tuple": [0.9, 0.999]}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from torch import Tensor

from ponytaco.io.tensor_file.errors import TensorFileError, damaged_header

_TENSOR, _TUPLE, _FLOAT, _DICT = "$tensor", "$tuple", "$float", "$dict"
_KEYS = (str, int, bool, type(None))

# A checkpoint's values are 7 deep.
_DEEPEST = 32
_LARGEST_INT = 2**63 - 1
# Larger numbers as keys can be chosen so that each is searched for through all others; the keys of
# optimizers count the weights.
_LARGEST_KEY = 2**16
_LONGEST_NUMBER = 32


def split(value: Any) -> tuple[str, dict[str, Tensor]]:
    """Split a value into JSON and its tensors, named by their paths, as 'optimizer.state.0.step'.

    Lone surrogates in texts, as in the names of some files, become question marks.

    Raises:
        TypeError, ValueError: if it holds other than mappings, sequences, tensors and plain values.
    """
    tensors: dict[str, Tensor] = {}
    plain = _plain(value, "", tensors)
    return json.dumps(plain, allow_nan=False, separators=(",", ":")), tensors


def _plain(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int):
        if abs(value) > _LARGEST_INT:
            raise ValueError(f"{path} has more than 64 bits")
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: str(float(value))}
    if isinstance(value, Tensor):
        name = path
        while name in tensors:  # {"a.b": …, "a": {"b": …}}
            name += "'"
        tensors[name] = value
        return {_TENSOR: name}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {_TUPLE: items}
    if not isinstance(value, Mapping) or not all(map(_is_key, value)):
        raise TypeError(f"{path} is a {type(value).__name__}, or has other keys")
    items = [(_plain(key, path, {}), _plain(item, f"{path}.{key}".lstrip("."), tensors))
             for key, item in value.items()]  # fmt: skip
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return dict(items)
    return {_DICT: items}


def join(text: str, tensors: Mapping[str, Tensor]) -> Any:
    """Return the value that ``split`` was given.

    Raises:
        TensorFileError: if the text is not of its making, or does not name each tensor once.
    """
    left = dict(tensors)

    def build(pairs: list[tuple[str, Any]]) -> Any:
        if len(pairs) != 1 or not pairs[0][0].startswith("$"):
            return unique(pairs)
        ((tag, content),) = pairs
        if tag == _TENSOR and isinstance(content, str) and content in left:
            return left.pop(content)
        if tag == _TUPLE and isinstance(content, list):
            return tuple(content)
        if tag == _FLOAT and content in ("inf", "-inf", "nan"):
            return float(content)
        if tag == _DICT and isinstance(content, list) and all(map(_is_pair, content)):
            return unique(content)
        raise damaged_header()

    value = parse(text, build)
    if left:
        raise TensorFileError("it holds tensors that nothing refers to")
    return value


def parse(text: str, build: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Parse JSON that may come from a stranger, and whose length has been judged.

    Args:
        text: the JSON.
        build: makes a value of an object's keys and values.

    Raises:
        TensorFileError: if it is no JSON, is nested too deep, or has numbers or texts that nothing
            writes.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=build,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse,
        )
        _check(value)
    except (ValueError, RecursionError):  # among them UnicodeEncodeError: lone surrogates
        raise damaged_header() from None
    return value


def unique(pairs: list[Any]) -> dict[Any, Any]:
    """Return a table of keys and values.

    Raises:
        TensorFileError: if a key occurs twice.
    """
    table = dict(pairs)
    if len(table) != len(pairs):
        raise damaged_header()
    return table


def _check(value: Any) -> None:
    """Check the depth, level by level, and that all texts can be written and shown."""
    level = [value]
    for _ in range(_DEEPEST):
        for item in level:
            if isinstance(item, str):
                item.encode()
        level = list(chain.from_iterable(map(_inner, level)))
        if not level:
            return
    raise damaged_header()


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return chain(value, value.values())
    return value if isinstance(value, (list, tuple)) else ()


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_key(value[0])


def _is_key(value: Any) -> bool:
    return type(value) in _KEYS and not (type(value) is int and abs(value) > _LARGEST_KEY)


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER or abs(int(digits)) > _LARGEST_INT:
        raise damaged_header()
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > _LONGEST_NUMBER or not math.isfinite(float(digits)):
        raise damaged_header()
    return float(digits)


def _refuse(constant: str) -> None:
    raise damaged_header()
