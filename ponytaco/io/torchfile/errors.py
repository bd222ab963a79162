"""Errors about torch files."""

import re

from ponytaco.errors import PonytacoError


class TorchFileError(PonytacoError):
    """A file is not a torch file, is damaged, or makes impossible claims.

    The message is half a sentence, as 'it is empty': the caller knows what the file should be, and
    writes that before it.
    """


def shown(text: str | bytes, most: int = 60) -> str:
    """Return a file's text for a message: short, and without characters that steer a terminal."""
    text = text[:most].decode("latin-1") if isinstance(text, bytes) else text[:most]
    return re.sub(r"[^ -~]", "?", text)


def damaged() -> TorchFileError:
    """Return the error about a pickle that torch cannot have written."""
    return TorchFileError("it is damaged in its table of weights")
