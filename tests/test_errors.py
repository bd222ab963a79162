"""One base for what a user can fix; whatever else is raised is a bug and keeps its traceback."""

import ast

import pytest
from support.paths import ROOT

# Told to our own code, never to a user.
INTERNAL = {"PeerOutOfMemoryError", "_RejectError"}


def error_classes():
    """The names and bases of all error classes, by file."""
    for package in ("ponytaco", "data_prep"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                    yield path.relative_to(ROOT), node.name, {ast.unparse(b) for b in node.bases}


CLASSES = list(error_classes())


def descendants(base):
    """Names of the classes that derive from a base, at whatever distance."""
    found = {base}
    while new := {name for _, name, bases in CLASSES if bases & found} - found:
        found |= new
    return found


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, name, _ in CLASSES], ids=str)
def test_every_error_of_ours_has_the_one_base(path, name):
    assert name in descendants("PonytacoError") | INTERNAL


def test_there_is_something_to_check():
    assert len(CLASSES) > 20
    assert "PeerOutOfMemoryError" not in descendants("PonytacoError")
