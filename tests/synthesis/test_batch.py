from types import SimpleNamespace

import pytest

from ponytaco.synthesis.batch import SpokenLine, decode_text, lines_of, read_text_file, speak_lines
from ponytaco.text.errors import TextError


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Café…".encode(), "Café…"),
        ("Café".encode("utf-8-sig"), "Café"),
        ("Café".encode("utf-16"), "Café"),
        (b"\xfe\xff" + "Café".encode("utf-16-be"), "Café"),
        (b"", ""),
    ],
)
def test_texts_in_their_encodings(content, text):
    assert decode_text(content, "here") == text


@pytest.mark.parametrize("content", ["a\nb\ncafé".encode("latin-1"), b"a\nb\nc\x80"])
def test_other_encodings_are_refused_with_the_line(content):
    with pytest.raises(TextError, match="here is no text in UTF-8: line 3 .*Save it as UTF-8"):
        decode_text(content, "here")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(TextError, match="Cannot read .*nowhere.txt: No such file"):
        read_text_file(tmp_path / "nowhere.txt")


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
    voice = SimpleNamespace(speak_all=lambda lines, delivery, **how: iter(["speech", error]))
    first, second = speak_lines(voice, ["one", "two"])
    assert (first.number, first.text, first.result) == (1, "one", "speech")
    assert (second.number, second.result) == (2, error)
