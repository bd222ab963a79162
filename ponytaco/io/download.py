"""Downloads: each file once, complete, and from the first address that has it."""

from __future__ import annotations

import functools
import hashlib
import io
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ponytaco.errors import PonytacoError
from ponytaco.formatting import duration, file_size
from ponytaco.io.answers import wrong_answer
from ponytaco.io.atomic import atomic_write
from ponytaco.io.store.files import digest
from ponytaco.printable import say

_DRIVE = "https://drive.google.com"
_STALL_SECONDS = 60
# A download may take the time of its largest possible size at this speed, which is 2 Mbit/s.
_LEAST_SECONDS, _SLOWEST_BYTES = 300, 250_000
_POLL_SECONDS = 0.5
_CHUNK_BYTES = 2**20
_NO_CONNECTION = "there is no connection"
_NOT_HTTPS = "it leads to an address that is not https"
_QUOTA_HINT = (
    "Google refuses files that too many people fetch at once. Then try again tomorrow, or add a "
    "copy of the file to your own Drive and download the copy."
)


T = TypeVar("T")


class DownloadError(PonytacoError):
    """A file could not be downloaded; the message tells how to get it by hand."""


class _WrongContentError(DownloadError):
    """A site answered, but not with the file."""


def drive(file_id: str) -> str:
    """Return the address of a public file on Google Drive."""
    return f"{_DRIVE}/file/d/{file_id}/view"


def download(
    addresses: Sequence[str],
    path: Path,
    what: str,
    *,
    most_bytes: int,
    sha256: str = "",
    log: Callable[[str], None] = say,
) -> Path:
    """Download a file from the first address that has it, unless it exists already.

    The file appears under its name only when it is complete, has the right digest, and is no page
    or error that a site sent instead. A file that was there before stays until then.

    Args:
        addresses: https addresses, also of public files on Google Drive (``drive``).
        path: the file to write.
        what: a description of the file for messages.
        most_bytes: limit of the size, and by a slow connection of the time, from each address.
        sha256: the file's digest, 64 hexadecimal digits; '' if unknown.
        log: takes a message when a download begins and when another address is tried.

    Raises:
        DownloadError: if no address gave the file; the message tells in numbered lines how to get
            it by hand.
    """
    if path.is_file() and (not sha256 or digest(path) == sha256) and not wrong_answer(path):
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
                    seconds = _LEAST_SECONDS + most_bytes / _SLOWEST_BYTES
                    in_time(seconds, functools.partial(_get, address, file), lambda: file.n_bytes)
                _check(partial, file.sha256.hexdigest(), sha256)
            return path
        except Exception as error:  # network, quota, disk: gdown and urllib have no common kind
            on_drive = _is_on_drive(address)
            reasons[address] = describe_error(error, on_drive)
            drive_answered |= on_drive and _is_an_answer(error)
    raise DownloadError(*_by_hand(what, path, reasons, _QUOTA_HINT if drive_answered else ""))


def _by_hand(what: str, path: Path, reasons: dict[str, str], hint: str) -> list[str]:
    if len(set(reasons.values())) == 1:
        why = next(iter(reasons.values()))
    else:
        why = "; ".join(
            f"{urllib.parse.urlsplit(address).hostname}: {reason}"
            for address, reason in reasons.items()
        )
    lines = [
        f"{what} could not be downloaded ({why}). To get it by hand:",
        f"1. Open {' or '.join(reasons)} in a browser.",
        "2. Download the file.",
        f"3. Put it at {path}",
    ]
    return [*lines, hint] if hint else lines


def describe_error(error: Exception, on_drive: bool = False) -> str:
    """Explain a failed download in a few words: the errors' own texts help nobody.

    Args:
        error: an error of urllib, gdown or the disk, or a DownloadError.
        on_drive: whether the address was one of Google Drive.
    """
    if isinstance(error, DownloadError):
        return str(error)
    if isinstance(error, urllib.error.HTTPError):
        return f"the site answers with error {error.code}"
    if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
        return "the site's certificate cannot be verified"
    of_network = (urllib.error.URLError, ConnectionError, TimeoutError, socket.gaierror)
    if isinstance(error, of_network) or _is_of_requests(error):
        return _NO_CONNECTION
    if isinstance(error, OSError):
        return f"the disk reports: {error.strerror or type(error).__name__}"
    if on_drive:
        return "Google Drive does not give it out at the moment"
    return f"the answer cannot be read ({type(error).__name__})"


def _is_of_requests(error: Exception) -> bool:
    """Whether an error is one of gdown's network errors; gdown alone needs that package."""
    return type(error).__module__.partition(".")[0] in ("requests", "urllib3", "http")


def _is_an_answer(error: Exception) -> bool:
    """Whether Google Drive answered: gdown raises an error about the page that it sent instead."""
    if isinstance(error, DownloadError):
        return isinstance(error, _WrongContentError)
    return not isinstance(error, OSError)


def in_time(
    seconds: float, action: Callable[[], T], progress: Callable[[], int] | None = None
) -> T:
    """Run what waits for a network, and give it up where it takes too long.

    It runs in a thread, which is left behind then: gdown has no limits of its own, and those of
    sockets begin anew with each byte.

    Args:
        seconds: limit of the whole.
        action: what to run; its errors are raised here.
        progress: returns a number that changes while bytes come; without it stalls do not count.

    Raises:
        DownloadError: if it takes longer, or nothing comes for a minute.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started = moved_at = time.monotonic()
    before = 0
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        now = time.monotonic()
        if progress is None or progress() != before:
            before, moved_at = progress() if progress else 0, now
        if thread.is_alive() and now - started > seconds:
            raise DownloadError(f"it takes longer than {duration(seconds)}")
        if thread.is_alive() and now - moved_at > _STALL_SECONDS:
            raise DownloadError(f"nothing came for {duration(_STALL_SECONDS)}")
    if errors:
        raise errors[0]
    return results[0]


class _LimitedFile(io.BufferedWriter):
    """A new file with a limited size that computes its digest as it is written."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        super().__init__(io.FileIO(path, "w"))
        self.sha256 = hashlib.sha256()
        self._most = most_bytes
        self.n_bytes = 0

    def write(self, data: Any) -> int:
        self.n_bytes += len(data)
        if self.n_bytes > self._most:
            raise DownloadError(f"it is larger than {file_size(self._most)}")
        self.sha256.update(data)
        return super().write(data)


def _is_on_drive(address: str) -> bool:
    return address.startswith(f"{_DRIVE}/file/d/")


def _get(address: str, file: _LimitedFile) -> None:
    if _is_on_drive(address):
        import gdown

        # It writes into a file object as the bytes come, so that a large file can be stopped.
        gdown.download(id=address.split("/")[5], output=file, quiet=False)
        return
    if not address.startswith("https://"):
        raise DownloadError("it is not an https address")
    with open_https(address, _STALL_SECONDS) as answer:
        if not answer.geturl().startswith("https://"):
            raise DownloadError(_NOT_HTTPS)
        expected = answer.headers.get("Content-Length")
        while chunk := answer.read1(_CHUNK_BYTES):
            file.write(chunk)
        if expected is not None and int(expected) != file.n_bytes:
            raise DownloadError("the connection was lost")


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Refuses redirections to addresses that are not https, those on the way included."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith("https://"):
            raise DownloadError(_NOT_HTTPS)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(address: str, timeout: float) -> Any:
    """Open an https address with urllib, over https alone."""
    return urllib.request.build_opener(_HttpsOnly).open(address, timeout=timeout)


def _check(path: Path, sha256: str, expected: str) -> None:
    if wrong := wrong_answer(path):
        raise _WrongContentError(wrong)
    if expected and sha256 != expected:
        raise DownloadError("it is not the file that is known to be good")
