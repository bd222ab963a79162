import io
import sys

import pytest
from support.commands import refused

from ponytaco.cli import main


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("LUNA: L UW1\nPinkie_Pie  P AY1\nZECORA  Z XX\n(LAUGH  L\n")
    return path


def test_a_text_is_read_without_a_voice(words, capsys):
    text = "Dr. Luna’s 2 cakes. [happy] Pinkie Pie, W-w-luna {AA1}!"
    assert main(["read", text, "--dictionary", str(words)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "1. Dr. Luna’s 2 cakes."
    assert "   2 -> two" in lines
    assert any(line.split() == ["luna's", "L", "UW1", "Z", "(words.txt)"] for line in lines)
    assert any(line.split() == ["Pinkie", "Pie", "P", "AY1", "(words.txt)"] for line in lines)
    assert any(line.startswith("2. [Happy] Pinkie Pie,") for line in lines)
    assert any("(braces)" in line for line in lines)
    assert "Skipped: words.txt, line 3: 'Z XX' is not ARPAbet" in printed.err
    assert "1 word can never be met in a text: (laugh." in printed.err


def test_words_without_quotes_and_standard_input(capsys, monkeypatch):
    assert main(["read", "Hello", "there,", "blorp!"]) == 0
    assert "1. Hello there, blorp!" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello.\n\nBlorp."))
    assert main(["read", "-"]) == 0
    printed = capsys.readouterr().out
    assert "2. Blorp." in printed and printed.endswith("     BLORP  B L AO1 R P\n")


def test_a_text_is_read_as_a_voice_reads_it(voice, words, capsys):
    assert main(["read", "Luna, blorp.", "--model", str(voice), "--dictionary", str(words)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("1. Luna, blorp.\n   in words: luna blorp\n   in phones: ")


def test_what_cannot_be_read_is_told(tmp_path, capsys):
    assert "Write some words" in refused(capsys, "read", "?!")
    assert "'QQ' is not an ARPAbet phone" in refused(capsys, "read", "{QQ}")
    assert refused(capsys, "read", "Hi", "--model", tmp_path / "no")
    assert refused(capsys, "read", "Hi", "--dictionary", tmp_path / "no.txt")
