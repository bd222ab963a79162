"""``ponytaco read``: show what will be said of a text, and why."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ponytaco.cli.options import text_argument
from ponytaco.printable import say


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("read", help="show what will be said of a text")
    parser.description = (
        "Show what will be said of a text, sentence by sentence: numbers and abbreviations in "
        "words, each word's phones and where they come from, and what is unknown. What sounds "
        "wrong can be put into a dictionary."
    )
    parser.epilog = 'Example: ponytaco read "Dr. Whooves paid $5." --model runs/Zecora'
    parser.set_defaults(command=run)
    parser.add_argument(
        "text", nargs="+", metavar="TEXT", help="the text; '-' reads it from standard input"
    )
    parser.add_argument(
        "--model", type=Path, metavar="VOICE",
        help="as this voice reads it; without one as a voice that knows all letters and phones",
    )  # fmt: skip
    parser.add_argument(
        "--dictionary", type=Path, action="append", default=[], metavar="FILE",
        help="pronunciations, HELLO  HH AH0 L OW1 a line; of several the first counts",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ponytaco.text.lexicon import read_dictionary
    from ponytaco.text.reading import describe

    def log(note: str) -> None:
        say(f"ponytaco: {note}", file=sys.stderr)

    text = text_argument(" ".join(arguments.text))
    given = [read_dictionary(dictionary, log) for dictionary in arguments.dictionary]
    if arguments.model:
        from ponytaco.synthesis.voice_text import open_frontend

        frontend = open_frontend(arguments.model, given, log)
    else:
        from ponytaco.text.frontend import english_frontend

        frontend = english_frontend(given)
    say(*describe(frontend.read(text), frontend.symbols))
    return 0
