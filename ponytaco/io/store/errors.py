"""Errors of a store."""

from __future__ import annotations

import errno

from ponytaco.errors import PonytacoError


class StoreError(PonytacoError):
    """No save can be used, or one has been damaged."""


class UnreadableError(StoreError):
    """The disk does not let the saves be read: nothing is known of them."""


class NewerVersionError(PonytacoError):
    """A save was written by a newer ponytaco. A store's ``read`` raises it."""


def disk_error(error: BaseException | None) -> OSError | None:
    """Return the error of the disk that another error was made of; None if there is none."""
    while error is not None:
        # A damaged file may lead a reader to an impossible position, which is EINVAL.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.ENOENT):
            return error
        error = error.__cause__ or error.__context__
    return None
