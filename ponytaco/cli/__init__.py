"""The command line: ``ponytaco train | speak | evaluate | movie | …``, a file for each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ponytaco import __version__
from ponytaco.cli import bench, evaluate, export, fetch, mels, movie, speak, train
from ponytaco.errors import PonytacoError

# What the commands need besides is imported when they run, because torch takes seconds to load
# and ``--help`` should not.


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``ponytaco``; the process's own if left out.

    Returns:
        0 when done, 1 after an error that was said in one sentence.
    """
    parser = _parser()
    arguments, beyond = parser.parse_known_args(argv)
    if arguments.command is speak.run:
        beyond = speak.take_up(arguments, beyond)
    if beyond:
        parser.error(f"unrecognized arguments: {' '.join(beyond)}")
    try:
        return arguments.command(arguments)
    except KeyboardInterrupt:
        print("ponytaco: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except (PonytacoError, OSError) as error:
        # Whatever else is raised is a bug in ponytaco, worth its traceback.
        print(f"ponytaco: {_sentence(error)}", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}. Check the name, and the space on the disk."
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ponytaco", description="A character's voice from a few minutes of clips."
    )
    parser.add_argument("--version", action="version", version=f"ponytaco {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (train, speak, evaluate, export, movie, fetch, mels, bench):
        command.add_to(commands)
    return parser
