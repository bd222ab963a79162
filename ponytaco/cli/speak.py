"""``ponytaco speak``: speak a text with a trained voice."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ponytaco.cli.options import positive, rate


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("speak", help="speak a text with a trained voice")
    parser.description = "Speak a text with a trained voice."
    parser.set_defaults(command=_run)
    parser.add_argument("run", type=Path, help="a run's folder, or a checkpoint")
    parser.add_argument("text", help="what to say; '-' reads it from standard input")
    parser.add_argument("-o", "--out", type=Path, default=Path("out.wav"), help="wav to write")
    parser.add_argument("--picture", type=Path, help="also draw the attention, as PNG")
    parser.add_argument("--seed", type=int, default=1234, help="another one sounds a bit different")
    parser.add_argument(
        "--gate-threshold", type=rate, default=0.5, help="gate at which a sentence ends (0.5)"
    )
    parser.add_argument(
        "--max-seconds", type=positive, default=0.0, help="cut a sentence here (by its length)"
    )
    parser.add_argument("--device", default="cpu", help="'cpu', 'cuda' or 'auto' (cpu)")
    parser.add_argument(
        "--weights",
        choices=("auto", "float32", "float16", "bfloat16", "int8"),
        default="auto",
        help="'auto' is the fastest that sounds the same; 'int8' is faster still on a CPU (auto)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.audio import save_wav
    from ponytaco.plots import plot_alignment
    from ponytaco.synthesis import Voice
    from ponytaco.training import choose_device

    text = sys.stdin.read() if arguments.text == "-" else arguments.text
    voice = Voice(
        arguments.run, device=choose_device(arguments.device), weight_type=arguments.weights
    )
    speech = voice.speak(
        text,
        gate_threshold=arguments.gate_threshold,
        max_seconds=arguments.max_seconds,
        seed=arguments.seed,
    )
    save_wav(arguments.out, speech.waveform, speech.sample_rate)
    print(f"{arguments.out}: {speech.seconds:.1f} s, spoken by {voice.path} (step {voice.step:,}).")
    if arguments.picture:
        first = speech.sentences[0]
        plot_alignment(first.alignment, str(first.score)).savefig(arguments.picture, format="png")
    for warning in speech.warnings:
        print(f"ponytaco: {warning}", file=sys.stderr)
    if speech.spelled:
        print(f"Not in the voice's lexicon: {', '.join(speech.spelled)}.", file=sys.stderr)
    return 0
