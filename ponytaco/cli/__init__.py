"""The command line: ``ponytaco train | speak | evaluate | movie | …``, a file for each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from data_prep.__main__ import add_commands as add_data_prep
from ponytaco import __version__
from ponytaco.cli import (
    bench,
    evaluate,
    export,
    fetch,
    import_voice,
    mels,
    movie,
    read,
    speak,
    train,
)
from ponytaco.cli.parser import Parser
from ponytaco.errors import PonytacoError, disk_problem
from ponytaco.printable import say

# What the commands need besides is imported when they run, because torch takes seconds to load
# and ``--help`` should not.

_JOURNEY = (
    ("Get clips ready", (add_data_prep,)),
    ("Train", (train.add_to, movie.add_to, bench.add_to)),
    ("Speak", (speak.add_to, read.add_to, evaluate.add_to)),
    ("Share", (export.add_to, import_voice.add_to, mels.add_to, fetch.add_to)),
)
_EXAMPLE = """\
From an archive to a voice:
  ponytaco prepare Zecora.tar data/Zecora
  ponytaco train data/Zecora runs/Zecora
  ponytaco speak runs/Zecora "Hello, everypony!" -o hello.wav
  ponytaco evaluate runs/Zecora
  ponytaco export runs/Zecora --to bundle -o Zecora.voice
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``ponytaco``; the process's own if left out.

    Returns:
        0 when done, 1 after an error that a user can fix, explained in one sentence on stderr,
        130 after Ctrl-C.
    """
    # Waiting threads give their core away soon: spinning ones slow a busy machine tenfold. OpenMP
    # reads this when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    parser = _parser()
    arguments, beyond = parser.parse_known_args(argv)
    if arguments.command is speak.run:
        beyond = speak.take_up(arguments, beyond)
    if beyond:
        parser.error(arguments.parser.unrecognized(beyond))
    try:
        return arguments.command(arguments)
    except KeyboardInterrupt:
        say("ponytaco: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except (PonytacoError, OSError) as error:
        # Whatever else is raised is a bug in ponytaco, worth its traceback.
        first, *more = _lines(error)
        say(f"ponytaco: {first}", *more, file=sys.stderr)
        return 1


def _lines(error: PonytacoError | OSError) -> list[str]:
    if isinstance(error, PonytacoError):
        return error.lines or [type(error).__name__]
    if error.filename and error.strerror:
        return [f"{error.filename}: {disk_problem(error)}"]
    return [str(error)]


class _Group:
    """argparse's subparsers, which have no groups: this collects the lines of one."""

    def __init__(self, commands: Any, title: str) -> None:
        self._commands = commands
        self.lines = [f"{title}:"]

    def add_parser(self, name: str, **texts: Any) -> argparse.ArgumentParser:
        self.lines.append(f"  {name:<10}{texts['help']}")
        parser = self._commands.add_parser(name, **texts)
        parser.set_defaults(parser=parser)
        return parser


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ponytaco",
        usage="ponytaco COMMAND [options]   (ponytaco COMMAND --help explains one)",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ponytaco {__version__}")
    commands = parser.add_subparsers(
        required=True, prog="ponytaco", metavar="COMMAND", help=argparse.SUPPRESS
    )
    description = ["A character's voice from a few minutes of clips."]
    for title, added in _JOURNEY:
        group = _Group(commands, title)
        for add_to in added:
            add_to(group)
        description += ["", *group.lines]
    parser.description = "\n".join(description)
    return parser
