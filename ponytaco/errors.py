"""The base of every error that a user can cause."""

import errno

from ponytaco.printable import printable

_LONGEST_LINE = 2000


class PonytacoError(Exception):
    """A problem that the user can fix: the message tells what, where, and what to do next.

    The command line and the notebooks catch it, and ``OSError``, and show the message alone.
    Whatever else is raised is a bug in ponytaco and keeps its traceback.

    Its arguments are the lines of the message, most often one. What they quote from files may
    contain anything.
    """

    @property
    def lines(self) -> list[str]:
        """The lines of the message, printable."""
        return [printable(str(line)[:_LONGEST_LINE]) for line in self.args]

    def __str__(self) -> str:
        """Return the message, printable."""
        return "\n".join(self.lines)

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints in place of a traceback: it asks exceptions for this."""
        return [f"\N{WARNING SIGN} {self}"]


def disk_problem(error: Exception) -> str:
    """Return why a file could not be read or written, and what to do, in sentences."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EIO, errno.ENOTCONN):  # Drive's, which pass
        advice = "Try again in a few minutes; if it is on Drive, connect Drive again."
    elif number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = "Free some space, and try again."
    elif number in (errno.ENOENT, errno.ENOTDIR):
        advice = "Check the name, and that its folder is there."
    else:
        advice = "Check the name, and the space on the disk."
    return f"{getattr(error, 'strerror', None) or error}. {advice}"
