"""Packing of a user's own recordings and their texts into a soundtools archive."""

import contextlib
import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.audio import SAMPLE_RATE, decode
from data_prep.clip_filter import MOST_CLIPPED
from data_prep.folders import explain_os_error
from data_prep.labels import LONGEST_TEXT, make_label
from data_prep.options import check_sample_rate
from data_prep.sound_files import AudioError
from data_prep.soundtools import ArchiveWriter
from ponytaco.errors import PonytacoError
from ponytaco.formatting import shorten
from ponytaco.io.names import safe_name
from ponytaco.io.strangers import LINK_OUTSIDE, inside, open_regular
from ponytaco.io.text_files import read_text
from ponytaco.printable import printable

SOUND_SUFFIXES = (".wav", ".flac")

_OTHER_SOUNDS = frozenset(
    {".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".wma", ".aif", ".aiff", ".webm"}
)

LARGEST_SOUND_BYTES = 256 * 2**20
"""Two minutes of 192 kHz stereo at 32 bits are 184 MB."""

LARGEST_TEXT_BYTES = 64 * 2**20
"""Limit of a table or a text; LJSpeech's table of 24 hours has 3 MB."""

LONGEST_CHARACTER = 60
_MOST_NAME_BYTES = 240  # 255 with what is added to it

_LONGEST_SHOWN = 100

_CHARACTER = re.compile(rf"\w[\w .'()-]{{0,{LONGEST_CHARACTER - 1}}}")

_HEADER_NAMES = frozenset({"id", "file", "filename", "file_name", "path", "audio", "wav", "clip"})


class RecordingsError(PonytacoError):
    """Recordings that cannot be packed; the message tells what, where and what to do next."""


@dataclass(frozen=True)
class Recording:
    """Audio file and its text."""

    sound: Path
    text: str


@dataclass(frozen=True)
class Packed:
    """Outcome of packing."""

    clips: int
    seconds: float
    left_out: tuple[str, ...]
    """One printable sentence for each recording, text or row that was not packed."""


def pack(
    folder: Path,
    out: Path,
    character: str,
    overwrite: bool = False,
    sample_rate: int = SAMPLE_RATE,
) -> Packed:
    """Pack recordings into a soundtools archive that `prepare` reads.

    Two layouts are supported: audio files (wav or flac), each beside a text file of the same
    name; and a table, metadata.csv or the only .csv of the folder, with rows `name|text` or
    `name|text|normalised text` as in LJSpeech, or with commas, and the audio in the folder or in
    its `wavs`. The audio is mixed down to mono and resampled, but not trimmed.

    Args:
        folder: with the recordings.
        out: the tar to write.
        character: the speaker's name.
        overwrite: replace out if it exists.
        sample_rate: Hz of the archive's audio.

    Returns:
        What was packed, and what was left out and why.

    Raises:
        RecordingsError: if there is nothing to pack, the character's name is invalid, or out
            exists or cannot be written. No partial archive is left behind.
    """
    check_character(character)
    check_sample_rate(sample_rate)
    if not folder.is_dir():
        raise RecordingsError(_no_folder(folder))
    check_out(out, overwrite)
    recordings, left_out = find_recordings(folder)
    if not recordings:
        raise RecordingsError(_nothing_found(folder, left_out))
    try:
        count, seconds = _write(recordings, folder, out, character, left_out, sample_rate)
    except OSError as error:
        raise RecordingsError(explain_os_error(error, out)) from error
    return Packed(count, seconds, tuple(map(printable, left_out)))


def _no_folder(folder: Path) -> str:
    if not folder.exists():
        return f"{folder}: there is no such folder. Check the name."
    if folder.suffix.lower() == ".tar":
        return f"{folder}: is an archive already. Prepare it: ponytaco prepare {folder} data/NAME"
    return f"{folder}: is a file. Give the folder that it is in."


def check_character(name: str) -> None:
    """Refuse a name that is not valid as a file or folder name on every system.

    Raises:
        RecordingsError: with the characters that a name may have.
    """
    is_safe = name == safe_name(name, any_letters=True, most_bytes=_MOST_NAME_BYTES)
    if not is_safe or not _CHARACTER.fullmatch(name):
        raise RecordingsError(
            f"'{name[:LONGEST_CHARACTER]}' cannot name a character. Use letters, digits, spaces "
            f"and . ' ( ) - with a letter or digit first, at most {LONGEST_CHARACTER} characters, "
            "and none of the names that Windows keeps for devices, such as CON."
        )


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse to write an archive over an existing file, unless asked to.

    Raises:
        RecordingsError: if out exists and overwrite is false.
    """
    if os.path.lexists(out) and not overwrite:
        raise RecordingsError(f"{out}: already exists. Choose another name, or add --overwrite.")


def _write(
    recordings: list[Recording],
    folder: Path,
    out: Path,
    character: str,
    left_out: list[str],
    sample_rate: int,
) -> tuple[int, float]:
    """Write the archive and return its number of clips and seconds."""
    count, seconds = 0, 0.0
    refs: set[str] = set()
    with ArchiveWriter(out) as archive:
        for recording in recordings:
            try:
                sound = decode(_sound_bytes(recording.sound), sample_rate)
            except AudioError as error:
                left_out.append(f"{recording.sound.name}: {error}.")
                continue
            except OSError as error:
                left_out.append(f"{recording.sound.name}: cannot be read ({error.strerror}).")
                continue
            if sound.clipped_share > MOST_CLIPPED:
                # Checked here, because `prepare` cannot see it: resampling rounds off the peaks.
                share = f"{sound.clipped_share:.1%}"
                left_out.append(f"{recording.sound.name}: {share} of its samples are clipped.")
                continue
            ref = safe_name(recording.sound.stem, refs, any_letters=True, otherwise="clip")
            label = make_label(recording.text, round(sound.seconds, 3), character, "recordings")
            archive.add(ref, sound.waveform, sample_rate, label)
            count, seconds = count + 1, seconds + sound.seconds
        if not count:
            raise RecordingsError(_nothing_found(folder, left_out))
    return count, seconds


def _sound_bytes(path: Path) -> bytes:
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_SOUND_BYTES:
            raise AudioError(
                f"it has more than {LARGEST_SOUND_BYTES >> 20} MB, too many for a clip; split it"
            )
        return file.read()


def _nothing_found(folder: Path, left_out: list[str]) -> str:
    why = f" {len(left_out)} were left out, the first: {left_out[0]}" if left_out else ""
    return (
        f"{folder}: contains no recording with a text.{why} Put a .txt of the same name beside "
        "each wav or flac, or a metadata.csv with rows `name|text` into the folder."
    )


def find_recordings(folder: Path) -> tuple[list[Recording], list[str]]:
    """Pair the audio files of a folder with their texts, by its table or by equal names.

    Args:
        folder: with the recordings.

    Returns:
        The recordings in the order of the table or of their names, and one sentence for
        everything without a counterpart.

    Raises:
        RecordingsError: if there are several tables, or an unreadable one.
    """
    table = _find_table(folder)
    return _by_table(folder, table) if table else _by_name(folder)


def _find_table(folder: Path) -> Path | None:
    tables = sorted(folder.glob("*.csv"))
    if folder / "metadata.csv" in tables:
        tables = [folder / "metadata.csv"]
    if len(tables) > 1:
        raise RecordingsError(
            f"{folder}: contains {len(tables)} csv files. Name the one with the texts metadata.csv."
        )
    if tables and not inside(folder)(tables[0]):
        raise RecordingsError(f"{tables[0]} {LINK_OUTSIDE}. Put the file itself there.")
    return tables[0] if tables else None


def _by_name(folder: Path) -> tuple[list[Recording], list[str]]:
    found, left_out = [], []
    is_inside = inside(folder)
    for path in sorted(folder.rglob("*")):  # links to folders are not entered
        is_sound = path.suffix.lower() in SOUND_SUFFIXES
        text = path.with_suffix(".txt")
        if (is_sound or path.is_dir()) and not is_inside(path):
            left_out.append(f"{path.name} {LINK_OUTSIDE}.")
        elif path.suffix.lower() in _OTHER_SOUNDS:
            left_out.append(f"{path.name}: {_convert(path)}.")
        elif path.suffix.lower() == ".txt" and not _has_sound(path):
            left_out.append(f"{path.name}: has no wav or flac of its name beside it.")
        elif not is_sound:
            continue
        elif not os.path.lexists(text):
            left_out.append(f"{path.name}: has no {text.name} beside it.")
        elif not is_inside(text):
            left_out.append(f"{text.name} {LINK_OUTSIDE}.")
        else:
            try:
                found.append(Recording(path, _checked(" ".join(_read_text(text).split()), text)))
            except RecordingsError as error:
                left_out.append(str(error))
    return found, left_out


def _convert(path: Path) -> str:
    return f"only wav and flac are read. Convert it: ffmpeg -i {path.name} {path.stem}.wav"


def _has_sound(text: Path) -> bool:
    """Whether there is a recording, readable or not, beside a text."""
    endings = (*SOUND_SUFFIXES, *_OTHER_SOUNDS)
    return any(
        os.path.lexists(text.with_suffix(kind)) for end in endings for kind in (end, end.upper())
    )


def _checked(text: str, where: Path | str) -> str:
    """Return a clip's text, or refuse one that no label may have."""
    if len(text) > LONGEST_TEXT:
        raise RecordingsError(
            f"{where}: the text has {len(text):,} characters, more than {LONGEST_TEXT:,}."
        )
    return text


def _by_table(folder: Path, table: Path) -> tuple[list[Recording], list[str]]:
    found, left_out = [], []
    used: set[Path] = set()
    named: set[Path] = set()
    is_complete = True  # every row's name is known
    is_inside = inside(folder)
    for number, (name, text, problem) in enumerate(_rows(table), start=1):
        where = f"{table.name}, row {number}"
        sound = _find_sound(folder, name) if name else None
        if sound is not None:
            named.add(sound)
        if sound is None and number == 1 and name.lower() in _HEADER_NAMES:
            continue
        is_complete = is_complete and not problem
        if problem:
            left_out.append(f"{where}: {problem}.")
        elif not name or not text:
            left_out.append(f"{where}: has no name or no text.")
        elif sound is None:
            left_out.append(f"{where}: {_why_no_sound(folder, name)}.")
        elif not is_inside(sound):
            left_out.append(f"{where}: {name} leads out of the folder.")
        elif sound in used:
            left_out.append(f"{where}: {name} already has a text.")
        else:
            try:
                found.append(Recording(sound, _checked(text, where)))
                used.add(sound)
            except RecordingsError as error:
                left_out.append(str(error))
    places = [p for p in (folder, folder / "wavs") if is_complete and p.is_dir()]
    for sound in sorted(path for place in places for path in place.iterdir()):
        if sound.suffix.lower() in SOUND_SUFFIXES and sound not in named and is_inside(sound):
            left_out.append(f"{sound.name}: no row of {table.name} names it.")
    return found, left_out


def _rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """Iterate over name, text, and what is wrong with the row.

    The last filled of the text columns is the normalised text.
    """
    content = _read_text(table)
    rows: Iterator[list[str]]
    if "|" in content:
        # LJSpeech uses no quoting: a quotation mark is part of the text.
        rows = (line.split("|") for line in re.split(r"\r\n?|\n", content))
    else:
        rows = csv.reader(io.StringIO(content), skipinitialspace=True)
    while True:
        try:
            cells = [cell.strip() for cell in next(rows)]
        except StopIteration:
            return
        except csv.Error as error:  # a cell of more than 128 kB, for example
            yield "", "", f"cannot be read ({error})"
            continue
        if any(cells):
            yield cells[0], next((cell for cell in reversed(cells[1:3]) if cell), ""), ""


def _find_sound(folder: Path, name: str) -> Path | None:
    """Find the audio file for a name with or without suffix; it may lie outside of the folder."""
    for place in (folder / "wavs", folder):
        for suffix in ("", *SOUND_SUFFIXES):
            sound = place / f"{name}{suffix}"
            try:
                if sound.is_file() and sound.suffix.lower() in SOUND_SUFFIXES:
                    return sound
            except (OSError, ValueError):  # not a valid file name
                continue
    return None


def _why_no_sound(folder: Path, name: str) -> str:
    for place in (folder / "wavs", folder):
        for suffix in ("", *_OTHER_SOUNDS):
            path = place / f"{name}{suffix}"
            with contextlib.suppress(OSError, ValueError):  # not a valid file name
                if path.suffix.lower() in _OTHER_SOUNDS and path.is_file():
                    return _convert(path)
    return f"there is no audio file {shorten(name, _LONGEST_SHOWN)}"


def _read_text(path: Path) -> str:
    """Read a text in UTF-8 or, failing that, in the encoding of older Windows editors."""
    return read_text(path, RecordingsError, LARGEST_TEXT_BYTES, fallback="cp1252")
