"""The error of texts, beside nothing else so that every module of the room can raise it."""


class TextError(ValueError):
    """A text cannot be spoken, or a cleaner does not exist."""
