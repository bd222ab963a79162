"""Fitting into the memory: a batch that is too large is computed in parts."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from ponytaco.runs.state import Progress
from ponytaco.training.distributed import ALONE, NoMemoryElsewhereError, Ranks

T = TypeVar("T")


def in_parts_that_fit(
    work: Callable[[int], T],
    progress: Progress,
    batch_size: int,
    say: Callable[[str], None],
    ranks: Ranks = ALONE,
) -> T:
    """Do a work in as many parts as the memory asks for.

    Args:
        work: takes the number of parts; may be begun again after it ran out of memory.
        progress: its ``n_parts`` remembers how many were needed.
        batch_size: the most parts there can be.
        say: takes a sentence each time that there must be more of them.
        ranks: the processes that do the work together: all of them take more parts where one must.

    Raises:
        RuntimeError: not even one clip at a time fits, or something else went wrong.
    """
    while True:
        try:
            return work(progress.n_parts)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, NoMemoryElsewhereError):
                if not is_out_of_memory(error):
                    raise
                ranks.tell_no_memory()
            if progress.n_parts >= batch_size:
                raise
        # Outside of the handler: the error holds on to the tensors of the attempt.
        progress.n_parts *= 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        say(
            f"The memory is too small for {batch_size} clips at a time: from here a batch is "
            f"computed in {progress.n_parts} parts, to the same effect."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the GPU's or the machine's memory was too small."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)  # torch's allocator for the CPU has no kind of error of its own
    return "DefaultCPUAllocator" in said or "out of memory" in said
