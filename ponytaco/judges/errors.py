"""The error of the judges."""

from ponytaco.errors import PonytacoError


class JudgeError(PonytacoError):
    """A judge cannot be opened: its package or its weights are missing or damaged."""
