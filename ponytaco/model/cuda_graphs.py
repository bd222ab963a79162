"""Loops over frames as CUDA graphs, which a GPU launches block by block instead of by operation.

On a GPU such a loop takes as long as launching its operations, some tens a frame. A graph repeats
all launches of a block of steps in one call, but always on the same memory: so a block's tensors
are copied into static ones before it, and what it wrote is copied out after it. As nothing lives in
static memory from one loop to the next, all graphs share it.

A loop is cut into whole blocks, and what is left over at its end runs plainly. So a graph depends
on the number of symbols but not on that of frames, no step is computed for nothing, and a few
graphs serve all clips. Symbols are padded to a multiple of ``TEXT_BUCKET`` and masked, which
changes no value and gives no gradient.

No graph is trusted before it has proved itself. The first loop that it could run is computed
plainly, which is what counts; beside it the graph computes each block from copies of the same
inputs. If a value differs, or capturing or launching fails, no graph is used any more. In speaking
a few blocks must do, for the first sentence is often the only one.
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ponytaco.printable import brief

Tensors = Sequence[Tensor | None]
Function = Callable[..., None]
Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes what to record and returns what repeats it; what it records runs once before."""

# Texts of 5 to 200 symbols have seven lengths then, for a fifth more work at the usual 80.
TEXT_BUCKET = 32
# Four loops, and twelve numbers of clips and symbols. A graph's launches take about a megabyte.
_MOST = 48
# Kernels load fastest from such addresses, and torch's own allocator gives no others.
_ALIGNMENT = 512
# Distance from the plain result, relative to its norm. The same kernels give the same numbers;
# where a library chooses another one, it sums in another order. What is wrong is wrong by tenths.
_TOLERANCES = {torch.float32: 1e-3, torch.float16: 0.01, torch.bfloat16: 0.05}

_given_up: set[torch.device] = set()


class Block(NamedTuple):
    """Tensors of a block of steps, in the order in which its function takes them."""

    read: Tensors
    updated: Tensors
    """Read and written."""
    written: Tensors


class Graphs:
    """The graphs of one device, found by function and shapes.

    Args:
        device: where the graphs run.
        log: takes a message if graphs are given up; by default it becomes a warning.
        capture: what captures a graph; by default CUDA's.
        most: number of graphs that are kept; beyond it the least recently used is dropped.
    """

    def __init__(
        self,
        device: torch.device,
        log: Callable[[str], object] = warnings.warn,
        capture: Capture | None = None,
        most: int = _MOST,
    ) -> None:
        self._device, self._log, self._most = device, log, most
        self._capture = capture or cuda_capture(device)
        self._graphs: OrderedDict[object, _Graph] = OrderedDict()
        self._memory = torch.empty(0, dtype=torch.uint8, device=device)
        self._in_use = threading.Lock()
        self.is_on = True

    def __len__(self) -> int:
        return len(self._graphs)

    def __deepcopy__(self, memo: object) -> Graphs:
        """Return itself: a model's copy has other weights, but they are only copied in."""
        return self

    def run(
        self,
        function: Function,
        fixed: Tensors,
        blocks: Iterable[Block],
        owner: object,
        n_proofs: int | None,
    ) -> None:
        """Run a function on each block, as ``run_blocks`` does."""
        # Another thread would overwrite the static memory.
        if not self.is_on or not self._in_use.acquire(blocking=False):
            return run_blocks(function, fixed, blocks)
        try:
            graph: _Graph | None = None
            is_first = True
            for block in blocks:
                if is_first:
                    graph, is_first = self._find(function, fixed, block, owner), False
                if graph is None or not graph.fits(block) or not self._launch(graph, block):
                    function(*fixed, *block.read, *block.updated, *block.written)
                elif graph.is_proven:
                    graph.copy_out(block)
                else:
                    function(*fixed, *block.read, *block.updated, *block.written)
                    graph.compare(block)
                    if graph.n_compared == n_proofs:
                        self._prove(graph)
            if graph is not None:
                self._prove(graph)
        finally:
            self._in_use.release()

    def give_up(self, reason: str) -> bool:
        """Use no graph of this device any more, free their memory, and tell so.

        Args:
            reason: a clause for the user.

        Returns:
            Whether there was a graph to give up.
        """
        had_graphs = len(self) > 0
        if self.is_on:
            self.is_on = False
            _given_up.add(self._device)
            self._graphs.clear()
            self._memory = self._memory.new_empty(0)
            self._log(
                f"CUDA graphs are off until the program ends, because {reason}. All works without "
                "them, with the same result, but slower."
            )
        return had_graphs

    def _prove(self, graph: _Graph) -> None:
        """Trust a graph that has computed what the plain loop did, else none any more."""
        if self.is_on and graph.n_compared and not graph.is_proven:
            graph.is_proven = graph.is_right()
            if not graph.is_proven:
                self.give_up("one of them computed other values than the plain loop")

    def _find(
        self, function: Function, fixed: Tensors, block: Block, owner: object
    ) -> _Graph | None:
        parts = (*fixed, *block.read, *block.updated, *block.written)
        shapes = tuple(None if part is None else (part.shape, part.dtype) for part in parts)
        key = (getattr(function, "__func__", function), owner, shapes)
        graph = self._graphs.pop(key, None)
        try:
            if graph is None:
                static = iter(self._static([part for part in parts if part is not None]))
                tensors = [None if part is None else next(static) for part in parts]
                graph = _Graph(tensors, len(fixed), block)
                graph.set_fixed(fixed)
                graph.copy_in(block)
                # Not kept: what a function belongs to may be long gone when its graph is dropped.
                graph.replay = self._capture(lambda: function(*tensors))
            graph.set_fixed(fixed)
        except (RuntimeError, MemoryError) as error:
            self.give_up(f"one could not be captured ({_why(error)})")
            return None
        self._graphs[key] = graph
        while len(self._graphs) > self._most:
            self._graphs.popitem(last=False)
        return graph

    def _launch(self, graph: _Graph, block: Block) -> bool:
        """Compute a block in static memory, and return whether that succeeded."""
        if not self.is_on:
            return False
        try:
            graph.copy_in(block)
            graph.replay()
        except (RuntimeError, MemoryError) as error:
            self.give_up(f"one could not be launched ({_why(error)})")
        return self.is_on

    def _static(self, like: Sequence[Tensor]) -> list[Tensor]:
        """Return tensors of these shapes and types in the memory that all graphs share.

        A larger memory takes the place of a smaller one with its graphs, and is at least twice as
        large, which soon is the last time. So it has less than twice what the largest graph needs:
        at the full size, with 32 clips of 192 symbols, 221 MB in float32 and 132 MB in bfloat16.
        """
        sizes = [-(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT for tensor in like]
        if sum(sizes) > len(self._memory):
            self._graphs.clear()
            n_bytes = max(sum(sizes), 2 * len(self._memory))
            with torch.inference_mode(False):
                self._memory = self._memory.new_empty(n_bytes)
        places = self._memory[: sum(sizes)].split(sizes)
        return [
            place[: tensor.nbytes].view(tensor.dtype).view(tensor.shape)
            for place, tensor in zip(places, like, strict=True)
        ]


class _Graph:
    """A captured function and the static tensors that it computes with.

    Args:
        static: the static tensors, in the order in which the function takes them.
        n_fixed: number of those that are the same for all blocks of a loop.
        like: a block of that shape.
    """

    replay: Callable[[], None]

    def __init__(self, static: Tensors, n_fixed: int, like: Block) -> None:
        self._fixed = static[:n_fixed]
        self._inputs = static[n_fixed : len(static) - len(like.written)]
        self._outputs = static[n_fixed + len(like.read) :]
        types = {tensor.dtype for tensor in static if tensor is not None}
        self._tolerance = max(_TOLERANCES.get(dtype, 0.0) for dtype in types)
        self._worst: Tensor | None = None
        self.n_compared = 0
        self.is_proven = False

    def fits(self, block: Block) -> bool:
        """Whether a block has as many steps as the graph."""
        return all(
            static is None or part is None or static.shape == part.shape
            for static, part in zip(self._outputs, (*block.updated, *block.written), strict=True)
        )

    def set_fixed(self, fixed: Tensors) -> None:
        """Copy in what is the same for all blocks of a loop."""
        _copy(fixed, self._fixed)

    def copy_in(self, block: Block) -> None:
        """Copy in what the function reads of a block."""
        _copy((*block.read, *block.updated), self._inputs)

    def copy_out(self, block: Block) -> None:
        """Copy the results to the block's own tensors."""
        _copy(self._outputs, (*block.updated, *block.written))

    def compare(self, block: Block) -> None:
        """Compare the results with those in the block's own tensors, without waiting for a GPU."""
        distances = [
            _distance(ours, plain)
            for ours, plain in zip(self._outputs, (*block.updated, *block.written), strict=True)
            if ours is not None and plain is not None
        ]
        before = [] if self._worst is None else [self._worst]
        self._worst = torch.stack([*before, *distances]).max()
        self.n_compared += 1

    def is_right(self) -> bool:
        """Whether all that was compared was equal."""
        return self._worst is not None and bool(self._worst <= self._tolerance)  # not if NaN


def run_blocks(
    function: Function,
    fixed: Tensors,
    blocks: Iterable[Block],
    graphs: Graphs | None = None,
    owner: object = None,
    n_proofs: int | None = None,
) -> None:
    """Run a function on each block of a loop, one after the other.

    Args:
        function: takes the fixed tensors and a block's, and draws no random numbers.
        fixed: tensors that are the same for all blocks, and not written; also memory to work in,
            which holds anything but what it held before the loop.
        blocks: the blocks, made while the loop runs: the next one is asked for when its predecessor
            is computed. Those of other shapes than the first one's are never captured.
        graphs: run it as a graph; by default plainly.
        owner: whose function it is, if it uses tensors that are not among its arguments, which
            must stay where they are.
        n_proofs: blocks that a new graph must compute beside the plain loop; by default all of the
            first loop.
    """
    if graphs is not None:
        graphs.run(function, fixed, blocks, owner, n_proofs)
        return
    for block in blocks:
        function(*fixed, *block.read, *block.updated, *block.written)


def graphs_for(
    device: torch.device, setting: str, log: Callable[[str], object] = warnings.warn
) -> Graphs | None:
    """Return what runs loops as graphs on a device, or None where they run plainly.

    Args:
        device: where the loops run; only CUDA has graphs.
        setting: 'auto' or 'off'.
        log: takes a message if graphs are given up; by default it becomes a warning.
    """
    if device.type != "cuda" or setting == "off" or device in _given_up:
        return None
    return Graphs(device, log)


def padding(n_symbols: int, graphs: Graphs | None) -> int:
    """Return the number of symbols to pad texts with, so that a few graphs serve all."""
    return -n_symbols % TEXT_BUCKET if graphs is not None and graphs.is_on else 0


def cuda_capture(device: torch.device) -> Capture:
    """Return what captures graphs on a device.

    All share one pool for what they allocate while they compute. That is safe in any order, because
    none of it is used after the launch.
    """
    with torch.cuda.device(device):
        stream, pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()

    def capture(compute: Callable[[], None]) -> Callable[[], None]:
        with torch.cuda.device(device):
            usual = torch.cuda.current_stream()
            try:
                # Libraries allocate workspaces and choose kernels at the first call, which must not
                # be captured.
                stream.wait_stream(usual)
                with torch.cuda.stream(stream):
                    compute()
                usual.wait_stream(stream)
                graph = torch.cuda.CUDAGraph()
                # Other threads, which load or save, may allocate meanwhile. This thread may be that
                # of autograd's backward passes, but a capture begins and ends in the same.
                with torch.cuda.graph(graph, pool, stream, capture_error_mode="thread_local"):
                    compute()
            finally:
                # After an error torch stays on the stream that it captured.
                torch.cuda.set_stream(usual)

        def replay() -> None:
            with torch.cuda.device(device):
                graph.replay()

        return replay

    return capture


def _copy(sources: Tensors, targets: Tensors) -> None:
    pairs = [
        (source, target)
        for source, target in zip(sources, targets, strict=True)
        if source is not None and target is not None
    ]
    if pairs:
        # One launch for several tensors, where torch can.
        torch._foreach_copy_([target for _, target in pairs], [source for source, _ in pairs])


def _distance(ours: Tensor, plain: Tensor) -> Tensor:
    """Return the norm of the difference relative to the plain result's norm.

    Where the plain result is not finite, as at a loss scale that is too high, anything is right.
    """
    beyond = ~torch.isfinite(plain)
    difference = (ours.float() - plain.float()).masked_fill(beyond, 0.0)
    return difference.norm() / plain.float().masked_fill(beyond, 0.0).norm().clamp(min=1e-30)


def _why(error: BaseException) -> str:
    """Return the first line of torch's words, which may be many."""
    return brief((str(error) or type(error).__name__).partition("\n")[0].rstrip("."), 200)
