"""Errors of texts."""

from ponytaco.errors import PonytacoError
from ponytaco.formatting import shorten


class TextError(PonytacoError):
    """A text cannot be spoken, or a cleaner does not exist."""


def nothing_to_speak(text: str) -> TextError:
    """Return the error of a text without letters and phones."""
    return TextError(f"Nothing in the text '{shorten(text, 60)}' can be spoken. Write some words.")
