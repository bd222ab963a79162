"""The header of a safetensors file: eight bytes of length, and JSON about tensors and metadata."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ponytaco.io.tensor_file.errors import TensorFileError, damaged_header
from ponytaco.io.tensor_file.nested import parse, unique
from ponytaco.printable import brief

LENGTH_BYTES = 8

# With a lexicon of 135,000 words, a header has 6 MB and 300,000 marks.
_MOST_BYTES = 16 * 2**20
# Each value of JSON costs a mark, and below 100 bytes of memory.
_MARKS = b"{[,:"
_MOST_MARKS = 700_000
_MOST_TENSORS = 20_000
_LONGEST_NAME = 1000
_MOST_DIMENSIONS = 16
_MOST_ITEMS = 2**48
_METADATA = "__metadata__"
_ALIGNMENT = 8

DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "U16": torch.uint16,
    "I16": torch.int16, "U32": torch.uint32, "I32": torch.int32, "U64": torch.uint64,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32,
    "F64": torch.float64,
}  # fmt: skip
_CODES = {dtype: code for code, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a header says of a tensor; its bytes are those from ``start`` to ``end`` of the data."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def pack(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the first bytes of a file whose tensors follow in the given order."""
    table: dict[str, Any] = {_METADATA: metadata}
    at = 0
    for name, tensor in tensors.items():
        start, at = at, at + tensor.nbytes
        table[name] = {
            "dtype": _CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, at],
        }
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def header_bytes(length: bytes, file_bytes: int) -> int:
    """Return the length of a header, judged before anything is read.

    Raises:
        TensorFileError: if it is longer than its file, or than that of any voice.
    """
    n_bytes = int.from_bytes(length, "little")
    if n_bytes > file_bytes - LENGTH_BYTES:
        raise TensorFileError("it claims more than it holds")
    if n_bytes > _MOST_BYTES:
        raise TensorFileError("its header is larger than that of any voice")
    return n_bytes


def unpack(text: bytes, n_data_bytes: int) -> tuple[dict[str, str], dict[str, Entry]]:
    """Return metadata, and tensors in their order, of a header before so many bytes of data.

    Raises:
        TensorFileError: if it is damaged, or claims other than these bytes.
    """
    if sum(map(text.count, (bytes([mark]) for mark in _MARKS))) > _MOST_MARKS:
        raise TensorFileError("it holds more values than any voice")
    try:
        table = parse(text.decode("ascii"), unique)
    except UnicodeDecodeError:
        raise damaged_header() from None
    metadata = table.pop(_METADATA, {}) if isinstance(table, dict) else None
    if not isinstance(metadata, dict) or not all(map(_is_ascii, metadata.values())):
        raise damaged_header()
    if len(table) > _MOST_TENSORS:
        raise TensorFileError("it holds more tensors than any voice")
    entries = {name: _entry(name, described) for name, described in table.items()}
    entries = dict(sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)))
    at = 0
    for entry in entries.values():
        if entry.start != at:
            raise TensorFileError("its tensors do not follow each other")
        at = entry.end
    if at != n_data_bytes:
        raise TensorFileError(
            "it ends too early" if at > n_data_bytes else "something follows its end"
        )
    return metadata, entries


def _entry(name: str, described: Any) -> Entry:
    if not isinstance(described, dict) or described.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged_header()
    if len(name) > _LONGEST_NAME:
        raise TensorFileError("it has longer names than any voice")
    code, shape, offsets = described["dtype"], described["shape"], described["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise TensorFileError(f"the number type of {brief(name)} is unknown")
    if not _is_sizes(shape, _MOST_DIMENSIONS) or not _is_sizes(offsets, 2) or len(offsets) != 2:
        raise damaged_header()
    entry = Entry(DTYPES[code], tuple(shape), *offsets)
    n_bytes = math.prod(shape) * entry.dtype.itemsize
    # An empty tensor may have large dimensions, too.
    if math.prod(max(n, 1) for n in shape) > _MOST_ITEMS or entry.end - entry.start != n_bytes:
        raise TensorFileError(f"{brief(name)} has another size than it claims")
    return entry


def _is_sizes(values: Any, most: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= most
        and all(type(value) is int and value >= 0 for value in values)
    )


def _is_ascii(value: Any) -> bool:
    # Other texts would take four times the memory.
    return isinstance(value, str) and value.isascii()
