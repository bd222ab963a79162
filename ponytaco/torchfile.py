"""Reading torch's files from strangers: nothing in them runs, and nothing large is believed.

``torch.load(weights_only=True)`` alone runs no foreign code, but it makes whatever a file claims:
a tensor of a terabyte over one number, a compressed gigabyte, ``torch.Tensor(2**40)``. So the
file's table of contents and its pickle are read first, by an unpickler that builds nothing, and
every claim is held against the bytes that are there.
"""

from __future__ import annotations

import errno
import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch

MOST_BYTES = 4 * 2**30
"""Of a file. The published models with their optimizers are below 0.4 GB."""

_MOST_PICKLE_BYTES = 64 * 2**20
_MOST_MEMBERS = 100_000
_MOST_DIMENSIONS = 16

# What weights and plain values consist of. torch's own list also has constructors that take a
# size and allocate it.
_PLAIN = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "torch.device",
    "_codecs.encode",
}
_STORAGE_BYTES = {
    "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1, "UntypedStorage": 1,
    "HalfStorage": 2, "BFloat16Storage": 2, "ShortStorage": 2,
    "FloatStorage": 4, "IntStorage": 4, "LongStorage": 8, "DoubleStorage": 8,
}  # fmt: skip
_ZIP_MAGIC, _LEGACY_MAGIC = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
_N_LEGACY_PICKLES = 5  # magic number, protocol, machine, the content, the storages' keys


class TorchFileError(ValueError):
    """A file is no torch file, is damaged, or claims what cannot be; its text is half a sentence.

    The reader's caller knows what the file was to be, and says so before it.
    """


def load_torch_file(path: Path, mmap: bool = False) -> Any:
    """Read tensors and plain values from a file that may come from a stranger.

    Args:
        path: written by ``torch.save``, in its present or in its older form.
        mmap: leave the tensors on disk until they are used.

    Raises:
        TorchFileError: it is damaged, holds anything else, or claims more than it has.
        OSError: it cannot be read at all.
    """
    inspect(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap or None)
    except OSError:
        raise
    except Exception as error:  # whatever a broken file provokes in torch's reader
        raise TorchFileError(
            f"it is damaged, or holds more than weights ({type(error).__name__})"
        ) from None


def inspect(path: Path) -> None:
    """Hold a file's claims against its bytes, without building what it claims.

    Raises:
        TorchFileError: as ``load_torch_file``.
        OSError: it cannot be read at all.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        if size > MOST_BYTES:
            raise TorchFileError(
                f"it has {size / 2**30:.1f} GB, more than any voice ({MOST_BYTES >> 30} GB)"
            )
        file.seek(0)
        magic = file.read(len(_LEGACY_MAGIC))
        file.seek(0)
        try:
            if magic.startswith(_ZIP_MAGIC):
                _inspect_zip(file, size)
            elif magic == _LEGACY_MAGIC:
                _inspect_legacy(file, size)
            else:
                raise TorchFileError(_not_torch(magic))
        except TorchFileError:
            raise
        except Exception as error:  # whatever a broken file provokes in Python's readers
            # An invalid argument is a place before the file's start; others are the disk's.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise TorchFileError(f"it is damaged ({type(error).__name__})") from None


def check_members(path: Path) -> None:
    """Compare each member of a torch file with its checksum, which torch's reader does not.

    Raises:
        TorchFileError: one does not agree, or the file is none.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # a bit in a header makes zipfile raise several kinds
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise TorchFileError(f"it is damaged ({type(error).__name__})") from None
    if damaged is not None:
        raise TorchFileError(f"it is damaged in {damaged}")


def _not_torch(magic: bytes) -> str:
    if not magic:
        return "it is empty"
    if magic.lstrip()[:1] in (b"<", b"{", b"v"):
        return "it is a text, perhaps a web page that was saved in its stead; download it again"
    return "it is damaged, or no file of torch's"


def _inspect_zip(file: BinaryIO, size: int) -> None:
    _check_directory(file, size)
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise TorchFileError("it has two members of one name")
        for member in members.values():
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise TorchFileError("it is compressed, as torch never writes it")
            if member.file_size != member.compress_size:
                raise TorchFileError("it is damaged in its table of contents")
        if sum(member.file_size for member in members.values()) > size:
            raise TorchFileError("it claims more than it holds")
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1 or pickles[0].count("/") != 1:
            raise TorchFileError("it is a zip, but holds no weights")
        (name,) = pickles
        if members[name].file_size > _MOST_PICKLE_BYTES:
            raise TorchFileError("its table of weights is too large to be one")
        claims = _Claims(io.BytesIO(archive.read(name)))
        claims.load()
    for key, n_bytes in claims.storages.items():
        record = members.get(f"{name.removesuffix('data.pkl')}data/{key}")
        if record is None or record.file_size != n_bytes:
            raise TorchFileError(f"its storage {key[:20]} is not as large as it claims")


def _check_directory(file: BinaryIO, size: int) -> None:
    """Only a table of contents at the very end, so that every reader finds the same one."""
    file.seek(max(0, size - 22))
    end = file.read(22)
    if end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0":
        raise TorchFileError("it is damaged: its end is missing")
    count, n_bytes = struct.unpack("<HL", end[10:16])
    file.seek(max(0, size - 42))
    locator = file.read(20)
    if locator[:4] == b"PK\x06\x07":  # sizes of 64 bits
        (place,) = struct.unpack("<Q", locator[8:16])
        file.seek(min(place, size))
        record = file.read(56)
        if len(record) < 56 or record[:4] != b"PK\x06\x06":
            raise TorchFileError("it is damaged: its end is missing")
        count, n_bytes = struct.unpack("<32xQQ8x", record)
    if count > _MOST_MEMBERS or n_bytes > _MOST_PICKLE_BYTES:
        raise TorchFileError("its table of contents is too large to be one")
    file.seek(0)


def _inspect_legacy(file: BinaryIO, size: int) -> None:
    """The form before torch 1.6, in which NVIDIA published: pickles, then the storages' bytes."""
    bounded = _Bounded(file, size)
    storages: dict[str, int] = {}
    for _ in range(_N_LEGACY_PICKLES):
        claims = _Claims(bounded)
        claims.load()
        storages.update(claims.storages)
    if sum(storages.values()) + 8 * len(storages) > size - file.tell():
        raise TorchFileError("it claims more than it holds")


class _Bounded:
    """A file that is never asked for more than it has: Python would set the memory aside."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = min(size, _MOST_PICKLE_BYTES)

    def read(self, n: int = -1) -> bytes:
        self._check(n)
        return self._file.read(n)

    def readline(self) -> bytes:
        self._check(0)
        return self._file.readline(_MOST_DIMENSIONS * 1024)

    def _check(self, n: int) -> None:
        if n < 0 or n > self._size - self._file.tell():
            raise TorchFileError("it claims more than it holds")


class _Claimed:
    """What stands for a storage, a tensor, a dtype or a table while claims are read."""

    def __init__(self, n_items: int = 0, item_bytes: int = 0) -> None:
        self.n_items = n_items
        self.item_bytes = item_bytes

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def update(self, *values: object) -> None:
        pass

    def __call__(self, *args: object) -> _Claimed:
        return _Claimed()


class _StorageKind(_Claimed):
    """A class of storages, by the bytes of an item."""


# The unpickler in Python and not in C: the latter sets memory aside for whatever place of its
# memo a pickle names.
class _Claims(pickle._Unpickler):  # type: ignore[name-defined, misc, unused-ignore]
    """Reads a pickle's claims about storages and tensors, and builds neither."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin-1")
        self.storages: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        full_name = f"{module}.{name}"
        if full_name == "torch._utils._rebuild_tensor_v2":
            return _check_tensor
        if full_name == "torch._utils._rebuild_parameter":
            return lambda tensor, *_: tensor
        if module == "torch" and name.endswith("Storage"):
            return _StorageKind(item_bytes=_item_bytes(name))
        if full_name in _PLAIN or (module == "torch" and _is_dtype(name)):
            return _Claimed()
        raise TorchFileError(_more_than_weights(module, name))

    def persistent_load(self, claim: Any) -> _Claimed:
        kind_name, kind, key, _, n_items = claim[:5]
        if kind_name != "storage" or not isinstance(kind, _StorageKind):
            raise TorchFileError("it is damaged in its table of weights")
        if not isinstance(n_items, int) or n_items < 0 or (len(claim) > 5 and claim[5]):
            raise TorchFileError("it is damaged in its table of weights")
        n_bytes = n_items * kind.item_bytes
        if self.storages.setdefault(str(key), n_bytes) != n_bytes:
            raise TorchFileError("it gives one storage two sizes")
        return _Claimed(n_items, kind.item_bytes)


def _is_dtype(name: str) -> bool:
    return isinstance(getattr(torch, name, None), torch.dtype)


def _item_bytes(storage: str) -> int:
    if storage not in _STORAGE_BYTES:
        raise TorchFileError(f"its storage of kind {storage[:40]} is not known")
    return _STORAGE_BYTES[storage]


def _check_tensor(
    storage: Any, offset: int, shape: Sequence[int], stride: Sequence[int], *_: object
) -> _Claimed:
    """A tensor lies within its storage and is no larger than it: no number is shown twice."""
    whole = [offset, *shape, *stride]
    if (
        not isinstance(storage, _Claimed)
        or len(shape) != len(stride)
        or len(shape) > _MOST_DIMENSIONS
        or not all(isinstance(n, int) and 0 <= n < 2**62 for n in whole)
    ):
        raise TorchFileError("it is damaged in its table of weights")
    n_items = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if n_items and (n_items > storage.n_items or last >= storage.n_items):
        raise TorchFileError("one of its tensors claims to be larger than its numbers")
    return _Claimed()


def _more_than_weights(module: str, name: str) -> str:
    said = f"it holds more than weights ({module[:60]}.{name[:60]})"
    top = module.partition(".")[0]
    if name == "WaveGlow" or top in ("glow", "glow_old", "waveglow"):
        return (
            f"{said}: it is WaveGlow as a whole program, which may run anything. Take NVIDIA's "
            "file of weights alone instead (waveglow_*.pt of NGC, with a 'state_dict'), or HiFi-GAN"
        )
    if module.startswith("torch.nn"):
        return f"{said}: a whole program, which may run anything. Save its state_dict() instead"
    return said
