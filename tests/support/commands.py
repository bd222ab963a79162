"""Commands run in this process, and what is expected of those that fail."""

import errno
import os

import pytest

from ponytaco.cli import main

TINY = ["--preset", "tiny", "--batch-size", "4", "--device", "cpu"]


def refused(capsys, *words):
    """Run a command that must fail: exit code 1 and one line on stderr, which is returned."""
    code = main([str(word) for word in words])
    printed = capsys.readouterr().err
    assert code == 1
    assert printed.startswith("ponytaco: ") and printed.endswith("\n")
    assert printed.count("\n") == 1, printed
    assert "Traceback" not in printed
    return printed


def misused(capsys, *words):
    """Run a misused command: exit code 2 and two lines on stderr, which are returned."""
    with pytest.raises(SystemExit) as exit_:
        main([str(word) for word in words])
    printed = capsys.readouterr().err
    assert exit_.value.code == 2 and printed.count("\n") == 2
    return printed


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
