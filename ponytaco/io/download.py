"""Downloads, of published weights and of other files: once, whole, and from the first place."""

from __future__ import annotations

import hashlib
import io
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ponytaco.errors import PonytacoError
from ponytaco.formatting import file_size
from ponytaco.io.atomic import atomic_write

_DRIVE = "https://drive.google.com"
_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 2**20
_NO_CONNECTION = "there is no connection"
_QUOTA_HINT = (
    "Google refuses files that too many people fetch at once. Then try again tomorrow, or add a "
    "copy of the file to your own Drive and download the copy."
)


class DownloadError(PonytacoError):
    """A file could not be downloaded; the text says how to get it by hand."""


class _NotTheFile(DownloadError):
    """A site answered, but with something else."""


def drive(file_id: str) -> str:
    """The address of a public file on Google Drive."""
    return f"{_DRIVE}/file/d/{file_id}/view"


def download(
    addresses: Sequence[str],
    path: Path,
    what: str,
    *,
    most_bytes: int,
    sha256: str = "",
    log: Callable[[str], None] = print,
) -> Path:
    """Download a file from the first address that has it, unless it is there already.

    It appears under its name only when it is complete and what it should be.

    Args:
        addresses: https addresses, also of public files on Google Drive (``drive``).
        path: where to.
        what: in words, for the messages.
        most_bytes: a larger file is broken off.
        sha256: of the file, 64 hexadecimal digits; '' where it is not known.
        log: takes a sentence when a download begins, and when another address is tried.

    Raises:
        DownloadError: it did not come, is too large or another file; the text says in numbered
            lines how to get it by hand.
    """
    if path.is_file() and (not sha256 or _digest(path) == sha256):
        return path
    reasons: dict[str, str] = {}
    drive_answered = False
    for address in addresses:
        if reasons:
            log(f"That did not work: {[*reasons.values()][-1]}.")
        log(f"Downloading {what} from {address} …")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as partial:
                with _LimitedFile(partial, most_bytes) as file:
                    _get(address, file)
                _check(partial, file.sha256.hexdigest(), sha256)
            return path
        except Exception as error:  # network, quota, disk: gdown and urllib have no common kind
            on_drive = _is_on_drive(address)
            reasons[address] = in_words(error, on_drive)
            drive_answered |= on_drive and _is_an_answer(error)
    raise DownloadError(_by_hand(what, path, reasons, _QUOTA_HINT if drive_answered else ""))


def _by_hand(what: str, path: Path, reasons: dict[str, str], hint: str) -> str:
    if len(set(reasons.values())) == 1:
        why = next(iter(reasons.values()))
    else:
        hosts = [
            f"{urllib.parse.urlsplit(place).hostname}: {why}" for place, why in reasons.items()
        ]
        why = "; ".join(hosts)
    lines = [
        f"{what} could not be downloaded ({why}). To get it by hand:",
        f"1. Open {' or '.join(reasons)} in a browser.",
        "2. Download the file.",
        f"3. Put it at {path}",
    ]
    return "\n".join([*lines, hint] if hint else lines)


def in_words(error: Exception, on_drive: bool = False) -> str:
    """Why something did not come, in a few words: errors' own texts help nobody.

    Args:
        error: of urllib, of gdown, of the disk, or one of ours.
        on_drive: whether it comes of asking Google Drive.
    """
    if isinstance(error, DownloadError):
        return str(error)
    if isinstance(error, urllib.error.HTTPError):
        return f"the site answers with error {error.code}"
    of_network = (urllib.error.URLError, ConnectionError, TimeoutError, socket.gaierror)
    if isinstance(error, of_network) or _is_of_requests(error):
        return _NO_CONNECTION
    if isinstance(error, OSError):
        return f"the disk says: {error.strerror or type(error).__name__}"
    if on_drive:
        return "Google Drive does not give it out now"
    return f"the answer cannot be read ({type(error).__name__})"


def _is_of_requests(error: Exception) -> bool:
    """Gdown's network errors; it alone needs that package."""
    return type(error).__module__.partition(".")[0] in ("requests", "urllib3", "http")


def _is_an_answer(error: Exception) -> bool:
    """Of Google Drive: gdown complains of the page that came in place of the file."""
    if isinstance(error, DownloadError):
        return isinstance(error, _NotTheFile)
    return not isinstance(error, OSError)


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


def _is_on_drive(address: str) -> bool:
    return address.startswith(f"{_DRIVE}/file/d/")


def _get(address: str, file: _LimitedFile) -> None:
    if _is_on_drive(address):
        import gdown

        # It writes into a file object as the bytes come: only so can it be broken off.
        gdown.download(id=address.split("/")[5], output=file, quiet=False)
        return
    if not address.startswith("https://"):
        raise DownloadError("it is no https address")
    with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:
        if not answer.geturl().startswith("https://"):
            raise DownloadError("it leads to an address that is not https")
        expected = answer.headers.get("Content-Length")
        n_bytes = 0
        while chunk := answer.read(_CHUNK_BYTES):
            n_bytes += file.write(chunk)
        if expected is not None and int(expected) != n_bytes:
            raise DownloadError("the connection broke off")


def _check(path: Path, digest: str, wanted: str) -> None:
    with path.open("rb") as file:
        head = file.read(100).lstrip()
    if not head:
        raise _NotTheFile("nothing came")
    if head[:1] == b"<":
        raise _NotTheFile("a web page came and not the file")
    if wanted and digest != wanted:
        raise DownloadError("it is another file than the one that is known to be good")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
