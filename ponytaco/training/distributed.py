"""Processes that train together, as torchrun starts them: what they tell each other.

Every process computes a part of each batch. They agree on what to do by short messages over the
CPU (gloo), and add up their gradients on their devices (NCCL on GPUs). A process that is alone
sends nothing and copies nothing.
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

# What torchrun tells each process.
_ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# While the first process validates, saves to a slow Drive or makes the mel cache the others wait.
# One that ends is noticed at once, by its closed connection, so this only bounds a machine's hang.
_WAIT = datetime.timedelta(hours=12)
_N_WISHES = 3


class RanksError(PonytacoError):
    """Several processes cannot train together, or one of them is gone."""


class NoMemoryElsewhereError(RuntimeError):
    """Another process ran out of memory before this step's gradients were exchanged."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; made alone, it is the only one.

    All processes call the same methods in the same order. The first one, of rank 0, writes files
    and speaks to the user.

    Attributes:
        rank: 0 to ``count - 1``.
        count: how many there are.
        local_rank: its place on its machine, which is its GPU's number.
        control: the group that messages over the CPU go through; None when alone.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    control: dist.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and speaks to the user."""
        return self.rank == 0

    def any(self, *wishes: bool) -> tuple[bool, ...]:
        """Each wish (at most three of them), whether any process has it.

        Raises:
            RanksError: a process is gone.
        """
        if self.count == 1:
            return wishes
        no_memory, *agreed = self._tell(False, wishes)
        if no_memory:
            raise RanksError(
                "Another process ran out of memory too late in a step to repeat it. Resume with a "
                "smaller batch_size."
            )
        return tuple(agreed[: len(wishes)])

    def total(self, tensors: Sequence[MaybeTensor]) -> list[MaybeTensor]:
        """The sums over all processes, the same to the bit on each of them.

        Args:
            tensors: of the same shapes on every process, None in the same places; not changed.

        Returns:
            As many, where the tensors are; when alone, the tensors themselves.

        Raises:
            NoMemoryElsewhereError: a process called ``tell_no_memory`` instead.
            RanksError: a process is gone.
        """
        if self.count == 1:
            return list(tensors)
        # One message of a kind instead of hundreds. It is made before anyone waits for it, because
        # making it may take more memory than there is.
        kinds: dict[tuple[torch.dtype, torch.device], list[int]] = {}
        for i, tensor in enumerate(tensors):
            if tensor is not None:
                kinds.setdefault((tensor.dtype, tensor.device), []).append(i)
        flat = [
            torch.cat([t.reshape(-1) for i in places if (t := tensors[i]) is not None])
            for places in kinds.values()
        ]
        no_memory, *_ = self._tell(False, ())
        if no_memory:
            raise NoMemoryElsewhereError("another process is out of memory")
        totals: list[Any] = [None] * len(tensors)
        for message, places in zip(flat, kinds.values(), strict=True):
            with _gone_is_said():
                dist.all_reduce(message)
            start = 0
            for i in places:
                if (tensor := tensors[i]) is not None:
                    totals[i] = message[start : start + tensor.numel()].view(tensor.shape)
                    start += tensor.numel()
        return totals

    def tell_no_memory(self) -> None:
        """Instead of the next ``total``: the others stop there, to begin again in smaller parts."""
        if self.count > 1:
            self._tell(True, ())

    def from_first(self, work: Callable[[], T]) -> T:
        """What the first process makes of ``work``, which only it does, handed to all of them.

        Raises:
            RanksError: on the others, when ``work`` raised an error on the first.
        """
        if self.count == 1:
            return work()
        message: list[Any] = [None, False]
        try:
            if self.is_first:
                message = [work(), True]
        finally:  # an error must not leave the others waiting
            with _gone_is_said():
                dist.broadcast_object_list(message, 0, self.control, torch.device("cpu"))
        result, is_done = message
        if not is_done:
            raise RanksError(f"Process {self.rank} ends because the first one did; see there.")
        return result

    def first_then_others(self, work: Callable[[], T]) -> T:
        """Do a work on the first process, then on the others, which find what it has written.

        Raises:
            RanksError: it raised an error on another process.
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
        problems = self.gather("" if failed is None else str(failed))
        if failed is not None:
            raise failed
        for rank, problem in enumerate(problems):
            if problem:
                raise RanksError(f"Process {rank} cannot take part: {problem}")
        return mine[0]

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        with _gone_is_said():
            dist.all_gather_object(values, value, self.control)
        return values

    def wait(self) -> None:
        """Until all processes have come here."""
        self.any()

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors on the CPU by the first process's."""
        if self.count == 1:
            return
        for tensor in tensors:
            with _gone_is_said():
                dist.broadcast(tensor, 0, self.control)

    def _tell(self, no_memory: bool, wishes: Sequence[bool]) -> list[bool]:
        """The one short message there is, so that what anyone tells is understood at any place."""
        spare = _N_WISHES - len(wishes)
        message = torch.tensor([no_memory, *wishes, *[False] * spare], dtype=torch.int32)
        with _gone_is_said():
            dist.all_reduce(message, dist.ReduceOp.MAX, self.control)
        return [bool(value) for value in message.tolist()]


ALONE = Ranks()


@contextlib.contextmanager
def joined(on_gpu: bool) -> Iterator[Ranks]:
    """This process among those that torchrun has started; alone when it has not.

    Args:
        on_gpu: whether each trains on a GPU of its own.

    Raises:
        RanksError: the variables are incomplete, there are too few GPUs, or the others cannot be
            reached.
    """
    ranks = _from_environment(os.environ)
    if ranks.count == 1:
        yield ranks
        return
    if on_gpu:
        n_gpus = torch.cuda.device_count()
        if ranks.local_rank >= n_gpus:
            raise RanksError(
                f"There are more processes than GPUs on this machine, which has {n_gpus}: "
                f"torchrun --nproc_per_node={n_gpus} …"
            )
        torch.cuda.set_device(ranks.local_rank)
    try:
        if on_gpu:
            # NCCL keeps its own, short patience: before each of its sums all have met over gloo.
            dist.init_process_group("nccl", rank=ranks.rank, world_size=ranks.count)
            control = dist.new_group(backend="gloo", timeout=_WAIT)
        else:
            dist.init_process_group("gloo", timeout=_WAIT, rank=ranks.rank, world_size=ranks.count)
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
    # An address alone says nothing: clusters set it for other programs, too.
    if not any(name in environment for name in _ENVIRONMENT[:3]):
        return ALONE
    missing = [name for name in _ENVIRONMENT if not environment.get(name)]
    start = "Start it with: torchrun --nproc_per_node=N -m ponytaco train DATASET RUN"
    if missing:
        raise RanksError(
            f"This process is said to be one of several, but {', '.join(missing)} is not set. "
            f"{start}"
        )
    try:
        rank, count, local_rank = (int(environment[name]) for name in _ENVIRONMENT[:3])
        int(environment["MASTER_PORT"])
    except ValueError:
        said = ", ".join(f"{name}={environment[name]}" for name in _ENVIRONMENT)
        raise RanksError(f"Not all of {said} are what torchrun sets. {start}") from None
    if not (0 <= rank < count and 0 <= local_rank <= rank):
        raise RanksError(
            f"RANK={rank}, LOCAL_RANK={local_rank} and WORLD_SIZE={count} contradict each other. "
            f"{start}"
        )
    return Ranks(rank, count, local_rank)


@contextlib.contextmanager
def _gone_is_said() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise RanksError(
            f"Another process of this training is gone; its own message says why. ({error})"
        ) from None
