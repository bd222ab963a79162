"""Operations of a training step for each mel frame: what a GPU must launch, and Python must call.

Counted are the dispatched ATen operations that are not views and do not merely allocate, as the
slope between 40 and 80 frames. The count depends on neither machine nor device.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.report import Report, options
from benchmarks.step import Size, Trainer
from ponytaco.config import Config
from ponytaco.model import recurrence
from ponytaco.presets import preset

_PHASES = {
    "attention loop": (recurrence._AttentionLoop, "forward"),
    "decoder loop": (recurrence._LSTMLoop, "forward"),
    "attention loop, backward": (recurrence._AttentionLoop, "backward"),
    "decoder loop, backward": (recurrence._LSTMLoop, "backward"),
}
_REST = "rest"
_ALLOCATIONS = ("empty", "detach", "resize_")


class OperationCounter(TorchDispatchMode):
    """Counts operations by phase."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._phase = _REST

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        aliases = [returned.alias_info for returned in function._schema.returns]
        is_view = any(alias is not None and not alias.is_write for alias in aliases)
        if not is_view and not any(name in function.__name__ for name in _ALLOCATIONS):
            self.counts[self._phase] += 1
        return function(*args, **(kwargs or {}))

    @contextlib.contextmanager
    def by_phase(self) -> Iterator[None]:
        """Count the loops' operations apart."""
        with contextlib.ExitStack() as stack:
            for name, (owner, method) in _PHASES.items():
                counted = staticmethod(self._in_phase(name, getattr(owner, method)))
                stack.enter_context(mock.patch.object(owner, method, counted))
            yield

    def _in_phase(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self._phase = name
            try:
                return function(*args)
            finally:
                self._phase = _REST

        return counted


def operations_per_frame(config: Config, refresh: bool = False) -> dict[str, float]:
    """Count a training step's operations for each mel frame, by phase.

    Args:
        config: the model's and the training's settings.
        refresh: whether the step refreshes the gradient-adaptive factor.
    """
    few, many = (_operations(config, frames, refresh) for frames in (40, 80))
    return {phase: (many[phase] - few[phase]) / 40 for phase in (*_PHASES, _REST)}


def _operations(config: Config, frames: int, refresh: bool) -> Counter[str]:
    trainer = Trainer(config, Size(2, 20, frames))
    trainer.step()  # the first one also makes the optimizer's state
    counter = OperationCounter()
    with counter.by_phase(), counter:
        trainer.step(refresh)
    return counter.counts


def main() -> None:
    """Print the numbers."""
    arguments = options(__doc__).parse_args()
    report = Report("benchmarks.operations", "Operations of a training step for each mel frame")
    full = preset("full")
    report.log(
        f"{sum(operations_per_frame(full).values()):.1f} operations a frame, forward and backward "
        "together, at the full size in float32."
    )
    report.log(__doc__.partition("\n\n")[2].strip().replace("\n", " "))
    variants = {
        "full": (full, False),
        "full, refreshing the factor": (full, True),
        "full, plain head": (full.replace(head="plain"), False),
        "full, r = 2": (full.replace(n_frames_per_step=2), False),
        "full, r = 2, plain head": (full.replace(n_frames_per_step=2, head="plain"), False),
        "full, bfloat16": (full.replace(precision="bfloat16"), False),
        "small": (preset("small"), False),
    }
    rows = []
    for name, (config, refresh) in variants.items():
        counts = operations_per_frame(config, refresh)
        rows.append((name, sum(counts.values()), *counts.values()))
    report.table(("model", "all", *_PHASES, _REST), rows)
    if arguments.save:
        report.save()


if __name__ == "__main__":
    main()
