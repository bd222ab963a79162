"""``ponytaco speak``: speak a text, or a file of lines, with a trained voice."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponytaco.cli.options import add_device, text_argument, whole_within, within
from ponytaco.printable import say
from ponytaco.synthesis.options import LIMITS, MAX_SYMBOLS_LIMITS, SpeechOptions

if TYPE_CHECKING:
    from ponytaco.synthesis.result import Sentence, Speech
    from ponytaco.synthesis.voice import Voice


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("speak", help="speak a text with a trained voice")
    parser.description = (
        "Speak a text with a trained voice. Write pronunciations in braces, {HH AH0 L OW1}, and "
        "styles in brackets: [happy]."
    )
    parser.epilog = 'Example: ponytaco speak runs/Zecora "Hello! [sad] Goodbye." -o hello.wav'
    # The list of all options would bury an error's sentence.
    parser.usage = "ponytaco speak VOICE TEXT [options]   (--help lists them)"
    parser.set_defaults(command=run)
    parser.add_argument(
        "voice", type=Path, metavar="VOICE",
        help="a run's folder, a checkpoint, X.voice, or a voice in NVIDIA's layout",
    )  # fmt: skip
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="the text; '-' reads it from standard input"
    )
    where = parser.add_argument_group("output")
    where.add_argument("-o", "--out", type=Path, metavar="FILE", help="the WAV to write (out.wav)")
    where.add_argument(
        "--file", type=Path, metavar="FILE", help="speak each line of a file into its own WAV"
    )
    where.add_argument(
        "--out-dir", type=Path, metavar="FOLDER", help="folder for the WAVs; created if missing"
    )
    where.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw the first sentence's attention, a PNG"
    )
    where.add_argument("--json", action="store_true", help="print nothing but a report in JSON")
    manner = parser.add_argument_group("delivery")
    manner.add_argument(
        "--style", type=_style, default="", metavar="NAME",
        help="the style to begin with, by its name; [sad] in the text changes it",
    )  # fmt: skip
    for name, metavar, text in (
        ("best_of", "N", "takes of each sentence, of which the best is kept"),
        ("retries", "N", "further takes of a sentence whose attention failed"),
        ("speed", "X", "tempo at the same pitch, 0.5 to 2"),
        ("pause", "X", "length of the pauses, 0 to 10 times the usual"),
        ("gate_threshold", "X", "stop probability that ends a sentence, 0 to 1"),
        ("max_seconds", "X", "seconds after which a sentence is cut; 0 derives them from its text"),
    ):
        default = getattr(SpeechOptions, name)
        bounded = whole_within if metavar == "N" else within
        manner.add_argument(
            f"--{name.replace('_', '-')}", type=bounded(*LIMITS[name]), default=default,
            metavar=metavar, help=f"{text} ({default:g})",
        )  # fmt: skip
    manner.add_argument(
        "--max-symbols", type=whole_within(*MAX_SYMBOLS_LIMITS), default=0, metavar="N",
        help="split longer sentences at commas or words (the longest text it was trained on)",
    )  # fmt: skip
    manner.add_argument(
        "--seed", type=whole_within(0, 2**32 - 1), default=1234, metavar="N",
        help="another seed sounds a bit different (1234)",
    )  # fmt: skip
    manner.add_argument(
        "--dictionary", type=Path, action="append", default=[], metavar="FILE",
        help="pronunciations in CMUdict's format; of several the first counts",
    )  # fmt: skip
    manner.add_argument(
        "--vocoder", default="auto", metavar="NAME",
        help="griffin_lim, hifigan, waveglow or a file; 'auto' is the best that is here (auto)",
    )  # fmt: skip
    add_device(manner, "cpu")
    manner.add_argument(
        "--weights", choices=("auto", "float32", "float16", "bfloat16", "int8"), default="auto",
        metavar="TYPE", help="float32, float16 or bfloat16; 'auto' is the fastest that sounds the "
        "same, 'int8' is faster still on a CPU (auto)",
    )  # fmt: skip


def _style(name: str) -> str:
    """Check a style's name before a voice is loaded; whether the voice knows it shows later."""
    from ponytaco.text.styles import StyleError, find_style

    try:
        return find_style(name) if name else ""
    except StyleError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def take_up(arguments: argparse.Namespace, beyond: list[str]) -> list[str]:
    """Take the text from the words that argparse leaves over where options stand before it.

    Returns:
        The words that are still left over.
    """
    if not beyond or any(word.startswith("-") for word in beyond):
        return beyond
    if arguments.text is None and len(beyond) == 1:
        arguments.text = beyond[0]
        return []
    parser: argparse.ArgumentParser = arguments.parser
    text = " ".join(filter(None, [arguments.text, *beyond]))
    parser.error(f'put the text in quotes: ponytaco speak {arguments.voice} "{text}"')


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return 1 if something could not be spoken."""
    _refuse_contradictions(arguments)
    from ponytaco.audio.wav import check_wav_path, save_wav
    from ponytaco.device import choose_device
    from ponytaco.synthesis.voice import Voice
    from ponytaco.vocoders.factory import check_vocoder

    delivery = SpeechOptions(
        style=arguments.style,
        seed=arguments.seed,
        **{name: getattr(arguments, name) for name in LIMITS},
    )
    # Paths and text are checked before the voice is loaded, which takes long.
    out = None if arguments.file else check_wav_path(arguments.out or Path("out.wav"))
    text = _text(arguments)
    check_vocoder(arguments.vocoder)
    voice = Voice(
        arguments.voice,
        arguments.vocoder,
        choose_device(arguments.device),
        arguments.weights,
        arguments.dictionary,
        arguments.max_symbols,
    )
    for note in voice.notes:
        say(f"ponytaco: {note}", file=sys.stderr)
    if out is None:
        return _speak_file(arguments, voice, text, delivery)
    first: list[Sentence] = []  # the speech of a long text keeps no attention
    speech = voice.speak(
        text, delivery, on_sentence=lambda sentence: first.append(sentence) if not first else None
    )
    save_wav(out, speech.waveform, speech.sample_rate)
    if arguments.picture:
        _draw(first[0], arguments.picture)
    if arguments.json:
        _print_json(voice, [_entry(text, out, speech)])
    else:
        say(f"{out}: {speech.seconds:.1f} s, spoken by {voice.path} (step {voice.step:,}).")
    _warn(speech)
    return 0


def _refuse_contradictions(arguments: argparse.Namespace) -> None:
    problem = ""
    if _are_swapped(arguments.voice, arguments.text):
        text = f'"{arguments.voice}"'
        problem = f"the voice comes first: ponytaco speak {arguments.text} {text}"
    elif arguments.text and arguments.text.endswith(".txt") and os.path.isfile(arguments.text):
        problem = f"{arguments.text} is a file: give it with --file, and --out-dir FOLDER"
    elif (arguments.text is None) == (arguments.file is None):
        problem = "give either a text or --file"
    elif arguments.file and not arguments.out_dir:
        problem = "--file needs --out-dir, a folder for the wavs"
    elif arguments.file and (arguments.out or arguments.picture):
        problem = "--file writes into --out-dir: leave out --out and --picture"
    elif arguments.out_dir and not arguments.file:
        problem = "--out-dir is for --file; a text is written to --out"
    elif arguments.picture and arguments.picture.suffix.lower() != ".png":
        problem = f"--picture is a PNG: name it {arguments.picture.with_suffix('.png')}"
    elif arguments.picture and not arguments.picture.parent.is_dir():
        problem = f"--picture: there is no folder {arguments.picture.parent}; make it first"
    if problem:
        arguments.parser.error(problem)


def _are_swapped(voice: Path, text: str | None) -> bool:
    """Tell whether the text names a voice, and the voice nothing."""
    is_voice = text is not None and (os.path.isdir(text) or text.endswith(".voice"))
    return is_voice and not os.path.lexists(voice)


def _text(arguments: argparse.Namespace) -> str:
    from ponytaco.io.text_files import read_text
    from ponytaco.text.errors import TextError

    return read_text(arguments.file, TextError) if arguments.file else text_argument(arguments.text)


def _speak_file(
    arguments: argparse.Namespace, voice: Voice, text: str, delivery: SpeechOptions
) -> int:
    """Speak every line; return 1 if some could not be spoken."""
    from ponytaco.audio.wav import save_wav
    from ponytaco.synthesis.batch import lines_of, speak_lines
    from ponytaco.text.errors import TextError

    lines = lines_of(text)
    arguments.out_dir.mkdir(parents=True, exist_ok=True)
    entries = []
    n_left_out = 0
    for line in speak_lines(voice, lines, delivery):
        if isinstance(line.result, TextError):
            n_left_out += 1
            say(f"ponytaco: line {line.number} left out: {line.result}", file=sys.stderr)
            entries.append({"text": line.text, "file": None, "error": str(line.result)})
            continue
        out = arguments.out_dir / line.file_name
        save_wav(out, line.result.waveform, line.result.sample_rate)
        entries.append(_entry(line.text, out, line.result))
        if not arguments.json:
            say(f"{out}: {line.result.seconds:.1f} s")
        _warn(line.result, f"line {line.number}: ")
    if arguments.json:
        _print_json(voice, entries)
    else:
        say(
            f"{len(lines) - n_left_out} of {len(lines)} lines, spoken by {voice.path} "
            f"(step {voice.step:,})."
        )
    return 1 if n_left_out else 0


def _draw(sentence: Sentence, path: Path) -> None:
    from ponytaco.plotting import plot_alignment

    assert sentence.alignment is not None  # on_sentence gets it always
    plot_alignment(sentence.alignment, str(sentence.score)).savefig(path, format="png")


def _warn(speech: Speech, where: str = "") -> None:
    for warning in _warnings(speech):
        say(f"ponytaco: {where}{warning}", file=sys.stderr)


def _warnings(speech: Speech) -> Iterator[str]:
    from ponytaco.text.pronouncer import guess_note

    yield from speech.warnings
    if speech.guessed:
        yield guess_note(speech.guessed)
    if speech.spelled:
        yield f"Read by their letters: {', '.join(speech.spelled)}."


def _entry(text: str, path: Path, speech: Speech) -> dict[str, Any]:
    return {"text": text, "file": str(path), **speech.report()}


def _print_json(voice: Voice, entries: list[dict[str, Any]]) -> None:
    report = {"voice": str(voice.path), "step": voice.step, "notes": voice.notes, "texts": entries}
    say(*json.dumps(report, indent=2).split("\n"))
