"""``ponytaco train``: train a voice, or resume its training."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponytaco import config, presets
from ponytaco.config import Config, ConfigError
from ponytaco.io.names import as_argument
from ponytaco.printable import say
from ponytaco.runs.folder import Run

if TYPE_CHECKING:
    from ponytaco.training.distributed import Ranks
    from ponytaco.training.validation import Validation


_NO_EVENTS = "TensorBoard's files could not be written"
_METAVARS = {"int": "N", "float": "X", "bool": "BOOL", "str": "NAME"}


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("train", help="train a voice, or resume its training")
    parser.description = (
        "Train a voice. Ctrl-C saves, and the same command again resumes. Settings come from a "
        "preset, then from --config, then from options and --set. On several GPUs: torchrun "
        "--nproc_per_node=N -m ponytaco train …"
    )
    parser.epilog = "Example: ponytaco train data/Zecora runs/Zecora --preset small"
    # Sixty settings would bury an error's sentence.
    parser.usage = "ponytaco train DATASET [DATASET ...] RUN [options]   (--help lists them)"
    parser.set_defaults(command=_run)
    parser.add_argument(
        "datasets",
        type=Path,
        nargs="+",
        metavar="DATASET",
        help="a dataset folder that `ponytaco prepare` wrote; several make one voice",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder; made if missing")
    parser.add_argument(
        "--preset",
        choices=presets.PRESETS,
        metavar="NAME",
        help="settings to begin with: "
        f"{', '.join(f'{name} ({doc})' for name, doc in presets.PRESET_DOCS.items())} "
        "(full; a run that is resumed keeps its own)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings from a recipe in TOML, or from another run's folder or config.json (none)",
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
        help="change a setting; repeat it for several",
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="train the run even if another session still does; that one then stops by itself",
    )
    parser.add_argument(
        "--tensorboard", type=Path, metavar="FOLDER", help="for TensorBoard's event files (none)"
    )
    group = parser.add_argument_group("settings", "each also as --set NAME=VALUE")
    for name, kind, default, doc in config.describe():
        group.add_argument(
            "--" + name.replace("_", "-"),
            dest=f"setting_{name}",
            metavar=_METAVARS[kind],
            help=(f"{doc} ({default})" if default != "" else doc).replace("%", "%%"),
        )


def _run(arguments: argparse.Namespace) -> int:
    from ponytaco.device import is_on_gpu
    from ponytaco.training.distributed import joined

    run_config = _config(arguments)
    with joined(is_on_gpu(run_config.train.device)) as ranks:
        _train(arguments, run_config, ranks)
    return 0


def _train(arguments: argparse.Namespace, run_config: Config, ranks: Ranks) -> None:
    from ponytaco.training.interrupts import BestEffort, safe_log
    from ponytaco.training.loop import train
    from ponytaco.training.metrics import StepReport

    log = safe_log(say)
    best_effort = BestEffort(log)
    event_log = None
    if arguments.tensorboard and ranks.is_first:
        from ponytaco.training.tensorboard import EventLog

        event_log = EventLog(arguments.tensorboard)

    def on_step(report: StepReport) -> None:
        if event_log:
            best_effort(_NO_EVENTS, event_log.on_step, report)
        losses = report.losses
        parts = [f"{name} {losses[name]:.3f}" for name in ("loss", "mel_postnet", "gate", "mi",
                 "gaf", "guidance") if name in losses]  # fmt: skip
        log(
            f"step {report.step:>6,}  epoch {report.epoch:>3}  {report.seconds_per_step:.2f} s/step"
            f"  {'  '.join(parts)}"
        )

    def on_validation(validation: Validation) -> None:
        if event_log:
            best_effort(_NO_EVENTS, event_log.on_validation, validation)
        for line in validation_lines(validation):
            log(line)

    try:
        result = train(
            arguments.datasets,
            Run(arguments.run),
            run_config,
            ranks=ranks,
            warm_start_from=arguments.warm_start,
            log=log,
            on_step=on_step,
            on_validation=on_validation,
            take_over=(lambda: True) if arguments.take_over else None,
        )
    finally:
        if event_log:
            best_effort(_NO_EVENTS, event_log.close)
    if ranks.is_first and result.finished:
        for line in _what_next(arguments, result.step):
            log(line)


def validation_lines(validation: Validation) -> list[str]:
    """Describe a validation in two lines, or three if it was listened to."""
    free = validation.free
    verdict = free.verdict
    if validation.teacher_forced.aligned and not free.aligned:
        verdict = "aligned only when fed the true frames"
    return [
        f"validation at step {validation.step:,}: {verdict}, voice {validation.score:.2f} of 1, "
        f"loss {validation.loss:.3f}",
        f"  {free.numbers}",
        *([f"  {validation.heard}"] if validation.heard else []),
    ]


def _what_next(arguments: argparse.Namespace, step: int) -> list[str]:
    run = shlex.quote(as_argument(arguments.run))
    as_option = arguments.setting_max_steps is not None
    more = f"--max-steps {2 * step}" if as_option else f"--set max_steps={2 * step}"
    return [
        f'Next:  ponytaco speak {run} "Hello there!" -o hello.wav',
        f"       ponytaco evaluate {run}",
        f"To train longer, give the same command with {more}",
    ]


def _config(arguments: argparse.Namespace) -> Config:
    settings = {
        name.removeprefix("setting_"): value
        for name, value in vars(arguments).items()
        if name.startswith("setting_") and value is not None
    }
    both = settings.keys() & (pairs := config.parse_settings(arguments.settings)).keys()
    if both:
        raise ConfigError(f"{sorted(both)[0]} is set twice: as an option and with --set.")
    run = Run(arguments.run)
    if arguments.config:
        base = presets.read_config(arguments.config, arguments.preset)
    elif arguments.preset is None and (run.resumable or run.config.is_file()):
        from ponytaco.training.resume import own_config

        base = own_config(run, say)
    else:
        base = presets.preset(arguments.preset or presets.DEFAULT)
    return base.replace(**settings, **pairs)
