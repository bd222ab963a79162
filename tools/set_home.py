"""Write the repository's public address into all files that show it.

``make home URL=https://github.com/OWNER/REPO`` writes it into pyproject.toml, the install cells and
badges of the notebooks, and the README. Without an address the install cells ask for one, and the
badges open Colab's list of GitHub repositories.
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
    """Return the address in a pyproject.toml; empty if there is none."""
    return tomllib.loads(pyproject)["project"].get("urls", {}).get("Repository", "")


def with_home(pyproject: str, url: str) -> str:
    """Return a pyproject.toml with another address, or without one if it is empty."""
    bare = _URLS.sub("", pyproject)
    if not url:
        return bare
    section = f'[project.urls]\nRepository = "{url}"\n\n'
    return bare.replace("[project.scripts]", f"{section}[project.scripts]", 1)


def badge_link(url: str, notebook: str, branch: str = "main") -> str:
    """Return the target of a notebook's badge."""
    if not url:
        return _COLAB
    return f"{_COLAB}{urlsplit(url).path.strip('/')}/blob/{branch}/notebooks/{notebook}"


def stamp_badges(text: str, url: str, notebook: str, branch: str = "main") -> str:
    """Return a text whose badges open a notebook."""
    return _BADGE.sub(lambda m: m[1] + badge_link(url, notebook, branch) + m[2], text)


def stamp_notebook(text: str, url: str, notebook: str, branch: str = "main") -> str:
    """Return a notebook's JSON with the address in its install cell and badge."""
    filled = _FIELD.sub(lambda m: m[1] + url + m[2], text)
    return stamp_badges(filled, url, notebook, branch)


def check_address(url: str) -> str:
    """Return an address without a trailing slash or .git.

    Raises:
        ValueError: it is not the address of a GitHub repository, which is what Colab opens.
    """
    bare = url.strip().removesuffix("/").removesuffix(".git")
    if bare and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", bare):
        raise ValueError(
            f"'{url}' is not the address of a GitHub repository, which is what Colab opens. "
            "Such an address looks like https://github.com/OWNER/REPO."
        )
    return bare


def stamp(root: Path, url: str, branch: str = "main") -> list[str]:
    """Write the address into the files below a checkout's root, and return the changed ones."""
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
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="https://github.com/OWNER/REPO; '' removes it")
    parser.add_argument("--branch", default="main", help="branch that the badges open (main)")
    arguments = parser.parse_args()
    try:
        url = check_address(arguments.url)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    changed = stamp(ROOT, url, arguments.branch)
    print(f"Address: {url or 'none'}. Changed files: {', '.join(changed) or 'none'}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
