"""A file layer that fails: at one operation, for some time, or for good."""

import dataclasses
import errno
import os

from ponytaco.io.store.files import Files

OPERATIONS = tuple(field.name for field in dataclasses.fields(Files))


class Kill(BaseException):
    """The process dies here: nothing after it is done, not even cleaning up."""


class Faults:
    """Counts operations, and fails those that it is told to.

    Args:
        fail_at: number of the first operation that fails; None fails none.
        n_failures: how many fail from there on.
        number: the error; None is the death of the process.
        only: names of the operations that count; all if left out.
    """

    def __init__(self, fail_at=None, n_failures=1, number=errno.EIO, only=OPERATIONS):
        self.count = 0
        self.done = []
        self._range = range(0) if fail_at is None else range(fail_at, fail_at + n_failures)
        self._number, self._only = number, only
        real = Files()
        self.files = Files(**{n: self._wrap(n, getattr(real, n)) for n in OPERATIONS})

    def _wrap(self, name, real):
        def operation(*args):
            if self.dead:
                raise Kill
            if name in self._only:
                number, self.count = self.count, self.count + 1
                self.done.append(name)
                if number in self._range:
                    if name == "write":  # as a full disk does: a part of it arrives
                        args[0].write(args[1][: len(args[1]) // 2])
                    if self._number is None:
                        self.dead = True
                        raise Kill
                    raise OSError(self._number, os.strerror(self._number))
            return real(*args)

        return operation

    dead = False
