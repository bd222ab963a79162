"""Files from public Google Drive folders, through gdown; and how to get them by hand."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponytaco.notebook.words import file_size

_ADDRESS = "https://drive.google.com"
# The soundtools folder's audio-trimmed-22khz.
_ARCHIVES_FOLDER = "11H3IoCeFnhHll0bzjUtC-njED5tCi78f"
_SOUNDTOOLS_FOLDER = "1SWIeZWjIYXvtktnHuztV916dTtNylrpD"
# NVIDIA's Tacotron 2 of the LJSpeech voice.
_NVIDIA_WEIGHTS = "1c5ZTuT7J08wLUoVZ2KkUs_VdZuJ86ZqA"

MOST_ARCHIVE_BYTES = 16 * 10**9
"""100 hours at 22,050 Hz, more than any character has."""

MOST_WEIGHTS_BYTES = 10**9
"""Of published weights; NVIDIA's Tacotron 2 has about 0.1 GB, WaveGlow 0.7."""

_LONGEST_REASON = 200

ADD_THE_SHORTCUT = (
    "To have the characters on your Drive: open "
    f"{_ADDRESS}/drive/folders/{_SOUNDTOOLS_FOLDER} in the browser, click the folder's name at "
    "the top (soundtools), then Organise > Add shortcut > My Drive > Add. Then run this cell "
    "again. For clips of your own use Prepare.ipynb."
)


class DownloadError(ValueError):
    """A file could not be downloaded."""


@dataclass(frozen=True)
class PublicArchive:
    """A character's archive in the public folder."""

    file_id: str
    name: str
    """The file's name, as 'Zecora.tar'."""


def list_public_archives() -> list[PublicArchive]:
    """The archives of the public soundtools folder.

    Raises:
        DownloadError: it cannot be listed; the text says how to go on by hand.
    """
    import gdown

    options: dict[str, Any] = {"id": _ARCHIVES_FOLDER, "skip_download": True, "quiet": True}
    if _takes(gdown.download_folder, "remaining_ok"):  # gdown 5 stops at 50 files without it
        options["remaining_ok"] = True
    try:
        files = gdown.download_folder(**options)
    except Exception as error:  # network, quota, a changed page: gdown has no common kind
        raise DownloadError(
            f"The public soundtools folder could not be listed ({_in_short(error)}). "
            f"{ADD_THE_SHORTCUT}"
        ) from error
    # Only the last part of a path: a name from outside must not choose a folder here.
    found = [PublicArchive(file.id, Path(file.path).name) for file in files or []]
    return [archive for archive in found if archive.name.endswith(".tar")]


def download(
    file_id: str,
    path: Path,
    what: str,
    *,
    most_bytes: int = MOST_ARCHIVE_BYTES,
    sha256: str | None = None,
) -> Path:
    """Download a public Drive file, unless it is there already.

    It appears under its name only when it is complete and what it should be.

    Args:
        file_id: on Drive.
        path: where to.
        what: in words, for the message.
        most_bytes: a larger file is broken off.
        sha256: of the file, 64 hexadecimal digits, where it is known.

    Raises:
        DownloadError: it did not come, is too large or another file; the text says how to get
            it by hand.
    """
    import gdown

    if path.is_file() and (sha256 is None or _sha256(path) == sha256):
        return path
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # gdown writes into a file object as it comes: only so can it be broken off.
        with _LimitedFile(partial, most_bytes) as file:
            gdown.download(id=file_id, output=file, quiet=False)
        _check_arrived(partial)
        if sha256 is not None and file.sha256.hexdigest() != sha256:
            raise DownloadError("it is another file than the one that is known to be good")
        os.replace(partial, path)
    except Exception as error:  # see above
        raise DownloadError(
            f"{what} could not be downloaded: {_in_short(error)}. Often too many people fetch it "
            f"at once; then try again tomorrow. By hand: open {_ADDRESS}/file/d/{file_id}/view in "
            f"the browser, download it, and put it at {path}; where Google refuses even that, "
            "add a copy of it to your own Drive first and download the copy."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return path


def nvidia_weights(folder: Path) -> Path:
    """NVIDIA's Tacotron 2 (LJSpeech), for a warm start.

    Raises:
        DownloadError: it did not come.
    """
    path = folder / "tacotron2_statedict.pt"
    return download(_NVIDIA_WEIGHTS, path, "NVIDIA's voice", most_bytes=MOST_WEIGHTS_BYTES)


class _LimitedFile(io.BufferedWriter):
    """A new file that takes so many bytes and no more, and keeps their digest."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        super().__init__(io.FileIO(path, "w"))
        self.sha256 = hashlib.sha256()
        self._left = self._most = most_bytes

    def write(self, data: Any) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise DownloadError(f"it is larger than {file_size(self._most)}, and was broken off")
        self.sha256.update(data)
        return super().write(data)


def _check_arrived(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(100).lstrip()
    if not head:
        raise DownloadError("Drive sent no file")
    if head.startswith(b"<"):
        raise DownloadError("Drive sent a web page and not the file")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _takes(function: Callable[..., object], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _in_short(error: Exception) -> str:
    """What gdown says over many lines, in one."""
    said = " ".join(str(error).split()) or type(error).__name__
    cut = said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]} …"
    return cut.rstrip(".")
