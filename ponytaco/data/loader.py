"""Padded batches of clips, and iterators over them for training and validation."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ponytaco.data.dataset import ClipDataset
from ponytaco.data.sampler import BucketSampler, Pick


class Batch(NamedTuple):
    """Clips, or phrases of clips, padded to the longest of them.

    The lengths stay on the CPU, because Python, cuDNN's LSTM and the CTC loss need them there.
    """

    text: Tensor  # (B, T_text) symbol ids
    text_lengths: Tensor  # (B,)
    mel: Tensor  # (B, n_mels, T_mel)
    mel_lengths: Tensor  # (B,)
    ctc: Tensor  # (B, T_ctc) ids of the CTC alphabet
    ctc_lengths: Tensor  # (B,)
    intervals: Tensor  # (B, T_text, 2) frames in which a symbol may be attended; NaN is padding
    is_end: Tensor  # (B,) bool: the clip ends here; a phrase from its middle does not
    weight: Tensor  # (B,) 1; 0 for a placeholder in a process that has no clip of its own

    def to(self, device: torch.device) -> Batch:
        """Copy the batch to a device, asynchronously if its memory is pinned."""
        return Batch(
            **{
                name: tensor if name.endswith("_lengths") else tensor.to(device, non_blocking=True)
                for name, tensor in self._asdict().items()
            }
        )

    def micro_batches(self, n: int) -> list[Batch]:
        """Split into at most ``n`` batches of about the same size, with the same padding."""
        if n == 1:
            return [self]
        columns = [tensor.chunk(n) for tensor in self]
        return [Batch(*micro_batch) for micro_batch in zip(*columns, strict=True)]


class _Shards(TorchDataset[Batch]):
    """This process's shard of each batch."""

    def __init__(self, dataset: ClipDataset, sampler: BucketSampler) -> None:
        self._dataset = dataset
        self._sampler = sampler

    def __getitem__(self, picks: list[Pick]) -> Batch:
        """The shard, padded as the whole batch: other padding would change the gradient."""
        own = self._sampler.shard(picks)
        batch = collate(
            [self._dataset[pick] for pick in own or picks[:1]],
            n_symbols=max(self._dataset.n_symbols(pick) for pick in picks),
            n_frames=max(self._dataset.n_frames(pick) for pick in picks),
        )
        return batch if own else batch._replace(weight=torch.zeros_like(batch.weight))


def training_batches(
    dataset: ClipDataset,
    sampler: BucketSampler,
    n_workers: int,
    log: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Batch]:
    """Iterate endlessly over this process's shards of batches, from the sampler's position on.

    The sampler advances when a batch is yielded and not when a worker prefetches it, so that its
    state is always that of the steps done.

    Args:
        dataset: the clips.
        sampler: the sampler of their batches.
        n_workers: loading processes; 0 loads in this process.
        log: takes a message if one of them died and loading continues in this process.
    """
    while True:
        loader = DataLoader(
            _Shards(dataset, sampler),
            batch_size=None,
            sampler=sampler.remaining(),
            collate_fn=_as_it_is,
            num_workers=n_workers,
            pin_memory=torch.cuda.is_available(),
            # Its own generator: by default each epoch, and each resume, would draw a number from
            # the dropouts' generator.
            generator=torch.Generator(),
            worker_init_fn=_leave_signals_to_the_trainer if n_workers else None,
        )
        loaded = iter(loader)
        while True:
            try:
                batch = next(loaded, None)
            except RuntimeError as error:
                if not n_workers or "DataLoader worker" not in str(error):
                    raise
                log("A process that loads clips died. The training process loads them from now on.")
                n_workers = 0
                break
            if batch is None:
                break
            sampler.advance()
            yield batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Ignore the signals that the whole process group gets.

    If they killed the workers first, torch would raise an error during the save that they cause.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def validation_batches(dataset: ClipDataset, batch_size: int) -> Iterator[Batch]:
    """Iterate over all clips once, in order, read from their ARPAbet text if they have one."""
    for start in range(0, len(dataset), batch_size):
        stop = min(start + batch_size, len(dataset))
        yield collate([dataset[Pick(index, use_arpabet=True)] for index in range(start, stop)])


def collate(clips: Sequence[tuple[Tensor, ...]], n_symbols: int = 0, n_frames: int = 0) -> Batch:
    """Pad clips to a batch.

    Args:
        clips: items of a ClipDataset.
        n_symbols: minimal length of the padded texts.
        n_frames: minimal length of the padded mels.
    """
    texts, mels, targets, intervals, ends = (list(column) for column in zip(*clips, strict=True))

    def lengths(tensors: Sequence[Tensor]) -> Tensor:
        return torch.tensor([len(tensor) for tensor in tensors])

    return Batch(
        text=_padded(texts, n_symbols),
        text_lengths=lengths(texts),
        mel=_padded(mels, n_frames).transpose(1, 2),
        mel_lengths=lengths(mels),
        ctc=_padded(targets),
        ctc_lengths=lengths(targets),
        intervals=_padded(intervals, n_symbols, torch.nan),
        is_end=torch.stack(ends),
        weight=torch.ones(len(clips)),
    )


def _padded(tensors: Sequence[Tensor], length: int = 0, value: float = 0.0) -> Tensor:
    """Pad tensors (T_i, …) to (B, T, …), where T is the longest T_i but at least ``length``."""
    padded = pad_sequence(list(tensors), batch_first=True, padding_value=value)
    missing = length - padded.shape[1]
    if missing <= 0:
        return padded
    return F.pad(padded, (*(0, 0) * (padded.dim() - 2), 0, missing), value=value)
