"""Errors as a cell shows them: called directly, and in a real kernel."""

import os

import pytest
import torch
from support.errors import BUGS
from support.paths import ROOT

import ponytaco.notebook
from ponytaco import __version__
from ponytaco.config import ConfigError
from ponytaco.notebook.errors import NotebookError, explain_errors


@explain_errors
def fails(error):
    raise error


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_a_bug_keeps_its_traceback_below_a_sentence_that_asks_to_report_it(bug, capsys):
    with pytest.raises(type(bug)) as raised:
        fails(bug)
    assert raised.value is bug
    printed = capsys.readouterr().out
    assert printed.startswith("This is a mistake in ponytaco. Please report it")
    assert f"ponytaco {__version__}" in printed and type(bug).__name__ in printed


def test_what_a_user_can_fix_is_its_message_alone(capsys):
    with pytest.raises(ConfigError) as raised:
        fails(ConfigError("batch_size is 0; it must be above 0."))
    assert raised.value._render_traceback_() == ["⚠ batch_size is 0; it must be above 0."]
    with pytest.raises(NotebookError, match="x.tar: No such file. Check the name"):
        fails(FileNotFoundError(2, "No such file", "x.tar"))
    with pytest.raises(NotebookError, match="timed out"):
        fails(TimeoutError("timed out"))
    with pytest.raises(NotebookError, match="smaller batch size"):
        fails(torch.cuda.OutOfMemoryError())
    assert capsys.readouterr().out == ""


def test_every_function_that_a_cell_calls_explains_its_errors():
    names = [name for name in ponytaco.notebook.__all__ if name[0].islower()]
    assert len(names) > 10
    for name in names:
        assert hasattr(getattr(ponytaco.notebook, name), "__wrapped__"), name


CELLS = (
    "from ponytaco import notebook",
    "storage = notebook.connect_storage('storage')",
    "notebook.pick_voice(storage)",  # RunError, by a function of ponytaco
    "notebook.prepare_clips(storage, storage.root / 'none.tar', 'Me')",  # by one of data_prep
    "notebook.listen_to_clips(None)",  # a bug: it should be a path
    "notebook.prepare_cell.prepare = None; notebook.prepare_clips(storage, storage.root, 'Me')",
)


def test_in_a_kernel_only_bugs_show_a_traceback(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    place = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(page, kernel_name="python3", resources=place, timeout=60)
    client.allow_errors = True
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    printed = ["".join(o.get("text", "") for o in cell.outputs) for cell in page.cells]
    errors = [[o for o in cell.outputs if o.output_type == "error"] for cell in page.cells]
    assert [len(raised) for raised in errors] == [0, 0, 1, 1, 1, 1]
    for raised, message in zip(errors[2:4], ("no trained voices", "none.tar"), strict=True):
        (line,) = raised[0].traceback
        assert line.startswith("⚠ ") and message in line and "\n" not in line
    for text, raised in zip(printed[4:], errors[4:], strict=True):
        assert text.startswith("This is a mistake in ponytaco")
        assert text.count("Please report it") == 1
        assert "Traceback" in "\n".join(raised[0].traceback)
        assert "TypeError" in text and raised[0].ename == "TypeError"
