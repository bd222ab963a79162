import pytest
from support.errors import BUGS

from ponytaco import __version__
from ponytaco.config import ConfigError
from ponytaco.notebook.environment import NotebookError, friendly


@friendly
def fails(error):
    raise error


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_a_bug_keeps_its_traceback_below_a_sentence_that_asks_to_report_it(bug, capsys):
    with pytest.raises(type(bug)) as raised:
        fails(bug)
    assert raised.value is bug
    said = capsys.readouterr().out
    assert said.startswith("This is a mistake in ponytaco. Please report it")
    assert f"ponytaco {__version__}" in said and type(bug).__name__ in said


def test_what_a_user_can_fix_is_its_message_alone(capsys):
    with pytest.raises(ConfigError) as raised:
        fails(ConfigError("batch_size is 0; it must be above 0."))
    assert raised.value._render_traceback_() == ["⚠ batch_size is 0; it must be above 0."]
    with pytest.raises(NotebookError, match=r"x\.tar") as raised:
        fails(FileNotFoundError(2, "No such file", "x.tar"))
    assert raised.value._render_traceback_()[0].endswith("'x.tar'")
    assert capsys.readouterr().out == ""
