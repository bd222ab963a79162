"""Files from public Google Drive folders, through gdown; and how to get them by hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_ADDRESS = "https://drive.google.com"
# The soundtools folder's audio-trimmed-22khz.
_ARCHIVES_FOLDER = "11H3IoCeFnhHll0bzjUtC-njED5tCi78f"
_SOUNDTOOLS_FOLDER = "1SWIeZWjIYXvtktnHuztV916dTtNylrpD"
# NVIDIA's Tacotron 2 of the LJSpeech voice.
_NVIDIA_WEIGHTS = "1c5ZTuT7J08wLUoVZ2KkUs_VdZuJ86ZqA"

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

    try:
        files = gdown.download_folder(
            id=_ARCHIVES_FOLDER, skip_download=True, quiet=True, remaining_ok=True
        )
    except Exception as error:  # network, quota, a changed page: gdown has no common kind
        raise DownloadError(
            f"The public soundtools folder could not be listed ({error}). {ADD_THE_SHORTCUT}"
        ) from error
    # Only the last part of a path: a name from outside must not choose a folder here.
    found = [PublicArchive(file.id, Path(file.path).name) for file in files or []]
    return [archive for archive in found if archive.name.endswith(".tar")]


def download(file_id: str, path: Path, what: str) -> Path:
    """Download a public Drive file, unless it is there already.

    It appears under its name only when it is complete.

    Args:
        file_id: on Drive.
        path: where to.
        what: in words, for the message.

    Raises:
        DownloadError: it did not come; the text says how to get it by hand.
    """
    import gdown

    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        arrived = gdown.download(id=file_id, output=str(partial), quiet=False)
        if arrived is None or not partial.is_file():
            raise DownloadError("Drive sent no file")
        os.replace(partial, path)
    except Exception as error:  # see above
        partial.unlink(missing_ok=True)
        raise DownloadError(
            f"{what} could not be downloaded ({error}). Often too many people fetch it at once: "
            f"try again later, or download {_ADDRESS}/file/d/{file_id}/view in the browser and "
            f"put it at {path}."
        ) from error
    return path


def nvidia_weights(folder: Path) -> Path:
    """NVIDIA's Tacotron 2 (LJSpeech), for a warm start.

    Raises:
        DownloadError: it did not come.
    """
    return download(_NVIDIA_WEIGHTS, folder / "tacotron2_statedict.pt", "NVIDIA's voice")
