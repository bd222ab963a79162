"""Out of memory: a batch that does not fit is computed in micro-batches."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from ponytaco.runs.state import RunState
from ponytaco.training.distributed import ALONE, PeerOutOfMemoryError, Ranks

T = TypeVar("T")

# cuBLAS, cuDNN and torch's allocator on the CPU raise a plain RuntimeError.
_SYMPTOMS = (
    "out of memory",
    "DefaultCPUAllocator",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def in_micro_batches(
    work: Callable[[int], T],
    run_state: RunState,
    batch_size: int,
    log: Callable[[str], None],
    ranks: Ranks = ALONE,
    free: Callable[[], bool] = lambda: False,
) -> T:
    """Do a work on a batch, doubling its number of micro-batches whenever it runs out of memory.

    Args:
        work: takes the number of micro-batches, and can be repeated after it ran out of memory.
        run_state: keeps the number in ``n_micro_batches``.
        batch_size: clips of a batch, and so the most micro-batches.
        log: takes a message whenever the number is doubled.
        ranks: the processes that do the work together; if one doubles the number, all do.
        free: frees memory that the work can do without, and returns whether there was any: then
            the work, if it is one process's, is first repeated as it was.

    Raises:
        RuntimeError, MemoryError: if not even one clip at a time fits, or another error occurred.
    """
    while True:
        try:
            return work(run_state.n_micro_batches)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, PeerOutOfMemoryError):
                if not is_out_of_memory(error):
                    raise
                ranks.report_out_of_memory()
            was_freed = free() and ranks.count == 1
            if run_state.n_micro_batches >= batch_size and not was_freed:
                raise
        # Outside of the handler, because the error keeps the attempt's tensors alive.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if was_freed:
            continue
        run_state.double_micro_batches()
        log(
            f"The memory is too small for {batch_size} clips at once: from here on each batch is "
            f"computed in {run_state.n_micro_batches} micro-batches, with the same result."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory of the GPU or of the machine was too small."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(symptom in str(error) for symptom in _SYMPTOMS)
