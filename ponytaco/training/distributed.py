"""Distributed training: the communication of processes that torchrun started.

Each process computes its own clips of each batch. Processes agree on what to do through short
messages over the CPU (gloo), and sum gradients on their devices (NCCL on GPUs). A single process
sends and copies nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ponytaco.errors import PonytacoError

T = TypeVar("T")
MaybeTensor = TypeVar("MaybeTensor", bound=Tensor | None)

# The variables that torchrun sets.
_ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# The others wait while the first process validates, saves to a slow Drive or makes the mel cache.
# A process that ends is noticed at once, by its closed connection: this only bounds a hang.
_TIMEOUT = datetime.timedelta(hours=12)
_MOST_FLAGS = 3


class RanksError(PonytacoError):
    """Several processes cannot train together, or one of them has ended."""


class PeerOutOfMemoryError(RuntimeError):
    """Another process ran out of memory before this step's gradients were exchanged."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; by default it is the only one.

    All processes must call the same methods in the same order. Only the first one, of rank 0,
    writes files and logs.

    Attributes:
        rank: 0 to ``count - 1``.
        count: number of processes.
        local_rank: rank on this machine, which is the number of the GPU.
        control: process group for messages over the CPU; None for a single process.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    control: dist.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag (at most three) whether it is set on any process.

        Raises:
            RanksError: if a process has ended.
        """
        if self.count == 1:
            return flags
        out_of_memory, *agreed = self._exchange_flags(False, flags)
        if out_of_memory:
            raise RanksError(
                "Another process ran out of memory too late in a step to repeat it. Resume with a "
                "smaller batch_size."
            )
        return tuple(agreed[: len(flags)])

    def all_reduce(self, tensors: Sequence[MaybeTensor]) -> list[MaybeTensor]:
        """Sum tensors over all processes, to the same bits on each.

        Args:
            tensors: tensors of the same shapes on all processes, None in the same places; they are
                not changed.

        Returns:
            The sums, on the tensors' devices; with a single process, the tensors themselves.

        Raises:
            PeerOutOfMemoryError: if a process called ``report_out_of_memory`` instead.
            RanksError: if a process has ended.
        """
        if self.count == 1:
            return list(tensors)
        # One message for each type and device instead of hundreds. Messages are allocated before
        # the exchange of flags, because a process may run out of memory here.
        kinds: dict[tuple[torch.dtype, torch.device], list[int]] = {}
        for i, tensor in enumerate(tensors):
            if tensor is not None:
                kinds.setdefault((tensor.dtype, tensor.device), []).append(i)
        messages = [
            torch.cat([t.reshape(-1) for i in indices if (t := tensors[i]) is not None])
            for indices in kinds.values()
        ]
        out_of_memory, *_ = self._exchange_flags(False, ())
        if out_of_memory:
            raise PeerOutOfMemoryError("another process is out of memory")
        sums: list[Any] = [None] * len(tensors)
        for message, indices in zip(messages, kinds.values(), strict=True):
            with _lost_peer():
                dist.all_reduce(message)
            start = 0
            for i in indices:
                if (tensor := tensors[i]) is not None:
                    sums[i] = message[start : start + tensor.numel()].view(tensor.shape)
                    start += tensor.numel()
        return sums

    def report_out_of_memory(self) -> None:
        """Make the next ``all_reduce`` of the other processes raise PeerOutOfMemoryError."""
        if self.count > 1:
            self._exchange_flags(True, ())

    def from_first(self, work: Callable[[], T]) -> T:
        """Call ``work`` on the first process only, and return its result on all.

        Raises:
            RanksError: on the others, if ``work`` raised an error on the first.
        """
        if self.count == 1:
            return work()
        message: list[Any] = [None, False]
        try:
            if self.is_first:
                message = [work(), True]
        finally:  # an error must not leave the others waiting
            with _lost_peer():
                dist.broadcast_object_list(message, 0, self.control, torch.device("cpu"))
        result, is_done = message
        if not is_done:
            raise RanksError(
                f"Process {self.rank} stops because process 0 failed: see its error message."
            )
        return result

    def first_then_others(self, work: Callable[[], T]) -> T:
        """Call ``work`` on the first process, then on the others, which find the files it wrote.

        Raises:
            RanksError: if it raised an error on another process.
        """
        if self.count == 1:
            return work()
        mine: list[T] = []
        if self.is_first:
            self.from_first(lambda: mine.append(work()))
        else:
            self.from_first(lambda: None)
        failed: Exception | None = None
        if not self.is_first:
            try:
                mine.append(work())
            except Exception as error:
                failed = error
        problems = self.all_gather("" if failed is None else str(failed))
        if failed is not None:
            raise failed
        for rank, problem in enumerate(problems):
            if problem:
                raise RanksError(f"Process {rank} cannot take part: {problem}")
        return mine[0]

    def all_gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        with _lost_peer():
            dist.all_gather_object(values, value, self.control)
        return values

    def barrier(self) -> None:
        """Wait until all processes have reached this call."""
        self.any()

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors on the CPU with the first process's."""
        if self.count == 1:
            return
        for tensor in tensors:
            with _lost_peer():
                dist.broadcast(tensor, 0, self.control)

    def _exchange_flags(self, out_of_memory: bool, flags: Sequence[bool]) -> list[bool]:
        """Combine flags of all processes by OR, in one format wherever a process is in its step."""
        spare = _MOST_FLAGS - len(flags)
        message = torch.tensor([out_of_memory, *flags, *[False] * spare], dtype=torch.int32)
        with _lost_peer():
            dist.all_reduce(message, dist.ReduceOp.MAX, self.control)
        return [bool(value) for value in message.tolist()]


ALONE = Ranks()


@contextlib.contextmanager
def joined(on_gpu: bool) -> Iterator[Ranks]:
    """Join the processes that torchrun started.

    Args:
        on_gpu: whether each process trains on a GPU of its own.

    Yields:
        This process; the only one without torchrun.

    Raises:
        RanksError: if torchrun's variables are incomplete, there are too few GPUs, or the other
            processes cannot be reached.
    """
    ranks = _from_environment(os.environ)
    if ranks.count == 1:
        yield ranks
        return
    if on_gpu:
        n_gpus = torch.cuda.device_count()
        if ranks.local_rank >= n_gpus:
            raise RanksError(
                "There are more processes than GPUs on this machine. Start as many as GPUs: "
                f"torchrun --nproc_per_node={n_gpus} …"
            )
        torch.cuda.set_device(ranks.local_rank)
    try:
        if on_gpu:
            # NCCL keeps its own, short timeout: before each of its sums all have met over gloo.
            dist.init_process_group("nccl", rank=ranks.rank, world_size=ranks.count)
            control = dist.new_group(backend="gloo", timeout=_TIMEOUT)
        else:
            dist.init_process_group(
                "gloo", timeout=_TIMEOUT, rank=ranks.rank, world_size=ranks.count
            )
            control = dist.group.WORLD
    except (RuntimeError, ValueError) as error:
        raise RanksError(
            f"Process {ranks.rank} of {ranks.count} cannot reach the others: {error}"
        ) from None
    try:
        yield replace(ranks, control=control)
    finally:
        dist.destroy_process_group()


def _from_environment(environment: Mapping[str, str]) -> Ranks:
    # An address alone means nothing: clusters set it for other programs, too.
    if not any(name in environment for name in _ENVIRONMENT[:3]):
        return ALONE
    missing = [name for name in _ENVIRONMENT if not environment.get(name)]
    start = "Start it with: torchrun --nproc_per_node=N -m ponytaco train DATASET RUN"
    if missing:
        raise RanksError(
            f"Some variables of torchrun are set, but not {', '.join(missing)}. {start}"
        )
    try:
        rank, count, local_rank = (int(environment[name]) for name in _ENVIRONMENT[:3])
        int(environment["MASTER_PORT"])
    except ValueError:
        values = ", ".join(f"{name}={environment[name]}" for name in _ENVIRONMENT)
        raise RanksError(f"{values}: all but MASTER_ADDR must be numbers. {start}") from None
    if not (0 <= rank < count and 0 <= local_rank <= rank):
        raise RanksError(
            f"RANK={rank}, LOCAL_RANK={local_rank} and WORLD_SIZE={count} contradict each other. "
            f"{start}"
        )
    return Ranks(rank, count, local_rank)


@contextlib.contextmanager
def _lost_peer() -> Iterator[None]:
    """Turn the communication's errors into RanksError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise RanksError(
            f"Another training process has ended; see its own error message. ({error})"
        ) from None
