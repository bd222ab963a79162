"""``ponytaco fetch``: download published weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ponytaco.io.pretrained import PUBLISHED
from ponytaco.printable import say


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("fetch", help="download published weights")
    parser.description = (
        "Download published weights, once: the vocoders HiFi-GAN and WaveGlow, or NVIDIA's "
        "Tacotron 2 for a warm start."
    )
    parser.epilog = "Example: ponytaco fetch hifigan"
    parser.set_defaults(command=_run)
    parser.add_argument(
        "name",
        choices=tuple(PUBLISHED),
        metavar="NAME",
        help=f"what to download: {', '.join(PUBLISHED)}",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER", help="where to keep them (~/.cache/ponytaco)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.io.pretrained import fetch

    say(fetch(arguments.name, arguments.out))
    return 0
