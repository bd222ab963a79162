"""The command line: ``ponytaco train | speak | evaluate | movie``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ponytaco import __version__, config
from ponytaco.config import Config, ConfigError

# What these commands need besides is imported by them, because torch takes seconds to load and
# ``--help`` should not.


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``ponytaco``; the process's own if left out.

    Returns:
        0 when done, 1 after an error that was said in one sentence.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except KeyboardInterrupt:
        print("ponytaco: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except (ValueError, OSError) as error:
        # Every error of ours is a ValueError whose text says what, where and what next; an
        # OSError is the machine's (disk full, no permission) and names its file.
        if type(error) in (ValueError, UnicodeError):
            raise  # not one of ours: a mistake in this program, worth its traceback
        print(f"ponytaco: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ponytaco", description="A character's voice from a few minutes of clips."
    )
    parser.add_argument("--version", action="version", version=f"ponytaco {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a voice, or go on training it"))
    _add_speak(commands.add_parser("speak", help="speak a text with a trained voice"))
    _add_evaluate(commands.add_parser("evaluate", help="score a trained voice"))
    _add_movie(commands.add_parser("movie", help="show how a run's attention grew"))
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a voice. The same command again goes on where the run left off; Ctrl-C saves."
    )
    parser.set_defaults(command=_train)
    parser.add_argument("dataset", type=Path, help="a prepared character (python -m data_prep)")
    parser.add_argument("run", type=Path, help="the run's folder, made when missing")
    parser.add_argument(
        "--preset", choices=config.PRESETS, default="full", help="settings to begin with (full)"
    )
    parser.add_argument(
        "--warm-start", type=Path, metavar="FILE", help="begin with another model's weights"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="change a setting; as often as needed",
    )
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="write event files too")
    group = parser.add_argument_group("settings", "each also as --set name=value")
    for name, kind, default, doc in config.describe():
        group.add_argument(
            "--" + name.replace("_", "-"),
            dest=f"setting_{name}",
            metavar=kind.upper(),
            help=f"{doc} ({default})".replace("%", "%%"),
        )


def _add_speak(parser: argparse.ArgumentParser) -> None:
    parser.description = "Speak a text with a trained voice."
    parser.set_defaults(command=_speak)
    parser.add_argument("run", type=Path, help="a run's folder, or a checkpoint")
    parser.add_argument("text", help="what to say; '-' reads it from standard input")
    parser.add_argument("-o", "--out", type=Path, default=Path("out.wav"), help="wav to write")
    parser.add_argument("--picture", type=Path, help="also draw the attention, as PNG")
    parser.add_argument("--seed", type=int, default=1234, help="another one sounds a bit different")
    parser.add_argument(
        "--gate-threshold", type=_rate, default=0.5, help="gate at which a sentence ends (0.5)"
    )
    parser.add_argument(
        "--max-seconds", type=_positive, default=0.0, help="cut a sentence here (by its length)"
    )
    parser.add_argument("--device", default="cpu", help="'cpu', 'cuda' or 'auto' (cpu)")
    parser.add_argument(
        "--weights",
        choices=("float32", "bfloat16", "int8"),
        default="float32",
        help="shorter ones speak faster on a CPU and sound nearly the same (float32)",
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.description = "Score a trained voice on its validation clips."
    parser.set_defaults(command=_evaluate)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--data", type=Path, help="the data set; where it was trained if left out")
    parser.add_argument("--device", default="auto", help="'auto', 'cpu', 'cuda' (auto)")


def _add_movie(parser: argparse.ArgumentParser) -> None:
    parser.description = "Make an animated GIF of a run's validation pictures."
    parser.set_defaults(command=_movie)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("-o", "--out", type=Path, help="GIF to write (RUN/alignment.gif)")


def _train(arguments: argparse.Namespace) -> int:
    from ponytaco.run import Run
    from ponytaco.training import StepReport, train
    from ponytaco.validation import Validation

    run, run_config = Run(arguments.run), _config(arguments)
    log = None
    if arguments.tensorboard:
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
            f"validation at step {validation.step:,}: loss {validation.loss:.3f}; fed the true "
            f"frames: {validation.teacher_forced}; speaking freely: {validation.free}",
            flush=True,
        )

    try:
        train(
            arguments.dataset,
            run,
            run_config,
            warm_start_from=arguments.warm_start,
            on_step=on_step,
            on_validation=on_validation,
        )
    finally:
        if log:
            log.close()
    return 0


def _speak(arguments: argparse.Namespace) -> int:
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


def _evaluate(arguments: argparse.Namespace) -> int:
    from ponytaco.evaluation import evaluate
    from ponytaco.run import Run

    result = evaluate(Run(arguments.run), arguments.data, arguments.device)
    validation = result.validation
    print(
        f"Step {validation.step:,}, {result.n_clips} validation clips: loss {validation.loss:.3f}."
    )
    print(f"Fed the true frames: {validation.teacher_forced}.")
    print(f"Speaking freely: {validation.free}; {validation.stopped:.0%} came to an end.")
    print(f"Written to {result.report}.")
    return 0


def _movie(arguments: argparse.Namespace) -> int:
    from ponytaco.movie import make_movie
    from ponytaco.run import Run

    print(f"{make_movie(Run(arguments.run), arguments.out)}: how the attention grew.")
    return 0


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


def _rate(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie from 0 to 1")
    return value


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None


if __name__ == "__main__":
    raise SystemExit(main())
