from types import SimpleNamespace

import pytest

from ponytaco.synthesis.batch import SpokenLine, lines_of, speak_lines
from ponytaco.text.errors import TextError


def test_lines_are_those_that_are_not_empty():
    assert lines_of(" one\r\n\n \ttwo \n") == ["one", "two"]
    with pytest.raises(TextError, match="no lines"):
        lines_of(" \n\n")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello, everypony!", "007_hello-everypony.wav"),
        ("../../etc/passwd", "007_etc-passwd.wav"),
        ("Привет", "007_line.wav"),
        ("word " * 30, "007_word-word-word-word-word-word-word-word.wav"),
    ],
)
def test_files_are_named_by_number_and_text(text, name):
    assert SpokenLine(7, text, TextError("")).file_name == name


def test_each_line_gets_its_own_result():
    error = TextError("no")
    voice = SimpleNamespace(speak_all=lambda lines, options, **how: iter(["speech", error]))
    first, second = speak_lines(voice, ["one", "two"])
    assert (first.number, first.text, first.result) == (1, "one", "speech")
    assert (second.number, second.result) == (2, error)
