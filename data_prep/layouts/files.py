"""Files of a folder of recordings, walked through once, and sounds found by names in tables."""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.layouts.found import LeftOut
from data_prep.sound_files import SOUND_SUFFIXES
from ponytaco.formatting import and_more, shorten
from ponytaco.io.strangers import LINK_OUTSIDE, inside, open_regular

_GENERIC = frozenset(
    {"", "wavs", "wav", "audio", "audios", "sounds", "clips", "flac", "mp3", "data"}
)
"""Folders that say nothing about what they hold."""

_NOT_RECORDINGS = frozenset({"__macosx", ".git", ".ipynb_checkpoints", ".trash"})

_LONGEST_SHOWN = 100


@dataclass
class Files:
    """Files below a folder."""

    root: Path
    sounds: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    outside: set[Path] = field(default_factory=set)
    """Files that are links to a place outside."""

    is_inside: Callable[[Path], bool] = bool


def walk(root: Path) -> Files:
    """List the files below a folder in the order of their names.

    Companion files of macOS and links that lead out of the folder are left out and named; links to
    folders are not entered.
    """
    files = Files(root, is_inside=inside(root))
    companions: list[str] = []
    for folder, subfolders, names in os.walk(root):
        place = Path(folder)
        for name in subfolders:
            if (place / name).is_symlink() and not files.is_inside(place / name):
                files.left_out.append(LeftOut(name, LINK_OUTSIDE))
        subfolders[:] = sorted(s for s in subfolders if s.casefold() not in _NOT_RECORDINGS)
        for name in sorted(names):
            if name.startswith("._"):
                companions.append(name)
            else:
                _note(files, place / name)
    if companions:
        reason = "companion files of macOS, not recordings; they can be deleted"
        files.left_out.append(LeftOut(and_more(companions, 3), reason))
    return files


def _note(files: Files, path: Path) -> None:
    is_sound = is_sound_name(path.name)
    if not files.is_inside(path):
        files.left_out.append(LeftOut(path.name, LINK_OUTSIDE))
        files.outside.add(path)
    elif is_sound:
        files.sounds.append(path)
    elif path.name not in {".DS_Store", "desktop.ini", "Thumbs.db"}:
        files.others.append(path)


def is_sound_name(name: str) -> bool:
    """Whether a file is named like a sound; ".wav" alone has a suffix and no stem."""
    return name.casefold().endswith(SOUND_SUFFIXES)


def without_suffix(name: str) -> str:
    """Remove the suffix of a sound, if a name has one: "part.1" stays."""
    folded = name.casefold()
    return next((name[: -len(s)] for s in SOUND_SUFFIXES if folded.endswith(s)), name)


def folded(name: str) -> str:
    """Fold a name as file systems do that do not tell its case or its composed letters."""
    return unicodedata.normalize("NFC", name).casefold()


class SoundIndex:
    r"""Sounds below a folder, found by what a table calls them.

    A table may have been written on another machine: paths that lead nowhere here are tried
    without their first folders, in any case, with `/` or `\`, and with another suffix or none.

    Args:
        files: all files of the recordings.
        base: the folder of the table, from which its paths go.
    """

    def __init__(self, files: Files, base: Path) -> None:
        self._base = base
        self._files = files
        self._by_name: dict[str, list[Path]] = {}
        self._by_number: dict[int, list[Path]] = {}
        prefix = os.path.join(base, "")
        for sound in [*files.sounds, *files.outside]:
            if is_sound_name(sound.name) and str(sound).startswith(prefix):
                stem = without_suffix(sound.name)
                self._by_name.setdefault(folded(stem), []).append(sound)
                if stem.isascii() and stem.isdigit():
                    self._by_number.setdefault(int(stem), []).append(sound)
        self.count = sum(map(len, self._by_name.values()))

    def find(self, name: str) -> Path | None:
        """Return the one sound that a name fits best; None if there is none, or several."""
        best = self._fitting(name)
        return best[0] if len(best) == 1 else None

    def why_none(self, name: str) -> str:
        """Explain in a clause why no sound fits a name."""
        shown = shorten(name, _LONGEST_SHOWN)
        fitting = self._fitting(name)
        if len(fitting) > 1:
            paths = [str(path.relative_to(self._base)) for path in fitting]
            return f"several sounds fit {shown}: {and_more(paths, 3)}. Write their folders, too"
        if self._leads_out(name):
            return f"there is no audio file of its name, and {shown} leads out of the folder"
        return f"there is no audio file {shown}"

    def is_outside(self, path: Path) -> bool:
        """Whether a sound is a link to a place outside of the folder."""
        return path in self._files.outside or not self._files.is_inside(path)

    @staticmethod
    def _parts(name: str) -> list[str]:
        return [
            part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")
        ]

    def _leads_out(self, name: str) -> bool:
        return (
            ".." in self._parts(name) or name.startswith(("/", "~")) or name[1:3] in (":\\", ":/")
        )

    def _fitting(self, name: str) -> list[Path]:
        parts = self._parts(name)
        if not parts or ".." in parts:
            return []
        stem = without_suffix(parts[-1])
        sounds = self._by_name.get(folded(stem), [])
        if not sounds and stem.isascii() and stem.isdigit() and len(stem) < 20:
            sounds = self._by_number.get(int(stem), [])  # Excel takes 0001 for 1
        fits = [(fit, sound) for sound in sounds if (fit := self._fit(parts, sound)) is not None]
        best = min((fit[0] for fit, _ in fits), default=0)
        fits = sorted((pair for pair in fits if pair[0][0] == best), key=lambda pair: pair[0])
        # In one folder the nearer name and the better suffix comes first; folders make a doubt.
        return [s for _, s in fits][: 1 if len({s.parent for _, s in fits}) == 1 else None]

    def _fit(self, parts: list[str], sound: Path) -> tuple[int, bool, int] | None:
        """Return how badly a sound fits a path, folders first; None if they contradict."""
        own, given = list(sound.relative_to(self._base).parts[:-1]), parts[:-1]
        own, given = [folded(part) for part in own], [folded(part) for part in given]
        same = 0
        while same < min(len(own), len(given)) and own[-1 - same] == given[-1 - same]:
            same += 1
        if not given:  # LJSpeech has the sounds in `wavs` and does not say so
            folder = 0 if own == ["wavs"] else 1 if not own else 2
        elif own == given:
            folder = 0
        elif same:
            folder = max(1, 10 - same)
        elif not own or own[-1] in _GENERIC:
            folder = 10
        else:
            return None
        is_exact = parts[-1] in (sound.name, without_suffix(sound.name))
        suffix = sound.suffix.casefold()
        order = SOUND_SUFFIXES.index(suffix) if suffix in SOUND_SUFFIXES else 0
        return folder, not is_exact, order


def read_head(path: Path, size: int) -> bytes:
    """Read the beginning of a file; b"" if it cannot be read."""
    with contextlib.suppress(OSError, ValueError), open_regular(path) as file:
        return file.read(size)
    return b""
