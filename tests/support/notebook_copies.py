"""Copies of the notebooks with form fields filled in, and a wheel to install."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

NOTEBOOKS = ROOT / "notebooks"


def cells_of(notebook: Path, kind: str = "code") -> list[str]:
    """Return the sources of a notebook's cells of one kind."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == kind]


def fill_in(source: str, fields: dict[str, object]) -> tuple[str, set[str]]:
    """Return a cell with values in its form's fields, and the names of the fields found."""
    filled = set()
    for name, value in fields.items():
        line = re.compile(rf"^{name} = .*?(?=  # @param)", re.M)
        if match := line.search(source):
            source = source[: match.start()] + f"{name} = {value!r}" + source[match.end() :]
            filled.add(name)
    return source, filled


def copy_notebook(name: str, to: Path, fields: dict[str, object]) -> Path:
    """Copy a notebook and fill in its form; every field must exist."""
    content = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    filled: set[str] = set()
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            source, here = fill_in("".join(cell["source"]), fields)
            cell["source"] = source
            filled |= here
    assert filled == set(fields), f"{name} has no fields {set(fields) - filled}"
    path = to / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def build_wheel(folder: Path) -> Path:
    """Build a wheel of the checkout, without leaving anything in the checkout."""
    copy, wheels = folder / "checkout", folder / "wheels"
    copy.mkdir(parents=True)
    for package in ("ponytaco", "data_prep"):
        shutil.copytree(
            ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(wheels)]
    subprocess.run([*command, str(copy)], check=True)
    return next(wheels.glob("*.whl"))


def kernel_environment(folder: Path, source: Path) -> dict[str, str]:
    """Return environment variables that keep a kernel's files, and what it installs, in a folder.

    The install cell really installs, but into a folder of its own. The environment that runs the
    tests has all of ponytaco's dependencies, and stays as it is.
    """
    installed = folder / "installed"
    installed.mkdir(parents=True, exist_ok=True)
    paths = [str(installed), os.environ.get("PYTHONPATH", "")]
    return {
        "PONYTACO_SOURCE": str(source),
        "PIP_TARGET": str(installed),
        "PIP_UPGRADE": "1",
        "PIP_NO_DEPS": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter-data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter-runtime"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
