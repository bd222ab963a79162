"""``ponytaco mels``: write a voice's mels of its training clips, to fine-tune a vocoder on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ponytaco.cli.options import add_device
from ponytaco.printable import say


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("mels", help="write a voice's mels, to fine-tune HiFi-GAN on")
    parser.description = (
        "Write ground-truth-aligned mels, which a voice makes of its own clips at their own pace, "
        "and the file lists: HiFi-GAN is fine-tuned on them."
    )
    parser.epilog = "Example: ponytaco mels runs/Zecora"
    parser.set_defaults(command=_run)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="where to (RUN/mels)")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="its dataset folder (the one it was trained on)"
    )
    add_device(parser)


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.export.gta_mels import write_mels
    from ponytaco.runs.folder import Run

    written = write_mels(Run(arguments.run), arguments.out, arguments.data, arguments.device)
    say(f"{written.folder}: {written.n_clips} mels, {written.n_frames:,} frames.")
    say(
        "Give HiFi-GAN's train.py these options:",
        f"  --fine_tuning True --input_wavs_dir {written.wavs} --input_mels_dir {written.folder} "
        f"--input_training_file {written.training_list} "
        f"--input_validation_file {written.validation_list}",
    )
    return 0
