"""Archives of soundtools: one tar per character, `<ref>/audio.<wav|flac>` + `label.json`.

Nothing is ever unpacked to disk, and only one clip is in memory at a time.
"""

import contextlib
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from data_prep.containers import sound_seconds
from data_prep.sound_files import SOUND_SUFFIXES, any_seconds
from ponytaco.errors import PonytacoError
from ponytaco.formatting import and_more, shorten
from ponytaco.io.strangers import open_regular

LARGEST_AUDIO_BYTES = 64 * 2**20
"""15 seconds of 192 kHz stereo float are 23 MB; a larger member cannot be a clip."""

LARGEST_LABEL_BYTES = 2 * 2**20
"""A label of 15 seconds is about 10 kB."""

MOST_MEMBERS = 1_000_000
"""In one archive; the largest characters have some ten thousand clips."""

MOST_CLIPS = 100_000
"""In one archive: about 100 hours."""

LONGEST_NAME = 1_000
"""Characters of a clip's path in the archive."""

_LARGEST_HEADER_BYTES = 2**20
"""Of a member's extended header, such as a long name."""

LABEL_NAME = "label.json"
AUDIO_STEM = "audio"

MOST_NAMED = 3
"""Members that an error lists by name."""


class ArchiveError(PonytacoError):
    """Unreadable archive; the message tells what, where and what to do next."""


@dataclass(frozen=True)
class Member:
    """Position of one member's content in the tar file."""

    offset: int
    """Bytes from the start of the archive."""

    size: int
    """Bytes."""


@dataclass
class ClipMembers:
    """Tar members of one clip."""

    ref: str
    """Name of the clip's folder in the archive; unsafe as a file name."""

    audio: Member | None = None
    label: Member | None = None


@dataclass
class ArchiveIndex:
    """Table of contents of an archive, without any audio."""

    path: Path
    clips: list[ClipMembers] = field(default_factory=list)
    other_members: int = 0
    """Files, links and devices that belong to no clip (folders are not counted)."""

    others: list[str] = field(default_factory=list)
    """Names of the first few of these."""

    replaced_members: int = 0
    """Members that come again later in the archive, where the last one counts."""


@dataclass(frozen=True)
class RawClip:
    """Clip as read from the archive, not decoded."""

    ref: str
    audio: bytes | None
    """None if the archive has no audio for this clip, or if it is too large."""

    label: bytes | None
    """None if the archive has no label for this clip, or if it is too large."""

    too_large: tuple[str, ...] = ()
    """Which of "audio" and "label" was left unread because of its size."""


def index_archive(path: Path) -> ArchiveIndex:
    """Find the clips of an archive without reading their audio.

    Audio and label may come in any order and below further folders, in small or capital letters.
    Of a member that comes twice the last one counts, as when the archive is unpacked. Folders of
    the same last name are clips of the same ref.

    Args:
        path: an uncompressed tar.

    Returns:
        The clips in the order of the archive.

    Raises:
        ArchiveError: if the archive is missing, truncated, not a tar, or without clips.
    """
    index = ArchiveIndex(path)
    open_clips: dict[str, ClipMembers] = {}
    with _open(path) as file, _open_tar(file, path) as archive:
        for member in _members(archive, path):
            _note_member(index, open_clips, member)
        _check_end(file, archive.offset, path)
    if not index.clips:
        raise ArchiveError(_no_clips(index))
    return index


def _no_clips(index: ArchiveIndex) -> str:
    holds = f" It has {and_more(index.others, MOST_NAMED)}." if index.others else ""
    return (
        f"{index.path}: contains no clips.{holds} A clip is a pair of <name>/audio.wav (or .flac) "
        "and <name>/label.json. Unpack other recordings into a folder; `ponytaco pack` makes an "
        "archive of it."
    )


@contextlib.contextmanager
def _open(path: Path) -> Iterator[io.BufferedReader]:
    """Open an archive and turn errors of the file system into an ArchiveError."""
    try:
        with open_regular(path) as file:
            yield file
    except FileNotFoundError:
        raise ArchiveError(f"{path}: there is no such archive. Check the name.") from None
    except IsADirectoryError:
        raise ArchiveError(
            f"{path}: is a folder, not an archive. `ponytaco list` shows the archives in it; "
            "`ponytaco pack` makes one of your own recordings."
        ) from None
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _open_tar(file: IO[bytes], path: Path) -> tarfile.TarFile:
    with _tar_errors(path):
        return tarfile.open(fileobj=cast(IO[bytes], _HeaderReader(file)), mode="r:")


@contextlib.contextmanager
def _tar_errors(path: Path) -> Iterator[None]:
    """Turn what tarfile raises on a malformed archive into an ArchiveError."""
    try:
        yield
    except tarfile.TarError as error:
        raise ArchiveError(
            f"{path}: not a readable, uncompressed tar ({error}). "
            "Download it again; if it is compressed, uncompress it first."
        ) from None
    # Malformed numbers in a header, or headers without end.
    except (ValueError, LookupError, OverflowError, RecursionError, MemoryError) as error:
        raise ArchiveError(
            f"{path}: a header is damaged ({type(error).__name__}). Download it again."
        ) from None


class _HeaderReader:
    """File that refuses reads larger than a header.

    tarfile reads the long name or the extended header of a member at once, whatever its size.
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
    """Iterate over the headers without keeping them in memory."""
    last, count = -1, 0
    while (member := _next_member(archive, path)) is not None:
        count += 1
        # A negative size would lead back, into an endless loop.
        if member.size < 0 or member.offset_data <= last or archive.offset < member.offset_data:
            raise ArchiveError(f"{path}: damaged near byte {member.offset}. Download it again.")
        if count > MOST_MEMBERS:
            raise ArchiveError(
                f"{path}: more than {MOST_MEMBERS:,} files, too many for a character's archive."
            )
        last = member.offset_data
        yield member
        forget_headers(archive)


def _next_member(archive: tarfile.TarFile, path: Path) -> tarfile.TarInfo | None:
    with _tar_errors(path):
        return archive.next()


def _note_member(
    index: ArchiveIndex, open_clips: dict[str, ClipMembers], member: tarfile.TarInfo
) -> None:
    if member.isdir():
        return
    path = PurePosixPath(member.name.replace("\\", "/"))
    kind = _kind(path.name)
    # The content of a sparse file is not contiguous; no tool writes clips that way.
    is_clip = kind is not None and member.isreg() and not member.issparse()
    if not is_clip or not path.parent.name or len(member.name) > LONGEST_NAME:
        index.other_members += 1
        if len(index.others) <= MOST_NAMED:
            index.others.append(shorten(member.name, 100))
        return
    assert kind is not None
    clip = open_clips.get(str(path.parent))
    if clip is None:
        if len(index.clips) >= MOST_CLIPS:
            raise ArchiveError(f"{index.path}: more than {MOST_CLIPS:,} clips. Split it.")
        clip = ClipMembers(path.parent.name)
        open_clips[str(path.parent)] = clip
        index.clips.append(clip)
    index.replaced_members += getattr(clip, kind) is not None
    setattr(clip, kind, Member(member.offset_data, member.size))


def _kind(name: str) -> str | None:
    """Return "audio" or "label" for the name of such a member."""
    stem, _, suffix = name.casefold().rpartition(".")
    if name.casefold() == LABEL_NAME:
        return "label"
    return "audio" if stem == AUDIO_STEM and f".{suffix}" in SOUND_SUFFIXES else None


def forget_headers(archive: tarfile.TarFile) -> None:
    """Free memory: tarfile keeps every header that it has read or written."""
    archive.members.clear()  # type: ignore[attr-defined]  # documented, but not in the type stubs


def _check_end(file: IO[bytes], offset: int, path: Path) -> None:
    """Refuse an archive whose reading stopped early.

    tarfile takes a damaged header for the end of an archive; the true end is a block of zeros, or
    the end of the file.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(min(offset, size))
    if offset > size or file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise ArchiveError(f"{path}: damaged or truncated near byte {offset}. Copy it again.")


def read_clips(index: ArchiveIndex) -> Iterator[RawClip]:
    """Read the clips of an archive one after the other.

    Args:
        index: from index_archive.

    Yields:
        Every clip of the index, with None for each part that is missing or too large.

    Raises:
        ArchiveError: if the archive has vanished, changed, or become unreadable.
    """
    with _open(index.path) as file:
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


def _read(file: IO[bytes], member: Member | None) -> bytes | None:
    if member is None:
        return None
    file.seek(member.offset)
    data = file.read(member.size)
    if len(data) < member.size:
        raise ArchiveError(f"{file.name}: has become shorter while it was read. Copy it again.")
    return data


def archive_sha256(path: Path) -> str:
    """Compute the SHA-256 of an archive as 64 hexadecimal digits.

    Raises:
        ArchiveError: if the archive cannot be read.
    """
    with _open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive_seconds(index: ArchiveIndex) -> float:
    """Sum up the lengths of an archive's clips, read from their headers alone.

    Returns:
        Seconds; clips whose header does not tell count as 0.

    Raises:
        ArchiveError: if the archive cannot be read.
    """
    total = 0.0
    with _open(index.path) as file:
        for clip in index.clips:
            if clip.audio is not None:
                file.seek(clip.audio.offset)
                head = file.read(min(clip.audio.size, 1024))
                seconds = sound_seconds(head, clip.audio.size)
                if seconds is None and clip.audio.size <= LARGEST_AUDIO_BYTES:
                    # A large header, or another format, which has to be looked through.
                    seconds = any_seconds(head + file.read(clip.audio.size - len(head)))
                total += seconds or 0.0
    return total
