"""What is asked of librosa is there in the installed one, and is not about to go.

Read off the sources, so that it needs no torch: a newer Python's librosa is met, too.
"""

import ast
import inspect
from functools import reduce

import librosa
import pytest
from support.paths import ROOT

CALLS = [
    pytest.param(node, id=f"{path.relative_to(ROOT)}:{node.lineno}")
    for package in ("ponytaco", "data_prep")
    for path in sorted((ROOT / package).rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("librosa.")
]


def test_there_is_something_to_check():
    assert CALLS


@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_librosa_uses_names_that_stay(call):
    function = reduce(getattr, ast.unparse(call.func).split(".")[1:], librosa)
    parameters = inspect.signature(function).parameters
    for keyword in call.keywords:
        if keyword.arg is not None:
            assert keyword.arg in parameters
            assert type(parameters[keyword.arg].default).__name__ != "Deprecated"
