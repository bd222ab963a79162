"""Archives of the public soundtools folder on Google Drive."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponytaco.io.download import DownloadError, describe_error, download, drive, in_time
from ponytaco.io.names import safe_name

# Its audio-trimmed-22khz.
_ARCHIVES_FOLDER = "11H3IoCeFnhHll0bzjUtC-njED5tCi78f"
_SOUNDTOOLS_FOLDER = "1SWIeZWjIYXvtktnHuztV916dTtNylrpD"

PUBLIC_FOLDERS = (_SOUNDTOOLS_FOLDER, _ARCHIVES_FOLDER)
"""Ids on Drive of the folders with the archives."""
_LISTING_SECONDS = 300

MOST_ARCHIVE_BYTES = 16 * 10**9
"""Limit of a download: 100 hours at 22,050 Hz, more than any character has."""

ADD_THE_SHORTCUT = (
    f"To add the characters to your Drive: open https://drive.google.com/drive/folders/"
    f"{_SOUNDTOOLS_FOLDER} in the browser, click the folder's name at the top (soundtools), then "
    "Organise > Add shortcut > My Drive > Add, and run this cell again. For your own recordings, "
    "use Prepare.ipynb."
)


@dataclass(frozen=True)
class PublicArchive:
    """A character's archive in the public folder."""

    file_id: str
    name: str
    """File name, such as 'Zecora.tar'."""


def list_public_archives() -> list[PublicArchive]:
    """List the archives of the public soundtools folder.

    Raises:
        DownloadError: the folder cannot be listed; the message tells what to do by hand.
    """
    import gdown

    options: dict[str, Any] = {"id": _ARCHIVES_FOLDER, "skip_download": True, "quiet": True}
    if _takes(gdown.download_folder, "remaining_ok"):  # gdown 5 stops at 50 files without it
        options["remaining_ok"] = True
    try:
        files = in_time(_LISTING_SECONDS, lambda: gdown.download_folder(**options))
    except Exception as error:  # network, quota, a changed page: gdown has no common base
        raise DownloadError(
            f"The public soundtools folder could not be listed ({describe_error(error, True)}). "
            f"{ADD_THE_SHORTCUT}"
        ) from error
    # Only the last part of a path: a name from outside must not choose a local folder.
    paths = [(file.id, Path(file.path)) for file in files or []]
    taken: set[str] = set()
    return [
        PublicArchive(id_, f"{safe_name(path.stem, taken, any_letters=True)}.tar")
        for id_, path in paths
        if path.suffix == ".tar"
    ]


def download_archive(archive: PublicArchive, folder: Path) -> Path:
    """Download a public archive, unless it is there already.

    Raises:
        DownloadError: the download failed or is too large; the message tells how to get the
            archive by hand.
    """
    what = f"{Path(archive.name).stem}'s archive"
    return download(
        [drive(archive.file_id)], folder / archive.name, what, most_bytes=MOST_ARCHIVE_BYTES
    )


def _takes(function: Callable[..., object], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
