"""``ponytaco mels``: write a voice's mels of its own clips, to fine-tune a vocoder on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("mels", help="write a voice's mels, to fine-tune a vocoder on")
    parser.description = (
        "Write the mels that a voice makes of its own clips, as long as the clips, and lists: what "
        "HiFi-GAN's fine-tuning takes."
    )
    parser.set_defaults(command=_run)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="where to (RUN/mels)")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the data set; where it was trained if left out"
    )
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="'auto', 'cpu', 'cuda' (auto)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.export.gta_mels import write_mels
    from ponytaco.runs.folder import Run

    written = write_mels(Run(arguments.run), arguments.out, arguments.data, arguments.device)
    print(f"{written.folder}: {written.n_clips} mels, {written.n_frames:,} frames.")
    print(
        "HiFi-GAN's train.py takes them so:\n"
        f"  --fine_tuning True --input_wavs_dir {written.wavs} --input_mels_dir {written.folder} "
        f"--input_training_file {written.training_list} "
        f"--input_validation_file {written.validation_list}"
    )
    return 0
