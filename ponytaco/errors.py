"""The base of every error that a user can cause."""


class PonytacoError(Exception):
    """A problem that the user can fix: the message tells what, where, and what to do next.

    The command line and the notebooks catch it, and ``OSError``, and show the message alone.
    Whatever else is raised is a bug in ponytaco and keeps its traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints in place of a traceback: it asks exceptions for this."""
        return [f"\N{WARNING SIGN} {self}"]
