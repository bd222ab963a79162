"""The install cell, which stands alone: it is run before ponytaco is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import tomllib
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.notebook_copies import NOTEBOOKS, ROOT, cells_of, fill_in

from ponytaco.notebook import environment

CELL = cells_of(NOTEBOOKS / "Training.ipynb")[0]
GITHUB = "git+https://github.com/some-pony/taco"


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The working folder, Colab's Files."""
    monkeypatch.delenv("PONYTACO_SOURCE", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def install(monkeypatch, address, printed="", code=0):
    """Run the cell with a stand-in for pip, and return what pip was asked to install."""
    asked = []

    def pip(command, **options):
        asked.append(command[-1])
        return subprocess.CompletedProcess(command, code, printed)

    monkeypatch.setattr(subprocess, "run", pip)
    source, filled = fill_in(CELL, {"address": address})
    assert filled == {"address"}
    exec(source, {"__name__": "__main__"})
    package, *_ = asked
    assert package.startswith("ponytaco[notebook,hifigan,dictionary,align,judge] @ ")
    return package.removeprefix("ponytaco[notebook,hifigan,dictionary,align,judge] @ ")


def refusal(monkeypatch, address, printed="", code=1):
    """Run the cell, and return the lines that IPython shows in place of a traceback."""
    with pytest.raises(Exception) as raised:
        install(monkeypatch, address, printed, code)
    (line,) = raised.value._render_traceback_()
    assert line.startswith("⚠ ") and line.endswith(".") and "\n" not in line
    return line


@pytest.mark.parametrize("missing", [["distillmos", "resemblyzer"], ["resemblyzer"], []])
def test_weights_of_judges_are_installed_without_what_they_ask_for(missing, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(environment, "is_installed", lambda name: name not in missing)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: asked.append(command))
    environment.finish_installation()
    packages = [command[command.index("--no-deps") + 1 :] for command in asked]
    assert packages == ([missing] if missing else [])
    assert "is installed" in capsys.readouterr().out


def test_an_installation_without_those_weights_is_one_too(monkeypatch, capsys):
    def fails(command, **options):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(environment, "is_installed", lambda name: False)
    monkeypatch.setattr(subprocess, "run", fails)
    environment.finish_installation()
    assert "is installed" in capsys.readouterr().out


# Addresses


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/some-pony/taco",
        "https://github.com/some-pony/taco/",
        "https://github.com/some-pony/taco//",
        "https://github.com/some-pony/taco.git",
        "https://github.com/some-pony/taco.git/",
        "http://github.com/some-pony/taco",
        "HTTPS://github.com/some-pony/taco",
        "git+https://github.com/some-pony/taco",
        "github.com/some-pony/taco",
        "github.com/some-pony/taco/",
        "www.github.com/some-pony/taco",
        "https://www.github.com/some-pony/taco",
        "git@github.com:some-pony/taco.git",
        "https://github.com/some-pony/taco?tab=readme-ov-file",
        "https://github.com/some-pony/taco#readme",
        "  https://github.com/some-pony/taco \n",
        "\u00a0'https://github.com/some-pony/taco'\u200b",
        '"github.com/some-pony/taco"',
        "<https://github.com/some-pony/taco>",
    ],
)
def test_an_address_in_all_its_forms(address, monkeypatch, capsys):
    assert install(monkeypatch, address) == GITHUB
    assert "is installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://github.com/some-pony/taco/tree/main", f"{GITHUB}@main"),
        ("https://github.com/some-pony/taco/tree/main/", f"{GITHUB}@main"),
        ("github.com/some-pony/taco/tree/v0.2.0/notebooks?x=1", f"{GITHUB}@v0.2.0"),
        ("https://github.com/some-pony/taco/blob/dev/notebooks/Training.ipynb", f"{GITHUB}@dev"),
        ("https://colab.research.google.com/github/some-pony/taco/blob/main/notebooks/"
         "Training.ipynb#scrollTo=a", f"{GITHUB}@main"),
        ("https://github.com/some-pony/taco@dev", f"{GITHUB}@dev"),
        ("https://github.com/some-pony/taco.git@dev", f"{GITHUB}@dev"),
        ("https://gitlab.com/ponies/voices/taco/-/tree/main",
         "git+https://gitlab.com/ponies/voices/taco@main"),
        ("codeberg.org/pony/taco/src/branch/main", "git+https://codeberg.org/pony/taco@main"),
        ("https://git.sr.ht/~pony/taco", "git+https://git.sr.ht/~pony/taco"),
        ("https://github.com/a/b/archive/refs/heads/main.zip",
         "https://github.com/a/b/archive/refs/heads/main.zip"),
        ("example.org/files/ponytaco.tar.gz", "https://example.org/files/ponytaco.tar.gz"),
    ],
)  # fmt: skip
def test_pages_branches_and_files_of_a_repository(address, url, monkeypatch):
    assert install(monkeypatch, address) == url


@pytest.mark.parametrize("address", ["", "   ", "\n", "''", '""', "\u00a0"])
def test_an_empty_address_says_what_to_fill_in(address, monkeypatch):
    assert "Fill in 'address'" in refusal(monkeypatch, address)


@pytest.mark.parametrize(
    "address", ["https://github.com", "https://github.com/pony", "https://", "ftp://x.org/a/b"]
)
def test_what_is_no_repository(address, monkeypatch):
    assert "https://github.com/OWNER/NAME" in refusal(monkeypatch, address)


# Files


def make_project(folder):
    (folder / "ponytaco").mkdir(parents=True)
    (folder / "ponytaco" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def make_zip(path, names):
    """Write a zip with the project's settings and some of its files, each below a prefix."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            settings = name.endswith("pyproject.toml") and "__MACOSX" not in name
            content = (ROOT / "pyproject.toml").read_bytes() if settings else b""
            archive.writestr(name, content)
    return path.name


@pytest.mark.parametrize("prefix", ["", "ponytaco-main/", "my files/ponytaco/", "a/b/ponytaco/"])
@pytest.mark.parametrize("junk", [[], ["__MACOSX/._ponytaco", "__MACOSX/x/._pyproject.toml",
                                       "__MACOSX/pyproject.toml", ".DS_Store"]])  # fmt: skip
@pytest.mark.parametrize("name", ["ponytaco.zip", "Ponytaco (1).ZIP", "taco[1].zip", "taco"])
def test_a_zip_made_in_any_way(prefix, junk, name, files, monkeypatch):
    names = [*junk, f"{prefix}ponytaco/__init__.py", f"{prefix}pyproject.toml"]
    make_zip(files / name, names)
    url = install(monkeypatch, f" {name} ")
    folder = Path(unquote(url.removeprefix("file://")))
    assert (folder / "pyproject.toml").is_file() and (folder / "ponytaco").is_dir()
    assert f"{folder}/".endswith(f"/{prefix}")


@pytest.mark.parametrize("name", ["ponytaco.tar.gz", "ponytaco.tgz", "ponytaco.tar", "x.tar.xz"])
def test_a_tar(name, files, monkeypatch):
    project = make_project(files / "made" / "ponytaco-main")
    kind = {"gz": "gz", "xz": "xz"}.get(name[-2:], "")
    with tarfile.open(files / name, f"w:{kind}") as tar:
        tar.add(project, "ponytaco-main")
    assert install(monkeypatch, name).endswith("/ponytaco-main")


def test_a_folder_and_a_wheel(files, monkeypatch):
    project = make_project(files / "my ponies" / "taco")
    for address in ("my ponies", "my ponies/taco/", str(project)):
        assert install(monkeypatch, address) == project.as_uri()
    (files / "ponytaco-0.2-py3-none-any.whl").touch()
    url = install(monkeypatch, "ponytaco-0.2-py3-none-any.whl")
    assert url == (files / "ponytaco-0.2-py3-none-any.whl").as_uri()
    monkeypatch.setenv("PONYTACO_SOURCE", str(project))
    assert install(monkeypatch, "") == project.as_uri()


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 half of it", b"\x1f\x8b"])
@pytest.mark.parametrize("name", ["ponytaco.zip", "ponytaco.tar.gz"])
def test_a_file_that_is_no_archive(content, name, files, monkeypatch):
    (files / name).write_bytes(content)
    assert f"'{name}' cannot be unpacked" in refusal(monkeypatch, name)


def test_archives_that_are_cut_or_damaged(files, monkeypatch):
    make_project(files / "taco")
    (files / "taco" / "noise").write_bytes(os.urandom(100_000))
    for kind, name in (("zip", "taco.zip"), ("gztar", "taco.tar.gz")):
        shutil.make_archive("taco", kind, files / "taco")
        content = (files / name).read_bytes()
        (files / name).write_bytes(content[: len(content) // 2])
        assert "complete zip or tar.gz" in refusal(monkeypatch, name)
        if kind == "zip":  # the sum of a tar.gz stands at its end, which is not read
            middle = len(content) // 2
            (files / name).write_bytes(content[:middle] + b"spoilt" + content[middle + 6 :])
        assert "complete zip or tar.gz" in refusal(monkeypatch, name)


def test_a_full_disk_while_unpacking(files, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    make_zip(files / "taco.zip", ["pyproject.toml"])
    monkeypatch.setattr(shutil, "unpack_archive", full)
    assert "No space left on device" in refusal(monkeypatch, "taco.zip")


def test_a_place_without_the_project(files, monkeypatch):
    make_zip(files / "notes.zip", ["notes.txt", "other/pyproject.txt"])
    (files / "empty").mkdir()
    (files / "other").mkdir()
    (files / "other" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    for address in ("notes.zip", "empty", "other"):
        assert f"no ponytaco in '{address}'" in refusal(monkeypatch, address)


def test_a_name_that_is_not_there_names_those_that_are(files, monkeypatch):
    assert "'ponytaco.zip' in Files; it has no zip. Correct" in refusal(monkeypatch, "ponytaco.zip")
    make_zip(files / "ponytaco-main.zip", ["pyproject.toml"])
    for address in ("ponytaco.zip", "/content/ponytaco.zip", "drive/MyDrive/x.zip", "x" * 5000):
        line = refusal(monkeypatch, address)
        assert f"There is no '{address}' in Files; it has ponytaco-main.zip" in line


# pip


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        ("fatal: unable to access 'x': Could not resolve host: github.com", "internet"),
        ("NewConnectionError('...: [Errno -3] Temporary failure in name resolution')", "internet"),
        ("ReadTimeoutError: Read timed out.", "internet"),
        ("[Errno 101] Network is unreachable", "internet"),
        ("fatal: unable to access: Failed to connect to github.com port 443", "internet"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
         "disk is full"),
        ("ERROR: Package 'ponytaco' requires a different Python: 3.10.12 not in '>=3.11'",
         "too old"),
        ("remote: Repository not found.", "nothing public"),
        ("fatal: repository 'https://x/' not found", "nothing public"),
        ("fatal: could not read Username for 'https://github.com': terminal prompts disabled",
         "nothing public"),
        ("ERROR: HTTP error 404\nERROR: 404 Client Error: Not Found for url: https://x",
         "nothing public"),
        ("error: pathspec 'nowhere' did not match any file(s) known to git", "nothing public"),
        ("ERROR: Cannot find command 'git' - do you have 'git' installed", "git is missing"),
        ("ERROR: x does not appear to be a Python project: neither 'setup.py' nor "
         "'pyproject.toml' found.", "is not ponytaco"),
        ("inconsistent name: expected 'ponytaco', but metadata has 'tacotron'", "is not ponytaco"),
        ("error: externally-managed-environment", "virtual environment"),
        ("No module named pip", "lines above"),
        ("", "lines above"),
    ],
)  # fmt: skip
def test_a_pip_that_fails_ends_in_its_last_lines_and_advice(printed, advice, monkeypatch, capsys):
    before = "\n".join(f"line {number}" for number in range(50))
    line = refusal(monkeypatch, "github.com/a/b", f"{before}\n{printed}")
    assert advice in line and "again" in line
    shown = capsys.readouterr().out
    assert printed in shown and "line 49" in shown and len(shown.splitlines()) == 17
    assert "is installed" not in shown


def test_the_cell_as_a_page_shows_it(files):
    """In IPython, with a pip that fails: neither a traceback nor %tb."""
    (files / "pip").mkdir()
    (files / "pip" / "__main__.py").write_text(
        "import os, sys\n"
        "assert os.environ['GIT_TERMINAL_PROMPT'] == '0' and not sys.stdin.read()\n"
        "print('Could not resolve host: github.com', file=sys.stderr)\n"
        "sys.exit(1)\n"
    )
    (files / "ponytaco.zip").write_bytes(b"<html>")
    code = """
        import json, sys
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        for cell in json.loads(sys.argv[1]):
            result = shell.run_cell(cell)
            assert not result.success
        """
    addresses = ("", "github.com/a/b", "ponytaco.zip", "nothing.zip")
    cells = [fill_in(CELL, {"address": address})[0] for address in addresses]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), json.dumps(cells)],
        capture_output=True, text=True, check=True, cwd=files,
        env={**os.environ, "PYTHONPATH": str(files), "IPYTHONDIR": str(files / "ipython")},
    )  # fmt: skip
    shown = done.stdout + done.stderr
    assert shown.count("⚠ ") == len(addresses) and "The internet cannot be reached" in shown
    assert not re.search(r"Traceback|%tb|ModuleNotFoundError|SystemExit", shown)


def test_pythons_that_are_too_old_read_the_cell():
    """It must get as far as pip's refusal; nothing in it is newer than Python 3.8."""
    import ast

    ast.parse(CELL, feature_version=(3, 8))
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert needed == ">=3.11" and "removesuffix" not in CELL
