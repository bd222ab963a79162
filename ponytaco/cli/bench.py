"""``ponytaco bench``: measure how fast this machine trains and speaks."""

from __future__ import annotations

import argparse
from typing import Any

from ponytaco import presets
from ponytaco.cli.options import add_device, positive, whole_within
from ponytaco.printable import say


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("bench", help="measure how fast this machine trains and speaks")
    parser.description = (
        "Measure how fast this machine trains and speaks, with synthetic clips, and estimate how "
        "long training takes."
    )
    parser.epilog = "Example: ponytaco bench --preset small --minutes 1"
    parser.set_defaults(command=_run)
    parser.add_argument(
        "--preset",
        choices=presets.PRESETS,
        metavar="NAME",
        help=f"{', '.join(presets.PRESETS)} (full on a GPU, else small)",
    )
    parser.add_argument(
        "--batch-size", type=whole_within(1, 4096), metavar="N", help="clips per step (preset's)"
    )
    add_device(parser)
    parser.add_argument(
        "--minutes", type=positive, default=1.5, metavar="X", help="how long to measure (1.5)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.device import choose_device
    from ponytaco.evaluation import speed
    from ponytaco.formatting import duration
    from ponytaco.timing import machine

    device = choose_device(arguments.device)
    name = arguments.preset or ("small" if device.type == "cpu" else "full")
    settings = presets.preset(name)
    settings = settings.reduced_to(settings.frames_per_step[-1])  # where most steps are taken
    if arguments.batch_size is not None:
        settings = settings.replace(batch_size=arguments.batch_size)
    for_training, for_speaking = speed.shares(arguments.minutes * 60)
    say(machine(), "")
    say(f"Training with '{name}', {settings.train.batch_size} clips of 4 s a step:")
    say(f"  {'precision':<12}{'s/step':>8}{'memory':>10}   {speed.ADVISED_STEPS:,} steps")
    training = []
    for measured in speed.measure_training(settings, device, for_training):
        memory = "" if measured.peak_gigabytes is None else f"{measured.peak_gigabytes:.1f} GB"
        time = duration(3600 * measured.hours(speed.ADVISED_STEPS))
        say(f"  {measured.precision:<12}{measured.seconds_per_step:>8.2f}{memory:>10}   {time}")
        training.append(measured)

    say("", "Speaking, in seconds of sound a second, without the vocoder:")
    say(f"  {'weights':<12}{'one':>8}{'eight':>10}   sentences at once")
    speaking = []
    for voice in speed.measure_speaking(settings, device, for_speaking):
        say(f"  {voice.weight_type:<12}{voice.times_real:>8.1f}{voice.times_real_batch:>10.1f}")
        speaking.append(voice)
    say("", speed.advice(name, device, training, speaking))
    return 0
