"""Errors about torch files."""

from ponytaco.errors import PonytacoError


class TorchFileError(PonytacoError):
    """A file is not a torch file, is damaged, or makes impossible claims.

    The message is half a sentence, as 'it is empty': the caller knows what the file should be, and
    writes that before it.
    """


def damaged() -> TorchFileError:
    """Return the error about a pickle that torch cannot have written."""
    return TorchFileError("it is damaged in its table of weights")
