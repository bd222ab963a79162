"""Base class of this package's errors."""

from ponytaco.errors import PonytacoError


class DataPrepError(PonytacoError):
    """Error that a user can fix; a notebook shows its message without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints in place of a traceback."""
        return [f"\N{WARNING SIGN} {self}"]
