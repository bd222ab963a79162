"""Datasets of clips as tensors, from one or several dataset folders."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from ponytaco.config import AudioConfig
from ponytaco.data.alignment_targets import diagonal_intervals, label_intervals
from ponytaco.data.dataset_folder import Clip, ClipAlignment, DatasetFolder
from ponytaco.data.mel_cache import Mels, UnreadableClipsError, load_mels
from ponytaco.data.phrases import Phrase, Text, cut_into_phrases, pauses
from ponytaco.data.sampler import Pick
from ponytaco.text.encode import ctc_targets, spoken_symbols, text_to_ids
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.symbols import STYLE_SIGNS

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
    phrase_seconds: float = 0.0,
) -> Datasets:
    """Open one or several dataset folders together, with a mel cache in each of them.

    Args:
        folders: the dataset folders; clips of different folders may have the same ref.
        audio: settings of the mels.
        symbols: the model's symbol table.
        cleaner: name of the text cleaner.
        log: takes a message about clips that are left out because they cannot be read; by default
            such a clip is an error.
        phrase_seconds: length from which the training clips are cut into phrases; 0 cuts none.

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
    val = [clip for turn in itertools.zip_longest(*vals) for clip in turn if clip is not None]

    def dataset(clips: list[_OpenClip], phrase_seconds: float) -> ClipDataset:
        listed, mels, labels = zip(*clips, strict=True)
        return ClipDataset(listed, mels, labels, symbols, cleaner, audio, phrase_seconds)

    return Datasets(
        dataset(train, phrase_seconds), dataset(val, 0.0), _mean_frame([mels for _, mels in opened])
    )


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


class _Reading(NamedTuple):
    """A clip's text in one of its spellings."""

    ids: Tensor  # (T_text,)
    ctc: Tensor  # (T_ctc,) ids of the CTC alphabet
    intervals: Tensor  # (T_text, 2) frames
    has_times: bool  # the intervals are of labels, and not around the diagonal


class ClipDataset(TorchDataset[tuple[Tensor, ...]]):
    """Clips as tensors; all that is random about them is chosen by the sampler.

    Args:
        clips: the clips.
        mels: their mels, (T_mel, n_mels) each.
        alignments: their labels; None for a clip without.
        symbols: the model's symbol table.
        cleaner: name of the text cleaner.
        audio: settings of the mels.
        phrase_seconds: length from which clips are cut into phrases; 0 cuts none.

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
        phrase_seconds: float = 0.0,
    ) -> None:
        self.clips = list(clips)
        self.mels = list(mels)
        self.lengths = [len(mel) for mel in mels]
        self._alignments = list(alignments)
        self.symbols = list(symbols)
        self._cleaner = cleaner
        self._seconds_per_frame = audio.hop_length / audio.sample_rate
        # Matching a text with its labels takes as long as the rest, and gives the same each time.
        self._readings: dict[tuple[int, bool], _Reading] = {}
        self._n_symbols: list[tuple[int, int]] = []
        self._counts: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        for clip in self.clips:  # a bad text is an error now, not in the middle of an epoch
            both = [self._checked_ids(clip, use_arpabet) for use_arpabet in (False, True)]
            for counts, ids in zip(self._counts, both, strict=True):
                counts.update(ids)
            self._n_symbols.append((len(both[0]), len(both[1])))
        self.longest_text = max((max(lengths) for lengths in self._n_symbols), default=0)
        self._phrases = [self._cut(i, phrase_seconds) for i in range(len(self.clips))]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, pick: Pick) -> tuple[Tensor, ...]:
        """Text ids, mel (T_mel, n_mels), CTC ids, intervals (T_text, 2) in frames, is the end.

        The last is whether the clip ends here: a phrase in its middle does not.
        """
        mel = self.mels[pick.clip]
        reading = self._reading(pick.clip, pick.use_arpabet)
        if pick.phrase is None:
            return reading.ids, mel, reading.ctc, reading.intervals, torch.tensor(True)
        phrase = self._phrases[pick.clip][pick.phrase]
        part = phrase.symbols[pick.use_arpabet]
        ids, intervals = reading.ids[part], reading.intervals[part] - phrase.frames.start
        if part.start and self._has_style(pick):
            ids = torch.cat((reading.ids[:1], ids))
            intervals = torch.cat((intervals[:1], intervals))
        # The silence at either end belongs to the first and the last symbol.
        intervals[0, 0] = intervals[0, 0].clamp(max=0.0)
        intervals[-1, 1] = intervals[-1, 1].clamp(min=phrase.n_frames)
        ctc, is_end = reading.ctc[phrase.ctc], torch.tensor(phrase.is_end)
        return ids, mel[phrase.frames], ctc, intervals, is_end

    def n_frames(self, pick: Pick) -> int:
        """Return the number of frames of a clip or phrase."""
        if pick.phrase is None:
            return self.lengths[pick.clip]
        return self._phrases[pick.clip][pick.phrase].n_frames

    @property
    def phrase_lengths(self) -> list[list[int]]:
        """Frames of the phrases of each clip; none for a clip that cannot be cut."""
        return [[phrase.n_frames for phrase in phrases] for phrases in self._phrases]

    def _reading(self, clip: int, use_arpabet: bool) -> _Reading:
        key = (clip, use_arpabet)
        if key not in self._readings:
            self._readings[key] = self._read_text(clip, use_arpabet)
        return self._readings[key]

    def _read_text(self, clip: int, use_arpabet: bool) -> _Reading:
        spelling = _spelling(self.clips[clip], use_arpabet)
        ids = text_to_ids(spelling, self._cleaner, self.symbols)
        n_seconds = self.lengths[clip] * self._seconds_per_frame
        labelled = self._label_intervals(clip, ids, n_seconds)
        intervals = diagonal_intervals(len(ids), n_seconds) if labelled is None else labelled
        return _Reading(
            torch.tensor(ids),
            torch.tensor(ctc_targets(_spelling(self.clips[clip], True), self._cleaner)),
            torch.from_numpy(intervals / np.float32(self._seconds_per_frame)),
            labelled is not None,
        )

    def _label_intervals(
        self, clip: int, ids: Sequence[int], n_seconds: float
    ) -> npt.NDArray[np.float32] | None:
        alignment = self._alignments[clip]
        if alignment is None:
            return None
        symbols = [self.symbols[i] for i in ids]
        return label_intervals(symbols, alignment.tokens, alignment.words, n_seconds)

    def _has_style(self, pick: Pick) -> bool:
        """Whether the clip's text begins with a style sign, which holds for all its phrases."""
        first = int(self._reading(pick.clip, pick.use_arpabet).ids[0])
        return self.symbols[first] in STYLE_SIGNS.values()

    def _cut(self, clip: int, phrase_seconds: float) -> list[Phrase]:
        """Cut a clip at its pauses; the list is empty if it cannot be cut."""
        alignment = self._alignments[clip]
        if phrase_seconds <= 0 or alignment is None:
            return []
        letters, arpabet = self._reading(clip, False), self._reading(clip, True)
        texts = self._text(letters), self._text(arpabet)
        has_all = sum(texts[1].spoken) == len(arpabet.ctc)  # else its CTC ids could not be cut
        if not (has_all and letters.has_times and arpabet.has_times):
            return []
        n_frames = self.lengths[clip]
        seconds = pauses(alignment.words, n_frames * self._seconds_per_frame, phrase_seconds)
        cuts = [round(second / self._seconds_per_frame) for second in seconds]
        return cut_into_phrases(*texts, cuts, n_frames)

    def _text(self, reading: _Reading) -> Text:
        ids = reading.ids.tolist()
        spoken = spoken_symbols(ids, self.symbols)
        return Text([self.symbols[id_] for id_ in ids], spoken, reading.intervals.numpy())

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
        """Return the number of a clip's or phrase's text ids."""
        if pick.phrase is not None:
            part = self._phrases[pick.clip][pick.phrase].symbols[pick.use_arpabet]
            return int(part.stop - part.start) + bool(part.start and self._has_style(pick))
        return self._n_symbols[pick.clip][pick.use_arpabet]

    def _checked_ids(self, clip: Clip, use_arpabet: bool) -> list[int]:
        spelling = _spelling(clip, use_arpabet)
        ctc_targets(spelling, self._cleaner)
        return text_to_ids(spelling, self._cleaner, self.symbols)


def _spelling(clip: Clip, use_arpabet: bool) -> str:
    return clip.arpabet if use_arpabet and clip.arpabet else clip.text
