"""How a voice shall speak, as a notebook's form gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ponytaco.io.text_files import read_text
from ponytaco.notebook.environment import friendly
from ponytaco.notebook.storage import Storage, StorageError
from ponytaco.notebook.vocoders import get_vocoder
from ponytaco.synthesis.options import SpeechOptions
from ponytaco.text.errors import TextError
from ponytaco.text.styles import find_style

AS_WRITTEN = "as written"


@dataclass(frozen=True)
class Manner:
    """How a voice shall speak.

    Attributes:
        delivery: the ways of speaking.
        vocoder: its name or its file.
        dictionaries: pronunciations of the user's own.
    """

    delivery: SpeechOptions = field(default_factory=SpeechOptions)
    vocoder: str = "griffin_lim"
    dictionaries: tuple[Path, ...] = ()


@friendly
def manner(
    storage: Storage,
    style: str = AS_WRITTEN,
    best_of: int = 1,
    speed: float = 1.0,
    vocoder: str = "griffin_lim",
    dictionary: str = "",
) -> Manner:
    """Read a form.

    Args:
        storage: of ``connect_storage``; the dictionary's place counts from its root.
        style: a style's name, or 'as written' in the text.
        best_of: takes of each sentence, of which the best is used.
        speed: 0.5 to 2, at the same pitch.
        vocoder: its name or its file; what must be downloaded is kept in the storage.
        dictionary: a file in CMUdict's form, as 'my words.txt'; none if empty.

    Raises:
        NotebookError: a field cannot be.
    """
    named = "" if style in ("", AS_WRITTEN) else find_style(style)
    delivery = SpeechOptions(style=named, best_of=best_of, speed=speed)
    dictionaries = (_file(storage, dictionary),) if dictionary.strip() else ()
    return Manner(delivery, get_vocoder(vocoder, storage), dictionaries)


@friendly
def text_of(storage: Storage, text: str, file: str = "") -> str:
    """The text of a form: what is in its field, or in a file where one is named.

    Args:
        storage: of ``connect_storage``; the file's place counts from its root.
        text: the field.
        file: a text file in UTF-8, as 'story.txt'; none if empty.

    Raises:
        NotebookError: there is no such file, or it is no text.
    """
    return read_text(_file(storage, file), TextError) if file.strip() else text


def _file(storage: Storage, place: str) -> Path:
    path = storage.root / Path(place.strip()).expanduser()
    if not path.is_file():
        raise StorageError(
            f"There is no file {path}. Check the name; on Drive, small and capital letters."
        )
    return path
