"""The speech form: what a notebook's fields say about speaking, and the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ponytaco.io.text_files import read_text
from ponytaco.notebook.errors import NotebookError, explain_errors
from ponytaco.notebook.fields import bare, number
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.vocoders import get_vocoder
from ponytaco.synthesis.options import SpeechOptions
from ponytaco.text.errors import TextError
from ponytaco.text.styles import find_style
from ponytaco.vocoders.choice import AUTO

AS_WRITTEN = "as written"


@dataclass(frozen=True)
class SpeechSettings:
    """Settings of a voice that speaks.

    Attributes:
        options: style, speed and number of takes.
        vocoder: name, or file of weights.
        dictionaries: the user's own pronunciations, in the format of CMUdict.
    """

    options: SpeechOptions = field(default_factory=SpeechOptions)
    vocoder: str = AUTO
    dictionaries: tuple[Path, ...] = ()


@explain_errors
def speech_settings(
    storage: Storage,
    style: str = AS_WRITTEN,
    best_of: int = 1,
    speed: float = 1.0,
    vocoder: str = AUTO,
    dictionary: str = "",
) -> SpeechSettings:
    """Check the fields of a form; a published vocoder is downloaded once.

    Args:
        storage: from ``connect_storage``.
        style: name of a style, or 'as written' in the text.
        best_of: takes of each sentence, of which the best is used.
        speed: 0.5 to 2, at the same pitch.
        vocoder: name, or file of weights.
        dictionary: file in the format of CMUdict, relative to the storage; none if empty.

    Raises:
        PonytacoError: a field has a wrong value.
    """
    style, dictionary = bare(style), bare(dictionary)
    known_style = "" if style.lower() in ("", AS_WRITTEN) else find_style(style)
    options = SpeechOptions(
        style=known_style,
        best_of=number("best_of", best_of, 1),  # type: ignore[arg-type]  # SpeechOptions checks it
        speed=number("speed", speed, 1.0),
    )
    dictionaries = (_file(storage, dictionary),) if dictionary else ()
    return SpeechSettings(options, get_vocoder(storage, bare(vocoder) or AUTO), dictionaries)


@explain_errors
def text_to_speak(storage: Storage, text: str, text_file: str = "") -> str:
    """Return the content of a text file if a form names one, else the form's text.

    Args:
        storage: from ``connect_storage``.
        text: the form's text.
        text_file: such as 'story.txt', in UTF-8, relative to the storage; none if empty.

    Raises:
        PonytacoError: there is no such file, or it is not a text.
    """
    if bare(text_file):
        return read_text(_file(storage, text_file), TextError)
    return text or ""


def _file(storage: Storage, name: str) -> Path:
    path = storage.resolve(name)
    if not path.is_file():
        raise NotebookError(
            f"There is no file {path}. Check the name; on Drive, capital and small letters differ."
        )
    return path
