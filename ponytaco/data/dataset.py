"""Datasets of clips as tensors, from one or several dataset folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from ponytaco.config import AudioConfig
from ponytaco.data.alignment_targets import diagonal_intervals, label_intervals
from ponytaco.data.dataset_folder import Clip, ClipAlignment, DatasetFolder
from ponytaco.data.mel_cache import Mels, UnreadableClipsError, load_mels
from ponytaco.data.sampler import Pick
from ponytaco.text.encode import ctc_targets, text_to_ids
from ponytaco.text.lexicon import Lexicon

# With a smaller share of letters among the spoken symbols they are not learnt: those are only names
# that the labeller's dictionary lacks.
_LEAST_LETTERS = 0.05

_OpenClip = tuple[Clip, Tensor, ClipAlignment | None]


class Datasets(NamedTuple):
    """Training and validation clips of one or several characters."""

    train: ClipDataset
    val: ClipDataset
    mean_frame: Tensor  # (n_mels,), mean over all real frames


def open_datasets(
    folders: DatasetFolder | Sequence[DatasetFolder],
    audio: AudioConfig,
    symbols: Sequence[str],
    cleaner: str,
    log: Callable[[str], None] | None = None,
) -> Datasets:
    """Open one or several dataset folders together, with a mel cache in each of them.

    Args:
        folders: the dataset folders; clips of different folders may have the same ref.
        audio: settings of the mels.
        symbols: the model's symbol table.
        cleaner: name of the text cleaner.
        log: takes a message about clips that are left out because they cannot be read; by default
            such a clip is an error.

    Raises:
        AudioError: if a clip's audio is missing, damaged or of another sample rate; with ``log``,
            if more than a tenth of the clips are.
        TextError: if a clip's text has no speakable symbol.
    """
    if isinstance(folders, DatasetFolder):
        folders = [folders]
    opened = [_open(folder, audio, log) for folder in folders]
    train: list[_OpenClip] = []
    vals: list[list[_OpenClip]] = []
    for folder, mels in opened:
        labels = [folder.alignments.get(clip.ref) for clip in (*folder.train, *folder.val)]
        clips = list(zip([*folder.train, *folder.val], mels.clips(), labels, strict=True))
        train += clips[: len(folder.train)]
        vals.append(clips[len(folder.train) :])
    # Interleaved, because only the first ones are synthesised in a validation.
    val = [clip for turn in zip_longest(*vals) for clip in turn if clip is not None]

    def dataset(clips: list[_OpenClip]) -> ClipDataset:
        listed, mels, labels = zip(*clips, strict=True)
        return ClipDataset(listed, mels, labels, symbols, cleaner, audio)

    return Datasets(dataset(train), dataset(val), _mean_frame([mels for _, mels in opened]))


def _open(
    folder: DatasetFolder, audio: AudioConfig, log: Callable[[str], None] | None
) -> tuple[DatasetFolder, Mels]:
    """Return a folder without its unreadable clips, and the mels of both lists."""
    try:
        return folder, load_mels([*folder.train, *folder.val], audio, folder.folder)
    except UnreadableClipsError as error:
        if log is None:
            raise
        folder = _without(folder, error)
        log(f"{len(error.clips)} of the clips cannot be read and are left out: {error}")
        return folder, load_mels([*folder.train, *folder.val], audio, folder.folder)


def _mean_frame(all_mels: Sequence[Mels]) -> Tensor:
    if len(all_mels) == 1:
        return all_mels[0].mean_frame
    sums = [mels.mean_frame.double() * len(mels.frames) for mels in all_mels]
    return (torch.stack(sums).sum(0) / sum(len(mels.frames) for mels in all_mels)).float()


def merged_lexicon(folders: Sequence[DatasetFolder]) -> dict[str, str]:
    """Merge the folders' lexicons, 'hello' -> 'HH AH0 L OW1'; the first folder's entry wins.

    The result is empty if no clip has phones: such a voice learns only letters and cannot speak
    phones.

    Raises:
        LexiconError: if a lexicon breaks the contract.
    """
    lexicon: dict[str, str] = {}
    for folder in folders:
        if folder.lexicon_path is not None:
            entries = Lexicon.read(folder.lexicon_path).entries
            lexicon = {word: " ".join(phones) for word, phones in entries.items()} | lexicon
    return lexicon if any(clip.arpabet for f in folders for clip in f.train) else {}


def _without(folder: DatasetFolder, unreadable: UnreadableClipsError) -> DatasetFolder:
    train, val = (
        [clip for clip in clips if clip.ref not in unreadable.clips]
        for clips in (folder.train, folder.val)
    )
    # More than a tenth means another sample rate or a broken disk.
    n_left, n_all = len(train) + len(val), len(folder.train) + len(folder.val)
    if not train or not val or n_left < 0.9 * n_all:
        raise unreadable
    return replace(folder, train=train, val=val)


class ClipDataset(TorchDataset[tuple[Tensor, ...]]):
    """Clips as tensors; all that is random about them is chosen by the sampler.

    Args:
        clips: the clips.
        mels: their mels, (T_mel, n_mels) each.
        alignments: their labels; None for a clip without.
        symbols: the model's symbol table.
        cleaner: name of the text cleaner.
        audio: settings of the mels.

    Raises:
        TextError: if a clip's text has no speakable symbol.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        mels: Sequence[Tensor],
        alignments: Sequence[ClipAlignment | None],
        symbols: Sequence[str],
        cleaner: str,
        audio: AudioConfig,
    ) -> None:
        self.clips = list(clips)
        self.mels = list(mels)
        self.lengths = [len(mel) for mel in mels]
        self._alignments = list(alignments)
        self.symbols = list(symbols)
        self._cleaner = cleaner
        self._seconds_per_frame = audio.hop_length / audio.sample_rate
        # Matching a text with its labels takes as long as the rest, and gives the same each time.
        self._read: dict[Pick, tuple[Tensor, Tensor, Tensor]] = {}
        self._n_symbols: list[tuple[int, int]] = []
        self._counts: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        for clip in self.clips:  # a bad text is an error now, not in the middle of an epoch
            both = [self._checked_ids(clip, use_arpabet) for use_arpabet in (False, True)]
            for counts, ids in zip(self._counts, both, strict=True):
                counts.update(ids)
            self._n_symbols.append((len(both[0]), len(both[1])))
        self.longest_text = max((max(lengths) for lengths in self._n_symbols), default=0)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, pick: Pick) -> tuple[Tensor, ...]:
        """Text ids, mel (T_mel, n_mels), CTC ids and intervals (T_text, 2) in frames of a clip."""
        mel = self.mels[pick.clip]
        if pick not in self._read:
            self._read[pick] = self._read_text(pick, len(mel))
        ids, targets, intervals = self._read[pick]
        return ids, mel, targets, intervals

    def _read_text(self, pick: Pick, n_frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return text ids, CTC ids and intervals (T_text, 2) in frames."""
        clip = self.clips[pick.clip]
        ids = text_to_ids(_spelling(clip, pick.use_arpabet), self._cleaner, self.symbols)
        return (
            torch.tensor(ids),
            torch.tensor(ctc_targets(_spelling(clip, True), self._cleaner)),
            torch.from_numpy(self._intervals(pick.clip, ids, n_frames)),
        )

    def seen_symbols(self, with_letters: bool) -> list[str]:
        """List the symbols that a model learns from these clips.

        Letters are left out if only a few words are spelt with them.

        Args:
            with_letters: whether clips that have pronunciations are also read from their letters.
        """
        by_text, by_arpabet = self._counts
        seen = by_text + by_arpabet if with_letters else by_arpabet
        letters = {id_ for id_ in seen if self.symbols[id_].isalpha()}
        n_spoken = sum(n for id_, n in seen.items() if self.symbols[id_][-1:].isalnum())
        if sum(seen[id_] for id_ in letters) < _LEAST_LETTERS * n_spoken:
            seen = Counter({id_: n for id_, n in seen.items() if id_ not in letters})
        return [self.symbols[id_] for id_ in sorted(seen)]

    def n_symbols(self, pick: Pick) -> int:
        """Return the number of a clip's text ids."""
        return self._n_symbols[pick.clip][pick.use_arpabet]

    def _checked_ids(self, clip: Clip, use_arpabet: bool) -> list[int]:
        spelling = _spelling(clip, use_arpabet)
        ctc_targets(spelling, self._cleaner)
        return text_to_ids(spelling, self._cleaner, self.symbols)

    def _intervals(self, clip: int, ids: Sequence[int], n_frames: int) -> np.ndarray:
        n_seconds = n_frames * self._seconds_per_frame
        alignment = self._alignments[clip]
        intervals = None
        if alignment is not None:
            intervals = label_intervals(
                [self.symbols[i] for i in ids], alignment.tokens, alignment.words, n_seconds
            )
        if intervals is None:
            intervals = diagonal_intervals(len(ids), n_seconds)
        return intervals / np.float32(self._seconds_per_frame)


def _spelling(clip: Clip, use_arpabet: bool) -> str:
    return clip.arpabet if use_arpabet and clip.arpabet else clip.text
