"""``ponytaco mels``: write a voice's mels of its training clips, to fine-tune a vocoder on."""

from __future__ import annotations

import argparse
import shlex
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
    if written.n_left_out:
        say(f"{written.n_left_out} clips are too short for HiFi-GAN, and left out.")
    options: dict[str, str | Path] = {
        "fine_tuning": "True",
        "config": "config_v1.json",
        "checkpoint_path": "FOLDER",
        "input_wavs_dir": written.wavs,
        "input_mels_dir": written.folder,
        "input_training_file": written.training_list,
        "input_validation_file": written.validation_list,
    }
    words = [f"--{name} {shlex.quote(_absolute(value))}" for name, value in options.items()]
    say(
        "In HiFi-GAN's folder:",
        f"  python train.py {' '.join(words)}",
        "FOLDER must hold both files of the HiFi-GAN to begin with, g_… and do_… of the same step: "
        "without do_…, the discriminators and the optimizer, it begins from nothing. "
        "config_v1.json is the one that was published with it.",
    )
    return 0


def _absolute(value: str | Path) -> str:
    return str(value.resolve()) if isinstance(value, Path) else value
