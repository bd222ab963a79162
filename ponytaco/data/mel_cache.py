"""The mel cache: mels of all clips, computed once and kept in one file beside the clips."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco.audio.mel import MelSpectrogram
from ponytaco.audio.wav import AudioError, load_wav
from ponytaco.config import AudioConfig
from ponytaco.data.dataset_folder import Clip
from ponytaco.io.atomic import atomic_write
from ponytaco.io.strangers import inside
from ponytaco.io.tensor_file.errors import TensorFileError
from ponytaco.io.tensor_file.file import open_tensor_file, write_tensor_file


@dataclass(frozen=True)
class Mels:
    """The mels of all clips in one memory-mapped tensor."""

    frames: Tensor
    """(sum of T_mel, n_mels), clip after clip."""
    offsets: Tensor
    """(n_clips + 1,) start of each clip; the last value is the end."""
    mean_frame: Tensor
    """(n_mels,), mean over all frames."""

    def __getitem__(self, index: int) -> Tensor:
        """The mel of a clip, (T_mel, n_mels)."""
        start, stop = self.offsets[index : index + 2].tolist()
        return self.frames[start:stop]

    @property
    def lengths(self) -> list[int]:
        """Frames of each clip."""
        return self.offsets.diff().tolist()

    def clips(self) -> list[Tensor]:
        """List the clips' mels, (T_mel, n_mels) each, as views of the one tensor."""
        return list(self.frames.split(self.lengths))


def load_mels(clips: Sequence[Clip], audio: AudioConfig, cache_folder: Path) -> Mels:
    """Load the clips' mels from the cache, or compute and cache them.

    The cache is one file, named after the audio settings and the clips' names, sizes and times, so
    that it is never taken for another. If the folder cannot be written to, the mels stay in memory,
    with a warning.

    Args:
        clips: the clips, in the order of the mels.
        audio: settings of the mels.
        cache_folder: the folder of the cache.

    Raises:
        AudioError: if a clip's audio is missing, damaged or of another sample rate.
    """
    path = cache_folder / f"mels-{_cache_key(clips, audio)}.safetensors"
    with contextlib.suppress(OSError, TensorFileError):  # a damaged file is written again
        return _cached_mels(path, len(clips), audio.n_mels)
    mels = _compute_mels(clips, audio)
    try:
        with atomic_write(path) as temporary:
            write_tensor_file(temporary, vars(mels), {})
    except OSError as error:
        warnings.warn(f"The mels are not cached in {cache_folder}: {error}", stacklevel=2)
        return mels
    for old in cache_folder.glob("mels-*"):
        if old != path:  # of other clips or settings
            old.unlink(missing_ok=True)
    return _cached_mels(path, len(clips), audio.n_mels)


def _cached_mels(path: Path, n_clips: int, n_mels: int) -> Mels:
    """Read mels from a file that may be damaged, or come with a stranger's data set."""
    if not path.is_file() or not inside(path.parent)(path):
        raise TensorFileError("it is not a file of the data set")
    with open_tensor_file(path) as file:
        content = file.content()
        file.map()
    if content.keys() != {"frames", "offsets", "mean_frame"}:
        raise TensorFileError("it holds no mels")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise TensorFileError("it holds no mels")
    mels = Mels(**content)
    frames, offsets, mean = mels.frames, mels.offsets, mels.mean_frame
    shapes = (frames.shape[1:], offsets.shape, mean.shape)
    if frames.dim() != 2 or shapes != ((n_mels,), (n_clips + 1,), (n_mels,)):
        raise TensorFileError("it holds the mels of other clips")
    if (frames.dtype, mean.dtype, offsets.dtype) != (torch.float32, torch.float32, torch.int64):
        raise TensorFileError("it holds numbers of another type")
    if offsets[0] != 0 or offsets[-1] != len(frames) or (offsets.diff() < 1).any():
        raise TensorFileError("its clips do not follow each other")
    if not all(torch.isfinite(part).all() for part in (*frames.split(10_000), mean)):
        raise TensorFileError("it holds NaN or infinite values")
    return mels


class UnreadableClipsError(AudioError):
    """Clips whose audio cannot be used.

    Args:
        errors: the error of each clip by its ref.
    """

    _N_NAMED = 5

    def __init__(self, errors: Mapping[str, AudioError]) -> None:
        self.clips = frozenset(errors)
        sentences = [str(error) for error in errors.values()]
        more = len(sentences) - self._N_NAMED
        shown = [*sentences[: self._N_NAMED], *([f"And {more} more."] if more > 0 else [])]
        super().__init__(" ".join(shown))


def _compute_mels(clips: Sequence[Clip], audio: AudioConfig) -> Mels:
    extract = MelSpectrogram(**asdict(audio))
    mels, errors = [], {}
    for clip in clips:
        try:
            mels.append(extract(load_wav(clip.path, audio.sample_rate)[None])[0].T)
        except AudioError as error:
            errors[clip.ref] = error
    if errors:
        raise UnreadableClipsError(errors)
    frames = torch.cat(mels)
    offsets = torch.tensor([0, *(len(mel) for mel in mels)]).cumsum(0)
    return Mels(frames, offsets, frames.mean(dim=0))


def _cache_key(clips: Sequence[Clip], audio: AudioConfig) -> str:
    described: list[Any] = [asdict(audio)]
    for clip in clips:
        try:
            status = clip.path.stat()
        except OSError:
            raise AudioError(f"No audio at {clip.path}. Prepare the character again.") from None
        described.append([clip.ref, status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]
