"""Commands `list`, `prepare`, `pack` and `demo`: of `ponytaco`, and of `python -m data_prep`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.folders import PrepareError, explain_os_error
from data_prep.options import ClipOptions
from data_prep.summary import summary, to_listen_to
from ponytaco.errors import PonytacoError
from ponytaco.formatting import and_more, counted, did_you_mean
from ponytaco.io.names import as_argument, safe_name
from ponytaco.printable import ArgumentParser, printable, say

if TYPE_CHECKING:
    from data_prep.dataset_writer import Prepared

# All else is imported when a command runs: numpy and the others would delay `ponytaco --help`.

MOST_SHOWN = 10
"""Left-out recordings that `pack` lists."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; those of the process if None.

    Returns:
        Exit code: 0, or 1 after an error that a user can fix, explained on stderr, or 130 after
        Ctrl-C. Any other error is a bug and keeps its traceback.
    """
    parser = ArgumentParser(
        prog="python -m data_prep",
        description="Turn a character's archive, or your own recordings, into a dataset folder.",
        allow_abbrev=False,
    )
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    arguments = parser.parse_args(argv)
    try:
        return arguments.command(arguments)
    except PonytacoError as error:
        say(*error.lines, file=sys.stderr)
        return 1


def add_commands(commands: Any) -> None:
    """Add the commands to argparse's subparsers, whose type is private.

    Each sets ``command``, a function that takes the arguments and returns the exit code.

    Raises:
        PonytacoError: by that function, if a user can fix what is wrong.
    """
    for add in (_add_list, _add_prepare, _add_pack, _add_review, _add_demo):
        add(commands)


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], example: str, **texts: str
) -> argparse.ArgumentParser:
    epilog = f"Example: %(prog)s {example}"
    parser = commands.add_parser(name, **texts, epilog=epilog, allow_abbrev=False)
    program = parser.prog.removesuffix(f" {name}")  # as the user called it
    parser.set_defaults(command=partial(_explained, run), program=program)
    return parser


def _explained(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command, and explain how it was stopped from outside."""
    try:
        return run(arguments)
    except KeyboardInterrupt:
        say("Stopped. No partial output is left behind; run the command again.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        # The user's own path; the name of a temporary file would be of no help.
        place = Path(getattr(arguments, "out", error.filename or "."))
        raise PrepareError(explain_os_error(error, place)) from None


def _add_list(commands: Any) -> None:
    parser = _add(
        commands, "list", _list, "~/Drive/soundtools",
        help="list the archives below a folder",
        description="List the soundtools archives (.tar) below a folder with their size, clips, "
        "minutes, and the path to give to `prepare`.",
    )  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="searched with its subfolders")


def _add_prepare(commands: Any) -> None:
    defaults = ClipOptions()
    parser = _add(
        commands, "prepare", _prepare, "Zecora.tar data/Zecora --style-signs",
        help="turn an archive into a dataset folder",
        description="Turn a character's archive, or a folder of recordings, into a dataset folder "
        "for `ponytaco train`. Clips that cannot be used are left out and listed in report.csv. "
        "Repeating the same command does nothing.",
    )  # fmt: skip
    parser.add_argument(
        "archive", type=Path, metavar="ARCHIVE", help="a soundtools tar, or a folder of recordings"
    )
    parser.add_argument("out", type=Path, metavar="FOLDER", help="the dataset folder to write")
    parser.add_argument(
        "--min-seconds", type=float, default=defaults.min_seconds, metavar="X",
        help="leave out shorter clips (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--max-seconds", type=float, default=defaults.max_seconds, metavar="X",
        help="leave out longer clips (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--skip-very-noisy",
        action=argparse.BooleanOptionalAction,
        default=defaults.skip_very_noisy,
        help='leave out clips labelled "Very Noisy" (%(default)s)',
    )
    parser.add_argument(
        "--skip-tags",
        default=",".join(defaults.skip_tags),
        metavar="TAG,TAG",
        help='leave out clips with one of these tags; "" keeps all (%(default)s)',
    )
    parser.add_argument(
        "--style-signs",
        action=argparse.BooleanOptionalAction,
        default=defaults.style_signs,
        help="prefix each text with the sign of the clip's style (%(default)s)",
    )
    _add_sample_rate(parser)
    _add_align(parser)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="draws the validation clips (%(default)s)"
    )
    parser.add_argument(
        "--character", default="", metavar="NAME", help="whose clips, of a folder with several"
    )
    _add_dry_run(parser)


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="show what is understood, and write nothing"
    )


def _add_sample_rate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sample-rate", type=int, default=ClipOptions().sample_rate, metavar="N",
        help="Hz of what is written, that of the model (%(default)s)",
    )  # fmt: skip


def _add_align(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--align", metavar="KIND", choices=("auto", "off"), default="auto",
        help="find when each phone is spoken in English clips that come without; needs "
        'pip install "ponytaco[align]" (%(default)s)',
    )  # fmt: skip


def _add_pack(commands: Any) -> None:
    parser = _add(
        commands, "pack", _pack, "recordings Me.tar --character Me",
        help="make an archive of your own recordings",
        description="Make a soundtools archive of your own recordings: sounds, each beside a .txt "
        "of the same name, or with a table metadata.csv of rows name|text, or the Master File's "
        "Sliced Dialogue. What is left out is listed in a .report.csv beside the archive.",
    )  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with audio and texts")
    parser.add_argument("out", type=Path, metavar="FILE", help="the archive to write, a .tar")
    parser.add_argument("--character", required=True, metavar="NAME", help="the speaker (required)")
    _add_sample_rate(parser)
    _add_align(parser)
    parser.add_argument(
        "--transcribe", action="store_true",
        help="FOLDER is a long recording without text, or a folder of such: cut it at its pauses "
        'and let Whisper write it down; needs pip install "ponytaco[transcribe]"',
    )  # fmt: skip
    parser.add_argument(
        "--whisper", default="small", metavar="NAME",
        help="Whisper's model for it: a name, or a folder in CTranslate2's format (%(default)s)",
    )  # fmt: skip
    _add_overwrite(parser)
    _add_dry_run(parser)


def _add_review(commands: Any) -> None:
    parser = _add(
        commands, "review", _review, "Me.tar",
        help="correct an archive's texts in a table",
        description="Write an archive's texts into a table beside it, .review.csv, the most "
        "doubtful first. Correct them, put 'no' under keep where a clip shall go, and run the "
        "command again.",
    )  # fmt: skip
    parser.add_argument("archive", type=Path, metavar="FILE", help="an archive that you packed")


def _add_demo(commands: Any) -> None:
    parser = _add(
        commands, "demo", _demo, "Demo.tar",
        help="make an archive of a synthetic voice",
        description="Make a soundtools archive of sentences spoken by a synthetic voice, to try "
        "everything without a download.",
    )  # fmt: skip
    parser.add_argument("out", type=Path, metavar="FILE", help="the archive to write, a .tar")
    parser.add_argument("--clips", type=int, metavar="N", help="number of sentences (400)")
    parser.add_argument("--seed", type=int, metavar="N", help="draws the sentences (1234)")
    parser.add_argument(
        "--voice", metavar="NAME", help="another voice of espeak-ng, such as en-us+m3"
    )
    _add_overwrite(parser)


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")


def _list(arguments: argparse.Namespace) -> int:
    from data_prep.listing import archives_below, describe_recordings

    if not arguments.folder.is_dir():
        raise PrepareError(_no_folder(arguments))
    archives = archives_below(arguments.folder)
    recordings = describe_recordings(arguments.folder, arguments.program)
    if not archives and not recordings:
        raise PrepareError(
            f"{arguments.folder}: contains no .tar. Download a character's archive into it, "
            f"or make one with `{arguments.program} pack` or `{arguments.program} demo`."
        )
    width = max((len(printable(entry.path)) for entry in archives), default=0)
    for entry in archives:
        name = printable(entry.path).ljust(width)
        size = "" if entry.megabytes is None else f"{entry.megabytes:8.1f} MB  "
        say(f"{name}  {size}{entry.description}")
    readable = next((entry.path for entry in archives if entry.is_readable), None)
    if readable is not None:
        say(f"Next, for one of them: {_next(arguments, readable, readable.stem)}")
    if recordings:
        say(*recordings)
    return 0


def _no_folder(arguments: argparse.Namespace) -> str:
    path: Path = arguments.folder
    if not path.exists():
        return f"{path}: there is no such folder. Check the name."
    if path.suffix.lower() == ".tar":
        return f"{path}: is an archive. Next: {_next(arguments, path, path.stem)}"
    return f"{path}: is a file. Give the folder that it is in."


def _prepare(arguments: argparse.Namespace) -> int:
    options = ClipOptions(
        min_seconds=arguments.min_seconds,
        max_seconds=arguments.max_seconds,
        skip_very_noisy=arguments.skip_very_noisy,
        skip_tags=tuple(t.strip() for t in arguments.skip_tags.split(",") if t.strip()),
        style_signs=arguments.style_signs,
        sample_rate=arguments.sample_rate,
        align=arguments.align == "auto",
    )
    if not os.path.lexists(arguments.archive) and _is_archive(arguments.out):
        swapped = shlex.join([str(arguments.out), str(arguments.archive)])
        raise PrepareError(f"The archive comes first: {arguments.program} prepare {swapped}")
    is_folder = arguments.archive.is_dir()
    if arguments.dry_run:
        _show_understood(arguments.archive, arguments.character)
    elif is_folder:
        from data_prep.recordings import prepare_recordings

        prepared = prepare_recordings(
            arguments.archive, arguments.out, arguments.character, options, arguments.seed
        )
        say(*summary(prepared).split("\n"))
    else:
        say(*summary(_prepare_archive(arguments, options)).split("\n"))
    return 0


def _prepare_archive(arguments: argparse.Namespace, options: ClipOptions) -> Prepared:
    from data_prep.dataset_writer import prepare
    from data_prep.soundtools import ArchiveError

    try:
        return prepare(arguments.archive, arguments.out, options, arguments.seed)
    except ArchiveError:
        if os.path.lexists(arguments.archive):
            raise
        raise PrepareError(_no_archive(arguments.archive)) from None


def _show_understood(source: Path, character: str) -> None:
    """Show how a folder or an archive is understood."""
    from data_prep.layouts.found import describe
    from data_prep.listing import describe_archive
    from data_prep.recordings import understand

    if not source.is_dir():
        say(f"Understood as an archive of soundtools: {describe_archive(source)[0].strip()}.")
    else:
        found = understand(source, character)
        say(*describe(found))
        _say_left_out([printable(entry) for entry in found.left_out])
    say("Nothing was written.")


def _say_left_out(sentences: Sequence[str], report: Path | None = None) -> None:
    for sentence in sentences[:MOST_SHOWN]:
        say(f"Left out: {sentence}")
    if len(sentences) > MOST_SHOWN:
        say(f"Left out {len(sentences) - MOST_SHOWN:,} more.")
    if report is not None:
        say(f"{report} lists everything that was left out.")


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".tar" and path.is_file()


def _no_archive(path: Path) -> str:
    """Name the archives beside one that is not there."""
    try:
        beside = sorted(other for other in path.parent.iterdir() if other.suffix.lower() == ".tar")
    except OSError:
        beside = []
    names = [other.name for other in beside]
    meant = did_you_mean(path.name.removesuffix(".tar"), [other.stem for other in beside])
    there = f" The archives in {path.parent} are: {and_more(names, MOST_SHOWN)}." if names else ""
    return f"{path}: there is no such archive. Check the name.{meant}{there}"


def _pack(arguments: argparse.Namespace) -> int:
    from data_prep.recordings import pack, suspicious_path
    from data_prep.transcription.transcriber import Transcriber

    if arguments.dry_run:
        _show_understood(arguments.folder, arguments.character)
        return 0
    out = _archive_path(arguments.out, arguments.character)
    packed = pack(
        arguments.folder, out, arguments.character, arguments.overwrite, arguments.sample_rate,
        progress=True, align=arguments.align == "auto",
        transcriber=Transcriber(arguments.whisper) if arguments.transcribe else None,
    )  # fmt: skip
    say(f"Understood as {packed.found.layout}.")
    clips = counted(packed.clips, "clip")
    say(f"Packed {clips}, {packed.seconds / 60:.1f} minutes, into {out}.", *packed.notes)
    _say_left_out(packed.left_out, packed.report)
    if packed.suspicious:
        say(to_listen_to(len(packed.suspicious), suspicious_path(out)))
    say(f"Next: {_next(arguments, out, arguments.character)}")
    return 0


def _review(arguments: argparse.Namespace) -> int:
    from data_prep.review import read_review, table_path, write_review

    table = table_path(arguments.archive)
    if not table.exists():
        written = write_review(arguments.archive)
        say(
            f"Wrote {counted(written.clips, 'clip')} into {table}, the most doubtful first. "
            "Correct the texts, put 'no' under keep where a clip shall go, then run this command "
            "again."
        )
        return 0
    read = read_review(arguments.archive)
    say(
        f"Corrected {counted(read.corrected, 'text')}, left out {counted(read.left_out, 'clip')}: "
        f"{arguments.archive} has {counted(read.clips, 'clip')}, and {table} is written anew."
    )
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from data_prep.demo.espeak import write_demo_archive
    from data_prep.recordings import check_out

    out = _archive_path(arguments.out, "Demo")
    check_out(out, arguments.overwrite)
    given = {"n_clips": arguments.clips, "seed": arguments.seed, "voice": arguments.voice}
    write_demo_archive(out, **{k: v for k, v in given.items() if v is not None})
    say(f"Wrote {out}. Next: {_next(arguments, out, out.stem)}")
    return 0


def _archive_path(given: Path, name: str) -> Path:
    """Return the archive to write: in a folder that is there, and always a .tar."""
    if given.is_dir():
        return given / f"{name}.tar"
    return given if given.suffix.lower() == ".tar" else given.with_name(f"{given.name}.tar")


def _next(arguments: argparse.Namespace, archive: Path, character: str) -> str:
    words = [as_argument(archive), f"data/{safe_name(character, any_letters=True)}"]
    rate = getattr(arguments, "sample_rate", ClipOptions().sample_rate)
    words += [] if rate == ClipOptions().sample_rate else ["--sample-rate", str(rate)]
    return f"{arguments.program} prepare {shlex.join(words)}"


if __name__ == "__main__":
    sys.exit(main())
