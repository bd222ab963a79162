"""The error of texts, beside nothing else so that every module of the room can raise it."""

from ponytaco.errors import PonytacoError


class TextError(PonytacoError):
    """A text cannot be spoken, or a cleaner does not exist."""
