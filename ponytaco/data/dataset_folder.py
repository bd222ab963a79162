"""Reading and validating a dataset folder, which data preparation writes.

``train.txt`` and ``val.txt`` hold one clip per line, ``wavs/<ref>.wav|text|arpabet text``, the
third column optional; paths are relative to the list. ``alignments.jsonl``, ``lexicon.txt`` and
``report.json`` may be missing, so any Tacotron file list with such paths works.
"""

from __future__ import annotations

import codecs
import hashlib
import itertools
import json
import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponytaco.errors import PonytacoError
from ponytaco.io.strangers import LINK_OUTSIDE, inside
from ponytaco.io.text_files import numbered_lines
from ponytaco.printable import brief
from ponytaco.text.phones import bare_phones, in_braces, is_pronounced

Interval = tuple[str, float, float]
"""A phone or word with its start and end, in seconds of the clip."""

_AGAIN = "Prepare the character again."
_LISTS = ("train.txt", "val.txt")
_FINGERPRINT_BYTES = 1024
_MOST_BYTES = 256 * 2**20  # 20 hours of phones and words are about 30 MB
# Characters: the text and the phones of a clip of a minute, and the times of both.
_LONGEST_CLIP, _LONGEST_ALIGNMENT = 100_000, 2**21
_LATEST_SECONDS = 1e6


class FilelistError(PonytacoError):
    """A dataset folder, or a file in it, breaks the contract."""


@dataclass(frozen=True)
class Clip:
    """One line of a file list.

    Attributes:
        path: the wav file.
        text: the spoken text.
        arpabet: the same with pronunciations in braces, if the list has it.
        ref: the clip's name: its path without ``wavs/`` and ``.wav``.
    """

    path: Path
    text: str
    arpabet: str | None
    ref: str


@dataclass(frozen=True)
class ClipAlignment:
    """Times of the phones and words of a clip.

    Attributes:
        tokens: phones (or letters) with their start and end, seconds of the written wav.
        words: words likewise; empty if the file has none.
    """

    tokens: tuple[Interval, ...]
    words: tuple[Interval, ...] = ()


@dataclass(frozen=True)
class DatasetFolder:
    """A prepared character.

    Attributes:
        folder: the folder itself.
        train: clips to train on, in the list's order.
        val: clips to validate on; none of them is in ``train``.
        alignments: ref -> intervals, for the clips that have them.
        lexicon_path: the character's pronunciation dictionary, if there is one.
        report_path: the preparation's report, if there is one.
    """

    folder: Path
    train: list[Clip]
    val: list[Clip]
    alignments: dict[str, ClipAlignment]
    lexicon_path: Path | None
    report_path: Path | None


def read_dataset(folder: str | Path) -> DatasetFolder:
    """Read and validate a dataset folder.

    Raises:
        FilelistError: if the folder is missing, is not a dataset folder, or breaks the contract.
    """
    folder = Path(folder)
    _require_dataset_folder(folder)
    train, val = (read_filelist(folder / name) for name in _LISTS)
    trained = {clip.ref for clip in train}
    for clip in val:
        if clip.ref in trained:
            raise FilelistError(
                f"{folder}: clip {clip.ref} is in train.txt and in val.txt, so validation would "
                f"measure what was learnt by heart. {_AGAIN}"
            )
    return DatasetFolder(
        folder=folder,
        train=train,
        val=val,
        alignments=read_alignments(folder),
        lexicon_path=_own(folder / "lexicon.txt"),
        report_path=_own(folder / "report.json"),
    )


def as_paths(folders: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return one or several dataset folders as a list of paths."""
    several = [folders] if isinstance(folders, str | Path) else folders
    return [Path(folder) for folder in several]


def read_datasets(folders: Sequence[str | Path]) -> list[DatasetFolder]:
    """Read and validate several dataset folders.

    Raises:
        FilelistError: as ``read_dataset``; also if there is none, or one is named twice.
    """
    if not folders:
        raise FilelistError("No dataset folder is named.")
    seen: set[Path] = set()
    for folder in folders:
        place = Path(folder).resolve()
        if place in seen:
            raise FilelistError(f"{folder} is named twice. Name each dataset folder once.")
        seen.add(place)
    return [read_dataset(folder) for folder in folders]


def read_filelist(path: str | Path) -> list[Clip]:
    """Read a file list.

    Args:
        path: a list of two or three columns, UTF-8; blank lines are ignored.

    Returns:
        The clips in the list's order, at least one.

    Raises:
        FilelistError: if the list cannot be read, or a line breaks the contract; the message names
            the line.
    """
    path = Path(path)
    clips: list[Clip] = []
    line_of: dict[str, int] = {}
    is_inside = inside(path.parent)
    for number, line in _lines(path, _LONGEST_CLIP):
        clip = _read_clip(line, path.parent, is_inside, f"{path.name}, line {number}")
        if clip.ref in line_of:
            raise FilelistError(
                f"{path.name}, line {number}: clip {clip.ref} is already in line "
                f"{line_of[clip.ref]}. Remove one of them."
            )
        line_of[clip.ref] = number
        clips.append(clip)
    _check_arpabet(clips, path)
    if not clips:
        raise FilelistError(f"{path} lists no clips. {_AGAIN}")
    return clips


def _check_arpabet(clips: Sequence[Clip], path: Path) -> None:
    """Refuse third columns that are no pronunciations: speakers, or texts of another kind."""
    columns = [clip for clip in clips if clip.arpabet]
    if columns and not any(is_pronounced(clip.arpabet or "") for clip in columns):
        shown = " and ".join(f"“{clip.text}|{brief(clip.arpabet)}”" for clip in columns[:2])
        raise FilelistError(
            f"{path}: the third column is not ARPAbet, such as {{HH AH0 L OW1}}: {shown}. "
            "Remove it, if it tells who speaks; the text belongs in the second column."
        )


def read_alignments(folder: str | Path) -> dict[str, ClipAlignment]:
    """Read ``alignments.jsonl``.

    Returns:
        ref -> alignment; empty if the folder has no such file.

    Raises:
        FilelistError: if a line breaks the contract.
    """
    path = Path(folder) / "alignments.jsonl"
    if not path.is_file():
        return {}
    alignments: dict[str, ClipAlignment] = {}
    for number, line in _lines(path, _LONGEST_ALIGNMENT):
        where = f"{path.name}, line {number}"
        ref, alignment = _read_alignment(line, where)
        if ref in alignments:
            raise FilelistError(f"{where}: clip {ref} appears twice. {_AGAIN}")
        alignments[ref] = alignment
    return alignments


def fingerprint(*folders: str | Path) -> str:
    """Hash the clips, texts and intervals of dataset folders, independent of their location.

    Of each wav it takes the size and one kilobyte from the middle: enough to notice another level
    or trimming, and cheap for thousands of clips.

    Args:
        folders: dataset folders in the order in which they are trained on.

    Returns:
        64 hexadecimal digits.

    Raises:
        FilelistError: if a folder is not a dataset folder, or a list breaks the contract.
    """
    each = [_fingerprint(Path(folder)) for folder in folders]
    return each[0] if len(each) == 1 else hashlib.sha256("\n".join(each).encode()).hexdigest()


def _fingerprint(folder: Path) -> str:
    _require_dataset_folder(folder)
    digest = hashlib.sha256()
    lists = [read_filelist(folder / name) for name in _LISTS]
    for name in (*_LISTS, "alignments.jsonl"):
        path = folder / name
        content = path.read_bytes() if path.is_file() else b""
        # An editor that changes nothing but these has not changed the data.
        content = content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    for clip in itertools.chain(*lists):
        digest.update(f"{clip.ref} {clip.path.stat().st_size}\n".encode())
        digest.update(_middle_of(clip.path))
    return digest.hexdigest()


def _require_dataset_folder(folder: Path) -> None:
    if not folder.is_dir():
        reason = "it is a file" if folder.exists() else "no such folder"
    else:
        missing = [name for name in _LISTS if not (folder / name).is_file()]
        if not missing:
            return
        reason = f"no {missing[0]}"
    raise FilelistError(
        f"{folder} is not a dataset folder: {reason}. "
        "Prepare one with: ponytaco prepare ARCHIVE FOLDER"
    )


def _own(path: Path) -> Path | None:
    """Return the path of a data set's file; None if there is no such file."""
    if not inside(path.parent)(path):
        raise FilelistError(f"{path} {LINK_OUTSIDE}. Put the file itself there.")
    return path if path.is_file() else None


def _middle_of(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size // 2 - _FINGERPRINT_BYTES // 2))
        return file.read(_FINGERPRINT_BYTES)


def _lines(path: Path, longest: int) -> Iterator[tuple[int, str]]:
    _own(path)
    return numbered_lines(path, FilelistError, longest, _MOST_BYTES)


def _read_clip(line: str, folder: Path, is_inside: Callable[[Path], bool], where: str) -> Clip:
    columns = [column.strip() for column in line.split("|")]
    if len(columns) not in (2, 3):
        raise FilelistError(
            f"{where}: {len(columns)} columns instead of 2 or 3. "
            "A line reads: wavs/<name>.wav|text|arpabet text"
        )
    name, text = columns[:2]
    path = folder / _inside(name, where)
    if not is_inside(path):
        raise FilelistError(
            f"{where}: {name} leads through a link to a file outside the dataset folder. "
            "Put the file itself there."
        )
    if not text:
        raise FilelistError(f"{where}: no text for {name}. Write it or remove the line.")
    if not path.is_file():
        raise FilelistError(f"{where}: no audio at {name}. {_AGAIN}")
    arpabet = "".join(columns[2:]) or None
    if arpabet and (phones := bare_phones(arpabet)):
        arpabet = in_braces(phones)
    return Clip(path=path, text=text, arpabet=arpabet, ref=_ref_of(name))


def _inside(name: str, where: str) -> str:
    """Normalise a path by its text alone: it must not lead outside even where nothing is."""
    normal = posixpath.normpath(name.replace("\\", "/"))
    is_outside = normal.startswith(("/", "../")) or normal == ".." or normal[1:2] == ":"
    if not name or "\0" in name or is_outside:
        raise FilelistError(
            f"{where}: the path '{name}' is not inside the dataset folder. "
            "Paths are relative to the list, like wavs/0001.wav"
        )
    return normal


def _ref_of(name: str) -> str:
    normal = posixpath.normpath(name.replace("\\", "/"))
    return posixpath.splitext(normal)[0].removeprefix("wavs/")


def _read_alignment(line: str, where: str) -> tuple[str, ClipAlignment]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
        raise FilelistError(f"{where}: not json. {_AGAIN}") from None
    if not isinstance(entry, dict) or not isinstance(entry.get("ref"), str):
        raise FilelistError(f"{where}: no 'ref'. {_AGAIN}")
    if "tokens" not in entry:
        raise FilelistError(f"{where}: no 'tokens'. {_AGAIN}")
    return entry["ref"], ClipAlignment(
        tokens=_read_intervals(entry["tokens"], f"{where}, tokens"),
        words=_read_intervals(entry.get("words", []), f"{where}, words"),
    )


def _read_intervals(entries: Any, where: str) -> tuple[Interval, ...]:
    if not isinstance(entries, list):
        raise FilelistError(f"{where}: not a list. {_AGAIN}")
    intervals = tuple(_read_interval(entry, where) for entry in entries)
    for earlier, later in zip(intervals, intervals[1:], strict=False):
        if later[1] < earlier[1] or later[2] < earlier[2]:
            raise FilelistError(f"{where}: {later[0]} comes before {earlier[0]}. {_AGAIN}")
    return intervals


def _read_interval(entry: Any, where: str) -> Interval:
    match entry:
        case [str(name), start, end] if name and _is_time(start) and _is_time(end):
            if start <= end:
                return name, float(start), float(end)
    raise FilelistError(
        f'{where}: {brief(entry, 60)} is not of the form ["HH", start, end] in seconds, '
        f"the start first and neither negative. {_AGAIN}"
    )


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= _LATEST_SECONDS
