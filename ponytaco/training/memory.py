"""Fitting into the memory: a batch that is too large is computed in parts."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from ponytaco.runs.state import RunState
from ponytaco.training.distributed import ALONE, NoMemoryElsewhereError, Ranks

T = TypeVar("T")


def in_micro_batches(
    work: Callable[[int], T],
    run_state: RunState,
    batch_size: int,
    log: Callable[[str], None],
    ranks: Ranks = ALONE,
) -> T:
    """Do a work in as many parts as the memory asks for.

    Args:
        work: takes the number of parts; may be begun again after it ran out of memory.
        run_state: its ``n_micro_batches`` remembers how many were needed.
        batch_size: the most parts there can be.
        log: takes a sentence each time that there must be more of them.
        ranks: the processes that do the work together: all of them take more parts where one must.

    Raises:
        RuntimeError: not even one clip at a time fits, or something else went wrong.
    """
    while True:
        try:
            return work(run_state.n_micro_batches)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, NoMemoryElsewhereError):
                if not is_out_of_memory(error):
                    raise
                ranks.tell_no_memory()
            if run_state.n_micro_batches >= batch_size:
                raise
        # Outside of the handler: the error holds on to the tensors of the attempt.
        run_state.double_micro_batches()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        log(
            f"The memory is too small for {batch_size} clips at a time: from here a batch is "
            f"computed in {run_state.n_micro_batches} parts, to the same effect."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the GPU's or the machine's memory was too small."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)  # torch's allocator for the CPU has no kind of error of its own
    return "DefaultCPUAllocator" in said or "out of memory" in said
