"""The archive form of soundtools: one tar a character, `<ref>/audio.<wav|flac>` + `label.json`.

Nothing is ever unpacked to disk, and only one clip is in memory at a time.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self, cast

from data_prep.audio import Waveform, sound_seconds, wav_bytes
from data_prep.errors import sentence_alone

LARGEST_AUDIO_BYTES = 64 * 2**20
"""15 seconds of 192 kHz stereo float are 23 MB; a larger member is no clip."""

LARGEST_LABEL_BYTES = 4 * 2**20
"""A label of 15 seconds is about 10 kB."""

MOST_MEMBERS = 1_000_000
"""Of one archive; the largest characters have some ten thousand clips."""

MOST_CLIPS = 100_000
"""Of one archive: about 100 hours."""

LONGEST_NAME = 1_000
"""Characters of a clip's name with the folders that it lies in."""

_LARGEST_HEADER_BYTES = 2**20
"""Of what may stand before a member, such as a long name."""

AUDIO_NAMES = frozenset({"audio.wav", "audio.flac"})
LABEL_NAME = "label.json"


class ArchiveError(Exception):
    """An archive that cannot be read or written; its text says what, where and what next."""

    _render_traceback_ = sentence_alone


@dataclass(frozen=True)
class Member:
    """Where the content of one tar member lies in the archive's file."""

    offset: int
    """Bytes from the start of the archive."""

    size: int
    """Bytes."""


@dataclass
class ClipMembers:
    """The members of one clip."""

    ref: str
    """Name of the clip's folder in the archive; not safe as a file name."""

    audio: Member | None = None
    label: Member | None = None


@dataclass
class ArchiveIndex:
    """What an archive holds. Its size is that of the table of contents, not of the sound."""

    path: Path
    clips: list[ClipMembers] = field(default_factory=list)
    other_members: int = 0
    """Files, links and devices that are no part of a clip (folders are not counted)."""


@dataclass(frozen=True)
class RawClip:
    """A clip as it lies in the archive, not decoded."""

    ref: str
    audio: bytes | None
    """None where the archive has no audio of this clip, or where it is too large."""

    label: bytes | None
    """None where the archive has no label of this clip, or where it is too large."""

    too_large: tuple[str, ...] = ()
    """Which of "audio" and "label" was left unread because of its size."""


def index_archive(path: Path) -> ArchiveIndex:
    """Find the clips of an archive without reading their sound.

    Audio and label may come in any order and lie under extra folders. A folder whose audio (or
    label) comes twice becomes two clips of the same ref, for the caller to judge.

    Args:
        path: an uncompressed tar.

    Returns:
        The clips in the order of the archive.

    Raises:
        ArchiveError: if the archive is missing, is no tar, is cut off, or holds no clip.
    """
    index = ArchiveIndex(path)
    open_clips: dict[str, ClipMembers] = {}
    try:
        with (
            open(path, "rb") as file,
            tarfile.open(fileobj=cast(IO[bytes], _HeaderReader(file)), mode="r:") as archive,
        ):
            for member in _members(archive, path):
                _note_member(index, open_clips, member)
            _check_end(file, archive.offset, path)
    except FileNotFoundError:
        raise ArchiveError(f"{path}: there is no such archive. Check the name.") from None
    except IsADirectoryError:
        raise ArchiveError(
            f"{path}: is a folder, not an archive. `python -m data_prep list` shows the archives "
            "in it; recordings of your own become one with `python -m data_prep pack`."
        ) from None
    except tarfile.TarError as error:
        raise ArchiveError(
            f"{path}: not a readable, uncompressed tar ({error}). "
            "Download it again; if it is compressed, uncompress it first."
        ) from None
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror or error}).") from None
    # What tarfile lets through when numbers in a header are none, or headers follow without end.
    except (ValueError, LookupError, OverflowError, RecursionError, MemoryError) as error:
        raise ArchiveError(
            f"{path}: damaged in a header ({type(error).__name__}). Download it again."
        ) from None
    if not index.clips:
        raise ArchiveError(
            f"{path}: holds no clip. Clips are pairs <name>/audio.wav (or .flac) "
            "and <name>/label.json; `python -m data_prep pack` makes such an archive."
        )
    return index


class _HeaderReader:
    """A file of which no one reads more at once than a header may have.

    tarfile reads the long name or the extended header of a member whole, whatever its size.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.name = file.name
        self.mode = "rb"
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """The headers one after the other, none of them remembered."""
    last, count = -1, 0
    while (member := archive.next()) is not None:
        count += 1
        # A negative size would lead back, and round for ever.
        if member.size < 0 or member.offset_data <= last or archive.offset < member.offset_data:
            raise ArchiveError(f"{path}: damaged near byte {member.offset}. Download it again.")
        if count > MOST_MEMBERS:
            raise ArchiveError(
                f"{path}: more than {MOST_MEMBERS:,} files, which is no character's archive."
            )
        last = member.offset_data
        yield member
        _forget_headers(archive)


def _note_member(
    index: ArchiveIndex, open_clips: dict[str, ClipMembers], member: tarfile.TarInfo
) -> None:
    if member.isdir():
        return
    path = PurePosixPath(member.name)
    kind = "audio" if path.name in AUDIO_NAMES else "label" if path.name == LABEL_NAME else None
    # A sparse file's content does not lie in one piece; no tool writes clips that way.
    is_clip = kind is not None and member.isreg() and not member.issparse()
    if not is_clip or not path.parent.name or len(member.name) > LONGEST_NAME:
        index.other_members += 1
        return
    assert kind is not None
    clip = open_clips.get(str(path.parent))
    if clip is None or getattr(clip, kind) is not None:
        if len(index.clips) >= MOST_CLIPS:
            raise ArchiveError(f"{index.path}: more than {MOST_CLIPS:,} clips. Split it.")
        clip = ClipMembers(path.parent.name)
        open_clips[str(path.parent)] = clip
        index.clips.append(clip)
    setattr(clip, kind, Member(member.offset_data, member.size))


def _forget_headers(archive: tarfile.TarFile) -> None:
    """Keep the memory small: tarfile remembers every header it has read or written."""
    archive.members.clear()  # type: ignore[attr-defined]  # documented, but not in the type stubs


def _check_end(file: IO[bytes], offset: int, path: Path) -> None:
    """Tarfile takes a damaged header for the end; the true end is a block of zeros, or nothing."""
    size = file.seek(0, os.SEEK_END)
    file.seek(min(offset, size))
    if offset > size or file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise ArchiveError(f"{path}: damaged or cut off near byte {offset}. Copy it again.")


def read_clips(index: ArchiveIndex) -> Iterator[RawClip]:
    """Read the clips of an archive one after the other.

    Args:
        index: of index_archive.

    Yields:
        Every clip of the index, with None for each part that is missing or too large.

    Raises:
        ArchiveError: if the archive vanishes or cannot be read any more.
    """
    try:
        with open(index.path, "rb") as file:
            for clip in index.clips:
                too_large = tuple(
                    name
                    for name, member, limit in (
                        ("audio", clip.audio, LARGEST_AUDIO_BYTES),
                        ("label", clip.label, LARGEST_LABEL_BYTES),
                    )
                    if member is not None and member.size > limit
                )
                audio = None if "audio" in too_large else _read(file, clip.audio)
                label = None if "label" in too_large else _read(file, clip.label)
                yield RawClip(clip.ref, audio, label, too_large)
    except OSError as error:
        raise ArchiveError(f"{index.path}: cannot be read ({error.strerror or error}).") from None


def _read(file: IO[bytes], member: Member | None) -> bytes | None:
    if member is None:
        return None
    file.seek(member.offset)
    data = file.read(member.size)
    if len(data) < member.size:
        raise ArchiveError(f"{file.name}: shorter than it was a moment ago. Copy it again.")
    return data


def archive_sha256(path: Path) -> str:
    """Fingerprint of an archive's content, as 64 hexadecimal digits.

    Raises:
        ArchiveError: if the archive cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ArchiveError(f"{path}: there is no such archive. Check the name.") from None
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror or error}).") from None


class ArchiveWriter:
    """Writes a soundtools tar: `with ArchiveWriter(path) as archive: archive.add(...)`.

    The archive appears under its name only when it is complete; after an error nothing is left.
    The same clips give the same bytes, whoever writes them and whenever.

    Args:
        path: the tar to write; replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._refs: set[str] = set()

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._tar = tarfile.open(self._partial, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        return self

    def add(self, ref: str, waveform: Waveform, sample_rate: int, label: dict) -> None:
        """Append one clip.

        Args:
            ref: name of the clip, unique in the archive, usable as a folder's name.
            waveform: (T_wav,) float32 in -1..1; louder samples are cut off.
            sample_rate: Hz.
            label: content of label.json, in the form that parse_label reads; for a clip that was
                not trimmed, episode_interval is [0, seconds of the clip].

        Raises:
            ValueError: if the ref is unusable or was added before.
        """
        if not ref or ref in {".", ".."} or "/" in ref or "\\" in ref or "\0" in ref:
            raise ValueError(f"{ref!r} cannot name a clip")
        if ref in self._refs:
            raise ValueError(f"the clip {ref!r} was added before")
        self._refs.add(ref)
        text = json.dumps(label, ensure_ascii=False, allow_nan=False)
        self._add_file(f"{ref}/audio.wav", wav_bytes(waveform, sample_rate))
        self._add_file(f"{ref}/label.json", text.encode("utf-8", "replace"))

    def _add_file(self, name: str, data: bytes) -> None:
        # A fresh TarInfo has time 0 and owner 0.
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        _forget_headers(self._tar)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._tar.close()
            if error is None:
                os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)


def archive_seconds(index: ArchiveIndex) -> float:
    """Length of all clips of an archive, from their headers alone.

    Returns:
        Seconds; clips whose header does not tell count as 0.
    """
    total = 0.0
    with open(index.path, "rb") as file:
        for clip in index.clips:
            if clip.audio is not None:
                file.seek(clip.audio.offset)
                head = file.read(min(clip.audio.size, 1024))
                total += sound_seconds(head, clip.audio.size) or 0.0
    return total
