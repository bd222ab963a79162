"""``ponytaco evaluate``: score a trained voice."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("evaluate", help="score a trained voice")
    parser.description = "Score a trained voice on its validation clips."
    parser.set_defaults(command=_run)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument(
        "--data", type=Path, nargs="+", help="the data sets; where it was trained if left out"
    )
    parser.add_argument("--device", default="auto", help="'auto', 'cpu', 'cuda' (auto)")


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.evaluation import evaluate
    from ponytaco.run import Run

    result = evaluate(Run(arguments.run), arguments.data, arguments.device)
    validation = result.validation
    print(
        f"Step {validation.step:,}, {result.n_clips} validation clips: loss {validation.loss:.3f}."
    )
    print(f"Fed the true frames: {validation.teacher_forced}.")
    print(f"Speaking freely: {validation.free}; {validation.stopped:.0%} came to an end.")
    print(f"Written to {result.report}.")
    return 0
