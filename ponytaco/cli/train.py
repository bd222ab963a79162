"""``ponytaco train``: train a voice, or go on training it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponytaco import config
from ponytaco.config import Config, ConfigError

if TYPE_CHECKING:
    from ponytaco.distributed import Ranks


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("train", help="train a voice, or go on training it")
    parser.description = (
        "Train a voice. The same command again goes on where the run left off; Ctrl-C saves. "
        "On several GPUs: torchrun --nproc_per_node=N -m ponytaco.cli train …"
    )
    # Fifty settings would bury an error's sentence.
    parser.usage = "ponytaco train DATASET [DATASET ...] RUN [options]   (--help lists them)"
    parser.set_defaults(command=_run)
    parser.add_argument(
        "datasets",
        type=Path,
        nargs="+",
        metavar="DATASET",
        help="a prepared character (python -m data_prep); several make one voice",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder, made when missing")
    parser.add_argument(
        "--preset",
        choices=config.PRESETS,
        default="full",
        help="settings to begin with. "
        f"{'; '.join(f'{name}: {doc}' for name, doc in config.PRESET_DOCS.items())} (full)",
    )
    parser.add_argument(
        "--warm-start",
        type=Path,
        metavar="VOICE",
        help="begin with another voice: a run's folder, a shared voice, or NVIDIA's weights (none)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="change a setting below; as often as needed",
    )
    parser.add_argument(
        "--tensorboard", type=Path, metavar="FOLDER", help="write event files there, too (none)"
    )
    group = parser.add_argument_group("settings", "each also as --set name=value")
    for name, kind, default, doc in config.describe():
        group.add_argument(
            "--" + name.replace("_", "-"),
            dest=f"setting_{name}",
            metavar=kind.upper(),
            help=f"{doc} ({default})".replace("%", "%%"),
        )


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.device import is_on_gpu
    from ponytaco.distributed import joined

    run_config = _config(arguments)
    with joined(is_on_gpu(run_config.train.device)) as ranks:
        _train(arguments, run_config, ranks)
    return 0


def _train(arguments: argparse.Namespace, run_config: Config, ranks: Ranks) -> None:
    from ponytaco.device import is_on_gpu
    from ponytaco.run import Run
    from ponytaco.tally import StepReport
    from ponytaco.training import train
    from ponytaco.validation import Validation

    run = Run(arguments.run)
    on_gpu = is_on_gpu(run_config.train.device)
    if ranks.is_first and arguments.preset in ("full", "warm", "gradual") and not on_gpu:
        print("No GPU was found, and this size takes a processor days. For a smaller voice: press "
              "Ctrl-C, add --preset small, and give a new folder.")  # fmt: skip
    log = None
    if arguments.tensorboard and ranks.is_first:
        from ponytaco.tensorboard import EventLog

        log = EventLog(arguments.tensorboard, run)

    def on_step(report: StepReport) -> None:
        if log:
            log.on_step(report)
        losses = report.losses
        parts = [f"{name} {losses[name]:.3f}" for name in ("loss", "mel_postnet", "gate", "mi",
                 "gaf", "guidance") if name in losses]  # fmt: skip
        print(
            f"step {report.step:>6,}  epoch {report.epoch:>3}  {report.seconds_per_step:.2f} s/step"
            f"  {'  '.join(parts)}",
            flush=True,
        )

    def on_validation(validation: Validation) -> None:
        if log:
            log.on_validation(validation)
        print(
            f"validation at step {validation.step:,}: voice {validation.score:.2f} of 1, loss "
            f"{validation.loss:.3f}; fed the true frames: {validation.teacher_forced}; speaking "
            f"freely: {validation.free}",
            flush=True,
        )

    try:
        train(
            arguments.datasets,
            run,
            run_config,
            ranks=ranks,
            warm_start_from=arguments.warm_start,
            on_step=on_step,
            on_validation=on_validation,
        )
    finally:
        if log:
            log.close()


def _config(arguments: argparse.Namespace) -> Config:
    settings = {
        name.removeprefix("setting_"): value
        for name, value in vars(arguments).items()
        if name.startswith("setting_") and value is not None
    }
    both = settings.keys() & (pairs := config.parse_settings(arguments.settings)).keys()
    if both:
        raise ConfigError(f"{sorted(both)[0]} is set twice: as an option and with --set.")
    return config.preset(arguments.preset).replace(**settings, **pairs)
