"""``ponytaco speak``: speak a text, or a file of lines, with a trained voice."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponytaco.cli.options import positive, rate

if TYPE_CHECKING:
    from ponytaco.speech import Delivery, Sentence, Speech
    from ponytaco.synthesis import Voice


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers, whose type is private."""
    parser = commands.add_parser("speak", help="speak a text with a trained voice")
    parser.description = (
        "Speak a text with a trained voice. Pronunciations stand in braces, {HH AH0 L OW1}, and "
        "styles in brackets: [happy]."
    )
    parser.set_defaults(command=_run, parser=parser)
    parser.add_argument("run", type=Path, help="a run's folder, or a checkpoint")
    parser.add_argument("text", nargs="?", help="what to say; '-' reads it from standard input")
    where = parser.add_argument_group("where to")
    where.add_argument("-o", "--out", type=Path, help="wav to write (out.wav)")
    where.add_argument("--file", type=Path, help="speak every line of this file into its own wav")
    where.add_argument("--out-dir", type=Path, help="folder for the lines' wavs; made if missing")
    where.add_argument("--picture", type=Path, help="also draw the first attention, as PNG")
    where.add_argument("--json", action="store_true", help="print a report as json, nothing else")
    manner = parser.add_argument_group("how")
    manner.add_argument("--style", default="", help="a style by its name; it can change: [sad]")
    manner.add_argument("--best-of", type=int, default=1, help="use the best of so many takes (1)")
    manner.add_argument(
        "--retries", type=int, default=2, help="try a line that failed so often again (2)"
    )
    manner.add_argument("--speed", type=positive, default=1.0, help="0.5 to 2, at the same pitch")
    manner.add_argument("--pause", type=float, default=1.0, help="longer or shorter pauses (1)")
    manner.add_argument("--seed", type=int, default=1234, help="another one sounds a bit different")
    manner.add_argument(
        "--dictionary", type=Path, action="append", default=[], metavar="FILE",
        help="pronunciations in CMUdict's form; may be given several times, the first one counts",
    )  # fmt: skip
    manner.add_argument("--vocoder", default="griffin_lim", help="its name or file (griffin_lim)")
    manner.add_argument(
        "--gate-threshold", type=rate, default=0.5, help="gate at which a sentence ends (0.5)"
    )
    manner.add_argument(
        "--max-seconds", type=positive, default=0.0, help="cut a sentence here (by its length)"
    )
    manner.add_argument(
        "--max-symbols", type=int, default=0,
        help="cut longer sentences at commas or words (the longest text it has learnt)",
    )  # fmt: skip
    manner.add_argument("--device", default="cpu", help="'cpu', 'cuda' or 'auto' (cpu)")
    manner.add_argument(
        "--weights",
        choices=("auto", "float32", "float16", "bfloat16", "int8"),
        default="auto",
        help="'auto' is the fastest that sounds the same; 'int8' is faster still on a CPU (auto)",
    )


def _run(arguments: argparse.Namespace) -> int:
    _refuse_contradictions(arguments)
    from ponytaco.audio import check_wav_path, save_wav
    from ponytaco.device import choose_device
    from ponytaco.speech import Delivery
    from ponytaco.synthesis import Voice

    delivery = Delivery(
        style=arguments.style,
        best_of=arguments.best_of,
        retries=arguments.retries,
        speed=arguments.speed,
        pause=arguments.pause,
        gate_threshold=arguments.gate_threshold,
        max_seconds=arguments.max_seconds,
        seed=arguments.seed,
    )
    # What can be wrong with the places and the text is said before the voice is loaded.
    out = None if arguments.file else check_wav_path(arguments.out or Path("out.wav"))
    text = _text(arguments)
    voice = Voice(
        arguments.run,
        arguments.vocoder,
        choose_device(arguments.device),
        arguments.weights,
        arguments.dictionary,
        arguments.max_symbols,
    )
    for note in voice.notes:
        print(f"ponytaco: {note}", file=sys.stderr)
    if out is None:
        return _speak_file(arguments, voice, text, delivery)
    first: list[Sentence] = []  # a long text keeps no attention, but hands it out
    speech = voice.speak(
        text, delivery, on_sentence=lambda sentence: first.append(sentence) if not first else None
    )
    save_wav(out, speech.waveform, speech.sample_rate)
    if arguments.picture:
        _draw(first[0], arguments.picture)
    if arguments.json:
        _print_json(voice, [_entry(text, out, speech)])
    else:
        print(f"{out}: {speech.seconds:.1f} s, spoken by {voice.path} (step {voice.step:,}).")
    _warn(speech)
    return 0


def _refuse_contradictions(arguments: argparse.Namespace) -> None:
    problem = ""
    if (arguments.text is None) == (arguments.file is None):
        problem = "give either a text or --file"
    elif arguments.file and not arguments.out_dir:
        problem = "--file needs --out-dir, a folder for the wavs"
    elif arguments.file and (arguments.out or arguments.picture):
        problem = "--file writes into --out-dir, not to --out or --picture"
    elif arguments.out_dir and not arguments.file:
        problem = "--out-dir is for --file; a text goes to --out"
    if problem:
        arguments.parser.error(problem)


def _text(arguments: argparse.Namespace) -> str:
    from ponytaco.lines import decode_text, read_text_file

    if arguments.file:
        return read_text_file(arguments.file)
    if arguments.text != "-":
        return arguments.text
    binary = getattr(sys.stdin, "buffer", None)  # what a caller put in its place may lack it
    return sys.stdin.read() if binary is None else decode_text(binary.read(), "Standard input")


def _speak_file(arguments: argparse.Namespace, voice: Voice, text: str, delivery: Delivery) -> int:
    """Speak every line; 1 if some could not be spoken."""
    from ponytaco.audio import save_wav
    from ponytaco.lines import lines_of, speak_lines
    from ponytaco.text import TextError

    lines = lines_of(text)
    arguments.out_dir.mkdir(parents=True, exist_ok=True)
    entries = []
    n_left_out = 0
    for line in speak_lines(voice, lines, delivery):
        if isinstance(line.result, TextError):
            n_left_out += 1
            print(f"ponytaco: line {line.number} is left out: {line.result}", file=sys.stderr)
            entries.append({"text": line.text, "file": None, "error": str(line.result)})
            continue
        out = arguments.out_dir / line.file_name
        save_wav(out, line.result.waveform, line.result.sample_rate)
        entries.append(_entry(line.text, out, line.result))
        if not arguments.json:
            print(f"{out}: {line.result.seconds:.1f} s")
        _warn(line.result, f"line {line.number}: ")
    if arguments.json:
        _print_json(voice, entries)
    else:
        print(
            f"{len(lines) - n_left_out} of {len(lines)} lines, spoken by {voice.path} "
            f"(step {voice.step:,})."
        )
    return 1 if n_left_out else 0


def _draw(sentence: Sentence, path: Path) -> None:
    from ponytaco.plots import plot_alignment

    assert sentence.alignment is not None  # as it was handed out
    plot_alignment(sentence.alignment, str(sentence.score)).savefig(path, format="png")


def _warn(speech: Speech, where: str = "") -> None:
    for warning in _warnings(speech):
        print(f"ponytaco: {where}{warning}", file=sys.stderr)


def _warnings(speech: Speech) -> Iterator[str]:
    yield from speech.warnings
    if speech.spelled:
        yield f"Found in no dictionary and read by their letters: {', '.join(speech.spelled)}."


def _entry(text: str, path: Path, speech: Speech) -> dict[str, Any]:
    return {"text": text, "file": str(path), **speech.report()}


def _print_json(voice: Voice, entries: list[dict[str, Any]]) -> None:
    report = {"voice": str(voice.path), "step": voice.step, "notes": voice.notes, "texts": entries}
    print(json.dumps(report, indent=2))
