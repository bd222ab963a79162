"""Errors about tensor files."""

from ponytaco.errors import PonytacoError


class TensorFileError(PonytacoError):
    """A file is not a safetensors file, is damaged, or makes impossible claims.

    The message is half a sentence, as 'it is empty': the caller knows what the file should be, and
    writes that before it.
    """


def damaged_header() -> TensorFileError:
    """Return the error about a header that no writer of the format makes."""
    return TensorFileError("it is damaged in its header")
