"""``ponytaco movie``: show how attention learnt, as a GIF."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ponytaco.printable import say


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("movie", help="show how attention learnt, as a GIF")
    parser.description = "Make an animated GIF of the attention pictures of a run's validations."
    parser.epilog = "Example: ponytaco movie runs/Zecora"
    parser.set_defaults(command=_run)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="the GIF to write (RUN/alignment.gif)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.runs.folder import Run
    from ponytaco.runs.movie import make_movie

    say(f"{make_movie(Run(arguments.run), arguments.out)}: how attention learnt.")
    return 0
