"""Writing and reading files in the safetensors format, with a checksum of each part.

The format is a header and the tensors' bytes, which any reader of it opens. Nested values are JSON
in the header's metadata; the last tensor holds the checksums, of the header and of each tensor.

The safetensors library serves the tests. Its writer puts a temporary file of its own beside the
one that it writes, which a killed session leaves there at full size, and hides the disk's errors;
its reader maps the file, so that a disconnected Drive would kill the process.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco.io.strangers import weights_size
from ponytaco.io.tensor_file.errors import TensorFileError, damaged_header
from ponytaco.io.tensor_file.header import LENGTH_BYTES, Entry, header_bytes, pack, unpack
from ponytaco.io.tensor_file.nested import join, split
from ponytaco.printable import brief

_CONTENT = "content"
_CHECKSUMS = "checksums"
_CHECKSUM_BYTES = 4
_CHUNK_BYTES = 2**18


def is_tensor_file(start: bytes) -> bool:
    """Whether a file that begins like this is one of safetensors."""
    return start[LENGTH_BYTES : LENGTH_BYTES + 2] == b'{"'


def write_tensor_file(path: Path, content: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write nested mappings and sequences of tensors and plain values.

    Tensors that share memory are written one by one.

    Args:
        path: the file, which is overwritten.
        content: what is written.
        metadata: short texts that are read before the content.

    Raises:
        OSError: if the disk fails.
    """
    text, tensors = split(content)
    # Larger numbers first, as the safetensors library has it, so that all are aligned.
    ordered = dict(sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize))
    if _CHECKSUMS in ordered:
        raise ValueError(f"{_CHECKSUMS} is the name of the checksums")
    n_checksums = len(ordered) + 1
    sums = torch.empty(n_checksums * _CHECKSUM_BYTES, dtype=torch.uint8)
    header = pack({**ordered, _CHECKSUMS: sums}, {**metadata, _CONTENT: text})
    checksums = [zlib.crc32(header)]
    with path.open("wb") as file:
        file.write(header)
        for tensor in ordered.values():
            memory = _memory(tensor.detach().cpu().contiguous())
            checksum = 0
            for at in range(0, len(memory), _CHUNK_BYTES):
                chunk = memory[at : at + _CHUNK_BYTES]
                file.write(chunk)
                checksum = zlib.crc32(chunk, checksum)  # while it is in the cache
            checksums.append(checksum)
        file.write(struct.pack(f"<{n_checksums}I", *checksums))


class TensorFile:
    """An open file whose header has been read and judged, and whose tensors have not.

    Args:
        file: the file.

    Attributes:
        metadata: its texts.
        tensors: its tensors by name, on the CPU, in their order. Their memory is empty, and taken
            only as ``read`` fills it.

    Raises:
        TensorFileError: if it is damaged, or claims more than it holds.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        file_bytes = weights_size(file, TensorFileError)
        start = file.read(LENGTH_BYTES)
        if not start:
            raise TensorFileError("it is empty")
        n_bytes = header_bytes(start, file_bytes)
        header = file.read(n_bytes)
        self._data_start = LENGTH_BYTES + n_bytes
        self.metadata, entries = unpack(header, file_bytes - self._data_start)
        self._checksums = self._read_checksums(entries)
        if self._checksums and self._checksums[0] != zlib.crc32(header, zlib.crc32(start)):
            raise damaged_header()
        self.tensors = {name: _allocated(entry) for name, entry in entries.items()}

    @property
    def n_bytes(self) -> int:
        """Size of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def content(self) -> dict[Any, Any]:
        """Return the content, once, with tensors that have not been read.

        Raises:
            TensorFileError: if it is damaged, or another program wrote it.
        """
        if not self._checksums or _CONTENT not in self.metadata:
            raise TensorFileError("it is damaged, or of another program")
        content = join(self.metadata.pop(_CONTENT), self.tensors)
        if not isinstance(content, dict):
            raise damaged_header()
        return content

    def read(self, *, verify: bool) -> None:
        """Read all tensors into their memory.

        Args:
            verify: compare them with their checksums.

        Raises:
            TensorFileError: if one differs.
        """
        self._file.seek(self._data_start)
        for i, (name, tensor) in enumerate(self.tensors.items()):
            memory = _memory(tensor)
            if self._file.readinto(memory) != len(memory):
                raise TensorFileError("it ends too early")
            if verify:
                self._verify(i, name, memory)

    def map(self) -> None:
        """Map all tensors into memory and verify them: pages are read when used.

        Pages are copied when written. It is for a local disk alone: where a mounted Drive
        disappears, it ends the process.

        Raises:
            TensorFileError: if one differs from its checksum.
        """
        pages = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)
        storage = torch.frombuffer(pages, dtype=torch.uint8).untyped_storage()
        at = self._data_start
        for i, (name, tensor) in enumerate(self.tensors.items()):
            if at % tensor.itemsize:
                raise TensorFileError("its tensors are not aligned")
            tensor.set_(storage, at // tensor.itemsize, tensor.shape, tensor.stride())
            self._verify(i, name, _memory(tensor))
            at += tensor.nbytes

    def _verify(self, i: int, name: str, memory: memoryview) -> None:
        if self._checksums and zlib.crc32(memory) != self._checksums[1 + i]:
            raise TensorFileError(f"it is damaged in {brief(name)}")

    def _read_checksums(self, entries: dict[str, Entry]) -> tuple[int, ...]:
        """Read the last tensor if it is the checksums; a file of another program has none."""
        if list(entries)[-1:] != [_CHECKSUMS]:
            return ()
        n_bytes = len(entries) * _CHECKSUM_BYTES
        entry = entries.pop(_CHECKSUMS)
        self._file.seek(self._data_start + entry.start)
        content = self._file.read(n_bytes)
        if entry.end - entry.start != n_bytes or len(content) != n_bytes:
            raise damaged_header()
        return struct.unpack(f"<{n_bytes // _CHECKSUM_BYTES}I", content)


@contextlib.contextmanager
def open_tensor_file(path: Path) -> Iterator[TensorFile]:
    """Open a file that may come from a stranger, and judge its header.

    Raises:
        TensorFileError: if it is damaged, or claims more than it holds.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        yield TensorFile(file)


def _allocated(entry: Entry) -> Tensor:
    try:
        return torch.empty(entry.shape, dtype=entry.dtype, device="cpu")
    except RuntimeError:
        raise TensorFileError("it does not fit into memory") from None


def _memory(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor on the CPU."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data
