"""Clips as batches: the mel cache, the bucketed sampler, and what collates them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ponytaco.audio import AudioError, MelSpectrogram, load_wav
from ponytaco.config import AudioConfig
from ponytaco.filelists import Clip, ClipAlignment, DatasetFolder, FilelistError
from ponytaco.guidance import diagonal_intervals, label_intervals
from ponytaco.text import ctc_targets, text_to_ids
from ponytaco.torchfile import TorchFileError, check_members, load_torch_file


class Batch(NamedTuple):
    """Clips padded to the longest of them.

    The lengths stay on the CPU, because Python, cuDNN's LSTM and the CTC loss ask for them.
    """

    text: Tensor  # (B, T_text) symbol ids
    text_lengths: Tensor  # (B,)
    mel: Tensor  # (B, n_mels, T_mel)
    mel_lengths: Tensor  # (B,)
    ctc: Tensor  # (B, T_ctc) ids of the CTC alphabet
    ctc_lengths: Tensor  # (B,)
    intervals: Tensor  # (B, T_text, 2) frames in which a symbol may be attended; NaN is padding

    def to(self, device: torch.device) -> Batch:
        """The batch on a device, without waiting for the copy where memory is pinned."""
        return Batch(
            **{
                name: tensor if name.endswith("_lengths") else tensor.to(device, non_blocking=True)
                for name, tensor in self._asdict().items()
            }
        )

    def parts(self, n_parts: int) -> list[Batch]:
        """The clips in at most so many batches of about the same size, padded as they are."""
        if n_parts == 1:
            return [self]
        columns = [tensor.chunk(n_parts) for tensor in self]
        return [Batch(*part) for part in zip(*columns, strict=True)]


class Pick(NamedTuple):
    """One clip of a batch, and in which of its spellings it is read."""

    clip: int
    use_arpabet: bool


@dataclass(frozen=True)
class Mels:
    """Every clip's mel in one memory-mapped tensor."""

    frames: Tensor
    """(sum of T_mel, n_mels), clip after clip."""
    offsets: Tensor
    """(n_clips + 1,) where each clip starts; its last value is the end."""
    mean_frame: Tensor
    """(n_mels,), mean over all frames."""

    def __getitem__(self, index: int) -> Tensor:
        """A clip's mel, (T_mel, n_mels)."""
        start, stop = self.offsets[index : index + 2].tolist()
        return self.frames[start:stop]

    @property
    def lengths(self) -> list[int]:
        """Frames of each clip."""
        return self.offsets.diff().tolist()

    def part(self, start: int, stop: int) -> Mels:
        """The clips from ``start`` to ``stop``, sharing the memory."""
        return Mels(self.frames, self.offsets[start : stop + 1], self.mean_frame)


def load_mels(clips: Sequence[Clip], audio: AudioConfig, cache_folder: Path) -> Mels:
    """The clips' mels, from the cache or computed into it.

    The cache is one file beside the clips, named after the audio settings and the clips' names
    and sizes, so that it is never taken for another's. Where the folder cannot be written the
    mels stay in memory, with a warning.

    Args:
        clips: in the order in which ``Mels`` has them.
        audio: the mel's settings.
        cache_folder: where the cache lies.

    Raises:
        AudioError: a clip's audio is missing, broken or of another sample rate.
    """
    path = cache_folder / f"mels-{_cache_key(clips, audio)}.pt"
    with contextlib.suppress(OSError, TorchFileError):  # a damaged file is made anew
        return _cached_mels(path, len(clips), audio.n_mels)
    mels = _compute_mels(clips, audio)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save(vars(mels), temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        with contextlib.suppress(OSError):  # a read-only disk refuses to delete, even what is not
            temporary.unlink()
        warnings.warn(f"The mels are not cached in {cache_folder}: {error}", stacklevel=2)
        return mels
    for old in cache_folder.glob("mels-*.pt"):
        if old != path:  # of other clips or settings: it would only fill the disk
            old.unlink(missing_ok=True)
    return _cached_mels(path, len(clips), audio.n_mels)


def _cached_mels(path: Path, n_clips: int, n_mels: int) -> Mels:
    """Mels from a file that may be damaged, or come with a stranger's data set."""
    content = load_torch_file(path, mmap=True)
    if not isinstance(content, dict) or content.keys() != {"frames", "offsets", "mean_frame"}:
        raise TorchFileError("it holds no mels")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise TorchFileError("it holds no mels")
    mels = Mels(**content)
    frames, offsets, mean = mels.frames, mels.offsets, mels.mean_frame
    shapes = (frames.shape[1:], offsets.shape, mean.shape)
    if frames.dim() != 2 or shapes != ((n_mels,), (n_clips + 1,), (n_mels,)):
        raise TorchFileError("it holds the mels of other clips")
    if (frames.dtype, mean.dtype, offsets.dtype) != (torch.float32, torch.float32, torch.int64):
        raise TorchFileError("it holds numbers of another type")
    if offsets[0] != 0 or offsets[-1] != len(frames) or (offsets.diff() < 1).any():
        raise TorchFileError("its clips do not follow each other")
    check_members(path)
    if not all(torch.isfinite(part).all() for part in (*frames.split(10_000), mean)):
        raise TorchFileError("it holds values that are no numbers")
    return mels


class UnreadableClipsError(AudioError):
    """Clips whose audio cannot be used.

    Args:
        errors: why, by the clips' refs.
    """

    _N_NAMED = 5

    def __init__(self, errors: Mapping[str, AudioError]) -> None:
        self.clips = frozenset(errors)
        named = [str(error) for error in errors.values()][: self._N_NAMED]
        more = len(errors) - len(named)
        super().__init__(" ".join([*named, *([f"And {more} more."] if more else [])]))


def _without(folder: DatasetFolder, unreadable: UnreadableClipsError) -> DatasetFolder:
    train, val = (
        [clip for clip in clips if clip.ref not in unreadable.clips]
        for clips in (folder.train, folder.val)
    )
    # More than a tenth is no accident, but another sample rate or a broken disk.
    n_left, n_all = len(train) + len(val), len(folder.train) + len(folder.val)
    if not train or not val or n_left < 0.9 * n_all:
        raise unreadable
    return replace(folder, train=train, val=val)


class Datasets(NamedTuple):
    """A prepared character, ready to be trained on."""

    train: ClipDataset
    val: ClipDataset
    mean_frame: Tensor  # (n_mels,), mean over all real frames


def open_datasets(
    folder: DatasetFolder,
    audio: AudioConfig,
    symbols: Sequence[str],
    cleaner: str,
    say: Callable[[str], None] | None = None,
) -> Datasets:
    """Both lists of a dataset folder, their mels in one cache.

    Args:
        folder: what to open.
        audio: the mels' settings.
        symbols: the model's symbol table.
        cleaner: the text cleaner.
        say: takes the names of clips that are left out because they cannot be read; without it
            such a clip is an error.

    Raises:
        AudioError: a clip's audio is missing, broken or of another sample rate; with ``say``,
            too many of them.
    """
    try:
        mels = load_mels([*folder.train, *folder.val], audio, folder.folder)
    except UnreadableClipsError as error:
        if say is None:
            raise
        folder = _without(folder, error)
        say(f"{len(error.clips)} of the clips cannot be read and are left out: {error}")
        mels = load_mels([*folder.train, *folder.val], audio, folder.folder)
    n_train = len(folder.train)

    def dataset(clips: Sequence[Clip], part: Mels) -> ClipDataset:
        return ClipDataset(clips, part, folder.alignments, symbols, cleaner, audio)

    return Datasets(
        dataset(folder.train, mels.part(0, n_train)),
        dataset(folder.val, mels.part(n_train, n_train + len(folder.val))),
        mels.mean_frame,
    )


class ClipDataset(TorchDataset[tuple[Tensor, ...]]):
    """Clips as tensors; what is random about them is the sampler's choice.

    Args:
        clips: what to read.
        mels: their mels, in the same order.
        alignments: the labels' intervals, by the clips' refs.
        symbols: the model's symbol table.
        cleaner: the text cleaner.
        audio: the mel's settings.

    Raises:
        TextError: a clip's text has nothing that can be spoken.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        mels: Mels,
        alignments: dict[str, ClipAlignment],
        symbols: Sequence[str],
        cleaner: str,
        audio: AudioConfig,
    ) -> None:
        self.clips = list(clips)
        self.mels = mels
        self.lengths = mels.lengths
        self._alignments = alignments
        self.symbols = list(symbols)
        self._cleaner = cleaner
        self._seconds_per_frame = audio.hop_length / audio.sample_rate
        seen: set[int] = set()
        self.longest_text = 0
        # Matching a text with its labels takes as long as all else, and always comes out the same.
        self._read: dict[Pick, tuple[Tensor, Tensor, Tensor]] = {}
        for clip in self.clips:  # a bad text is said now and not in the middle of an epoch
            for spelling in {clip.text, clip.arpabet or clip.text}:
                ids = text_to_ids(spelling, cleaner, self.symbols)
                seen.update(ids)
                self.longest_text = max(self.longest_text, len(ids))
                ctc_targets(spelling, cleaner)
        self.seen_symbols = [self.symbols[id_] for id_ in sorted(seen)]

    def __len__(self) -> int:
        """How many clips."""
        return len(self.clips)

    def __getitem__(self, pick: Pick) -> tuple[Tensor, ...]:
        """One clip: text ids, mel (T_mel, n_mels), CTC ids, intervals (T_text, 2) in frames."""
        mel = self.mels[pick.clip]
        if pick not in self._read:
            self._read[pick] = self._read_text(pick, len(mel))
        ids, targets, intervals = self._read[pick]
        return ids, mel, targets, intervals

    def _read_text(self, pick: Pick, n_frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Text ids, CTC ids, intervals (T_text, 2) in frames."""
        clip = self.clips[pick.clip]
        spelling = clip.arpabet if pick.use_arpabet and clip.arpabet else clip.text
        ids = text_to_ids(spelling, self._cleaner, self.symbols)
        return (
            torch.tensor(ids),
            torch.tensor(ctc_targets(clip.arpabet or clip.text, self._cleaner)),
            torch.from_numpy(self._intervals(clip, ids, n_frames)),
        )

    def _intervals(self, clip: Clip, ids: Sequence[int], n_frames: int) -> np.ndarray:
        n_seconds = n_frames * self._seconds_per_frame
        alignment = self._alignments.get(clip.ref)
        intervals = None
        if alignment is not None:
            intervals = label_intervals(
                [self.symbols[i] for i in ids], alignment.tokens, alignment.words, n_seconds
            )
        if intervals is None:
            intervals = diagonal_intervals(len(ids), n_seconds)
        return intervals / np.float32(self._seconds_per_frame)


class BucketSampler:
    """Batches of clips of like length, in an order that the seed and the epoch decide.

    Because an epoch's order follows from its number, the sampler's whole state is two numbers.

    Args:
        lengths: frames of each clip.
        batch_size: clips a batch; the last one of an epoch may have fewer.
        seed: of the order and of the spellings.
        p_arpabet: probability that a clip is read from its ARPAbet text.
        max_frames: clips longer than this are left out; 0 keeps all.

    Raises:
        FilelistError: no clip is short enough.
    """

    # Lengths are blurred by this share before sorting, so that batches differ between epochs.
    _BLUR = 0.1

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        p_arpabet: float,
        max_frames: int = 0,
    ) -> None:
        self.epoch = 0
        self.position = 0
        all_lengths = np.asarray(lengths)
        self._indices = np.flatnonzero(all_lengths <= (max_frames or np.inf))
        if not len(self._indices):
            raise FilelistError(
                f"All {len(lengths)} clips are longer than max_clip_seconds. Raise it."
            )
        self._lengths = all_lengths[self._indices]
        self._batch_size = batch_size
        self._seed = seed
        self._p_arpabet = p_arpabet

    @property
    def batches_per_epoch(self) -> int:
        """Batches that make an epoch."""
        return -(-len(self._lengths) // self._batch_size)

    def remaining(self) -> list[list[Pick]]:
        """The batches of this epoch that have not been handed out."""
        rng = np.random.default_rng((self._seed, self.epoch))
        blurred = self._lengths * (1 + self._BLUR * rng.random(len(self._lengths)))
        spellings = rng.random(len(self._lengths)) < self._p_arpabet
        order = np.argsort(blurred)
        picks = [Pick(int(self._indices[i]), bool(spellings[i])) for i in order]
        batches = [
            picks[start : start + self._batch_size]
            for start in range(0, len(picks), self._batch_size)
        ]
        return [batches[i] for i in rng.permutation(len(batches))][self.position :]

    def advance(self) -> None:
        """Count a batch as handed out."""
        self.position += 1
        if self.position >= self.batches_per_epoch:
            self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """The place in the data."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a place in the data."""
        self.epoch = int(state["epoch"])
        self.position = int(state["position"]) % self.batches_per_epoch


def endless_batches(
    dataset: ClipDataset, sampler: BucketSampler, n_workers: int
) -> Iterator[Batch]:
    """Batches without end, from the sampler's place on.

    The sampler advances when a batch is handed out and not when a worker fetches it ahead, so
    its state is always that of the steps done.
    """
    while True:
        loader = DataLoader(
            dataset,
            batch_sampler=sampler.remaining(),
            collate_fn=collate,
            num_workers=n_workers,
            pin_memory=torch.cuda.is_available(),
            # Its own generator: otherwise each epoch, and each resume, would take a number from
            # the one that the dropouts use.
            generator=torch.Generator(),
            worker_init_fn=_leave_signals_to_the_trainer if n_workers else None,
        )
        for batch in loader:
            sampler.advance()
            yield batch


def _leave_signals_to_the_trainer(worker: int) -> None:
    """A SIGTERM that the whole process group gets must not kill the workers first.

    torch would raise their death in the midst of the save that the signal brings about.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def validation_batches(dataset: ClipDataset, batch_size: int) -> Iterator[Batch]:
    """All clips once, in their order, read from their ARPAbet text where they have one."""
    for start in range(0, len(dataset), batch_size):
        stop = min(start + batch_size, len(dataset))
        yield collate([dataset[Pick(index, use_arpabet=True)] for index in range(start, stop)])


def collate(clips: Sequence[tuple[Tensor, ...]]) -> Batch:
    """Pad clips to a batch."""
    texts, mels, targets, intervals = (list(column) for column in zip(*clips, strict=True))

    def lengths(tensors: Sequence[Tensor]) -> Tensor:
        return torch.tensor([len(tensor) for tensor in tensors])

    return Batch(
        text=pad_sequence(texts, batch_first=True),
        text_lengths=lengths(texts),
        mel=pad_sequence(mels, batch_first=True).transpose(1, 2),
        mel_lengths=lengths(mels),
        ctc=pad_sequence(targets, batch_first=True),
        ctc_lengths=lengths(targets),
        intervals=pad_sequence(intervals, batch_first=True, padding_value=torch.nan),
    )


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
