"""Stamp the repository's public address into everything that shows it.

``make home URL=https://github.com/OWNER/REPO`` writes it into pyproject.toml, its one place, and
from there into the notebooks' install cells and badges and into the README. Without an address the
install cells ask for it, and the badges open Colab's own list of GitHub repositories.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("Training.ipynb", "Inference.ipynb", "Prepare.ipynb")

_COLAB = "https://colab.research.google.com/github/"
_BADGE = re.compile(
    r"(\(https://colab\.research\.google\.com/assets/colab-badge\.svg\)\]\()[^)]*(\))"
)
# In a notebook's JSON the quotation marks are escaped.
_FIELD = re.compile(r'(address = \\")[^"\\]*(\\"  # @param)')
_URLS = re.compile(r"^\[project\.urls\]\n(?:[^\[\n].*\n)*\n?", re.MULTILINE)


def home_of(pyproject: str) -> str:
    """The address that a pyproject.toml names; empty without one."""
    return tomllib.loads(pyproject)["project"].get("urls", {}).get("Repository", "")


def with_home(pyproject: str, url: str) -> str:
    """A pyproject.toml with that address."""
    bare = _URLS.sub("", pyproject)
    if not url:
        return bare
    section = f'[project.urls]\nRepository = "{url}"\n\n'
    return bare.replace("[project.scripts]", f"{section}[project.scripts]", 1)


def badge_link(url: str, notebook: str, branch: str = "main") -> str:
    """Where a notebook's badge leads to."""
    if not url:
        return _COLAB
    return f"{_COLAB}{urlsplit(url).path.strip('/')}/blob/{branch}/notebooks/{notebook}"


def stamp_badges(text: str, url: str, notebook: str, branch: str = "main") -> str:
    """A notebook's text, or a README's, with its badges leading to that notebook."""
    return _BADGE.sub(lambda m: m[1] + badge_link(url, notebook, branch) + m[2], text)


def stamp_notebook(text: str, url: str, notebook: str, branch: str = "main") -> str:
    """A notebook's JSON with the address in its install cell and badge."""
    filled = _FIELD.sub(lambda m: m[1] + url + m[2], text)
    return stamp_badges(filled, url, notebook, branch)


def check_address(url: str) -> str:
    """The address without what is too much at its end.

    Raises:
        ValueError: Colab could not open it.
    """
    bare = url.strip().removesuffix("/").removesuffix(".git")
    if bare and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", bare):
        raise ValueError(
            f"'{url}' is not an address of a GitHub repository, which is what Colab opens. "
            "It looks like https://github.com/OWNER/REPO."
        )
    return bare


def stamp(root: Path, url: str, branch: str = "main") -> list[str]:
    """Write the address into all files below a checkout's root; what was changed is returned."""
    changed = []

    def write(path: Path, text: str) -> None:
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(str(path.relative_to(root)))

    pyproject, readme = root / "pyproject.toml", root / "README.md"
    write(pyproject, with_home(pyproject.read_text(encoding="utf-8"), url))
    for name in NOTEBOOKS:
        path = root / "notebooks" / name
        write(path, stamp_notebook(path.read_text(encoding="utf-8"), url, name, branch))
    write(readme, stamp_badges(readme.read_text(encoding="utf-8"), url, NOTEBOOKS[0], branch))
    return changed


def main() -> int:
    """Stamp the address of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="https://github.com/OWNER/REPO; '' takes it out again")
    parser.add_argument("--branch", default="main", help="that the badges open")
    arguments = parser.parse_args()
    try:
        url = check_address(arguments.url)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    changed = stamp(ROOT, url, arguments.branch)
    print(f"The home is {url or 'not set'}. Changed: {', '.join(changed) or 'nothing'}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
