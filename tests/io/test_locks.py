"""One process at a time writes a folder."""

import subprocess
import sys

import pytest

from ponytaco.errors import PonytacoError
from ponytaco.io.locks import sole_writer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks there")

HOLDER = """
import sys
from pathlib import Path
from ponytaco.errors import PonytacoError
from ponytaco.io.locks import sole_writer
with sole_writer(Path(sys.argv[1]), PonytacoError):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["Me.tar", "data", "with spaces"])
def test_a_second_process_is_told_and_the_next_one_is_not(tmp_path, name):
    path = tmp_path / name
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "held\n"
        told = pytest.raises(PonytacoError, match="being written by another process")
        with told, sole_writer(path, PonytacoError):
            pass
        with sole_writer(tmp_path / "another", PonytacoError):
            pass
        process.stdin.close()
        assert process.wait(20) == 0
    with sole_writer(path, PonytacoError):
        assert [p.name for p in tmp_path.iterdir()] == [f".{name}.lock"]
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path):
    path = tmp_path / "Me.tar"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        process.stdout.readline()
        process.kill()
    with sole_writer(path, PonytacoError):
        pass
    assert not list(tmp_path.iterdir())


def test_an_error_within_frees_the_lock(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), sole_writer(tmp_path / "a", PonytacoError):
            raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
