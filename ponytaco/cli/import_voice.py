"""``ponytaco import``: make a voice of another program one that speaks here."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from ponytaco.config import parse_settings
from ponytaco.formatting import file_size
from ponytaco.io.names import as_argument
from ponytaco.printable import say


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("import", help="bring a voice from another program")
    parser.description = (
        "Make a voice in NVIDIA's layout (its own, FakeYou's, the ancestor's current_model) one of "
        "ponytaco's, which speaks without new training. Sizes are read from the weights; what the "
        "file does not tell is assumed, and said."
    )
    parser.epilog = "Example: ponytaco import tacotron2_statedict.pt LJ.voice"
    parser.set_defaults(command=_run)
    parser.add_argument("file", type=Path, metavar="FILE", help="the other program's checkpoint")
    parser.add_argument("voice", type=Path, metavar="VOICE", help="what to write, as X.voice")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="what the file does not tell, as sample_rate=48000 (22,050 Hz and the rest of "
        "NVIDIA's settings); repeat it for several",
    )  # fmt: skip
    parser.add_argument(
        "--symbols", metavar="NAME",
        help="its symbols: nvidia, seed, cookietts, or a file with one a line (recognised)",
    )  # fmt: skip
    group = parser.add_argument_group("the card of the voice")
    group.add_argument("--name", default="", metavar="NAME", help="the voice's name (the file's)")
    group.add_argument("--licence", default="", metavar="TEXT", help="what others may do with it")
    group.add_argument("--note", default="", metavar="TEXT", help="a note to whoever gets it")


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.checkpoint.importing import import_voice, read_symbols

    out: Path = arguments.voice
    imported = import_voice(
        arguments.file,
        out,
        parse_settings(arguments.settings),
        read_symbols(arguments.symbols) if arguments.symbols else None,
        {name: getattr(arguments, name) for name in ("name", "licence", "note")},
    )
    model = imported.checkpoint.config.model
    say(
        f"{out}: {file_size(out.stat().st_size)}, from {arguments.file} (step "
        f"{imported.checkpoint.run_state.step:,}, {model.head} head)."
    )
    if imported.assumed:
        say(f"Note: {imported.assumed}")
    say(f'Next:  ponytaco speak {shlex.quote(as_argument(out))} "Hello there!" -o hello.wav')
    return 0
