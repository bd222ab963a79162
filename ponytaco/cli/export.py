"""``ponytaco export``: share a voice, or convert it for another program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ponytaco.formatting import file_size
from ponytaco.io.names import safe_name
from ponytaco.printable import say

# What is added to the voice's name where no --out is given.
_ENDINGS = {"bundle": ".voice", "nvidia": ".pt", "torch-export": "_programs"}


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("export", help="share a voice, or convert it for another program")
    parser.description = (
        "Make one small file to share (bundle), weights for NVIDIA's code, FakeYou and uberduck "
        "(nvidia), or programs that run without ponytaco (torch-export)."
    )
    parser.epilog = "Example: ponytaco export runs/Zecora --to bundle -o Zecora.voice"
    parser.set_defaults(command=_run)
    parser.add_argument(
        "voice", type=Path, metavar="VOICE", help="a run's folder, a checkpoint or X.voice"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--to",
        choices=_ENDINGS,
        metavar="KIND",
        help="what to make: bundle, nvidia or torch-export",
    )
    what.add_argument("--show", action="store_true", help="show a voice's card")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="what to write (the voice's name, here)"
    )
    group = parser.add_argument_group("the card of a bundle")
    group.add_argument("--name", default="", metavar="NAME", help="the voice's name (the folder's)")
    group.add_argument("--licence", default="", metavar="TEXT", help="what others may do with it")
    group.add_argument("--note", default="", metavar="TEXT", help="a note to whoever gets it")


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.export.bundle import export_bundle, open_voice
    from ponytaco.export.card import card_text, model_card, voice_name
    from ponytaco.export.nvidia import export_nvidia
    from ponytaco.export.torch_export import export_programs

    source: Path = arguments.voice
    given = {name: getattr(arguments, name) for name in ("name", "licence", "note")}
    if arguments.show:
        say(*card_text(model_card(open_voice(source), source, **given)).split("\n"))
        return 0
    name = safe_name(arguments.name or voice_name(source), any_letters=True)
    out = arguments.out or Path(f"{name}{_ENDINGS[arguments.to]}")
    if arguments.to == "bundle":
        exported = export_bundle(source, out, **given)
        say(*card_text(open_voice(out).card or {}).split("\n"))
    elif arguments.to == "nvidia":
        exported = export_nvidia(source, out)
    else:
        exported = export_programs(source, out)
    files = [path for path in (out, *out.glob("*")) if path.is_file()]
    size = file_size(sum(path.stat().st_size for path in files))
    say(f"{out}: {size}, from {source}.")
    for remark in exported.remarks:
        say(f"Note: {remark}")
    return 0
