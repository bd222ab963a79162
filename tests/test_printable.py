"""Texts from files steer no terminal, forge no line, and fail on no stream."""

import argparse
import ast
import io
import sys
import unicodedata

import pytest
from support.paths import ROOT

from ponytaco.errors import PonytacoError
from ponytaco.printable import ArgumentParser, brief, escape, printable, say

HOSTILE = [
    "\x1b[2J\x1b[1;31m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\nTraining is finished.",
    "a\rb",
    "a\r\nb",
    "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i",
    "\u202egnp.exe",
    "\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u202a\u202b\u202c\u202d",
    "zero\u200bwidth\u200c\u200d\u2060\ufeff\u00ad",
    "lone \ud800 and \udfff",
    "nul\0",
    "back\b\b\bspace\x7f",
    "\U000e0041\U000e007f\ufff9\ufffa\ufffb",
    "\u3164\u115f\u034f\uffa0",
]


def is_harmless(text):
    return all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in text)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_steers_is_shown(text):
    shown = printable(text)
    assert is_harmless(shown) and shown != text and "\\" in shown
    assert printable(shown) == shown
    assert len(shown.splitlines()) == 1
    shown.encode("utf-8")


def test_no_character_alone_breaks_a_line_or_has_no_shape():
    assert not [hex(code) for code in range(0x110000) if not is_harmless(printable(chr(code)))]


@pytest.mark.parametrize(
    "text", ["Zecora", "Café ☻ 日本 Привет", "a\\b", "100 %", "“quoted” …", "👍🏽"]
)
def test_plain_texts_stay(text):
    assert printable(text) == text


def test_other_spaces_become_spaces():
    assert printable("12\u00a0000\u2009km\u3000") == "12 000 km "


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_an_error_says_its_own_lines_and_no_others(text):
    error = PonytacoError(f"{text} is wrong.", f"1. Open {text}", "2. Close it.")
    assert len(str(error).splitlines()) == 3 == len(error.lines)
    assert all(map(is_harmless, str(error).split("\n")))
    assert str(PonytacoError("plain")) == "plain" and str(PonytacoError()) == ""
    assert all("\x1b" not in line for line in PonytacoError(text)._render_traceback_())


def test_an_error_is_as_long_as_can_be_read():
    assert len(str(PonytacoError("x" * 5_000_000))) < 10_000


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_is_said_has_the_lines_it_was_given(text, capsys):
    say(text, "two")
    say(text, file=sys.stderr)
    out, err = capsys.readouterr()
    assert out.count("\n") == 2 and len(out.splitlines()) == 2
    assert err.count("\n") == 1 and is_harmless(err.strip())


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "cp437"])
def test_any_stream_takes_any_text(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    say("Zecora — ☻ 日本 … →", *HOSTILE, file=stream)
    assert len(stream.buffer.getvalue().splitlines()) == 1 + len(HOSTILE)


def test_without_a_stream_nothing_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    say("nobody listens")


def test_html_is_escaped_once():
    assert escape("<b>\x1b&\n") == "&lt;b&gt;\\x1b&amp;\\n"


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, 10**600, "9" * 600, [1] * 10**5, float("nan"), None, {"a": "\x1b"}, "\u202e"],
)
def test_values_are_brief(value):
    assert len(brief(value)) <= 60 and is_harmless(brief(value))


def test_values_that_python_cannot_write_are_brief():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert brief(nested) == "list …" and brief(1 << 20_000) == "0x…"


def test_argparse_says_harmless_words_on_any_terminal(capsys, monkeypatch):
    parser = ArgumentParser(prog="p", description="One … \u2192 two")
    parser.add_subparsers().add_parser("x").add_argument("--n", type=int)
    with pytest.raises(SystemExit):
        parser.parse_args(["x", "--n", "\x1b[2J"])
    assert "\x1b" not in capsys.readouterr().err
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert b"\\u2192" in stream.buffer.getvalue()
    assert issubclass(ArgumentParser, argparse.ArgumentParser)


# `speak.py` in a folder of exported programs runs without ponytaco.
PRINTS = {"ponytaco/printable.py", "ponytaco/export/standalone_speak.py"}


@pytest.mark.parametrize(
    "path",
    [p for name in ("ponytaco", "data_prep") for p in sorted((ROOT / name).rglob("*.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_everything_is_printed_in_one_place(path):
    names = {n.id for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Name)}
    if str(path.relative_to(ROOT)) not in PRINTS:
        assert "print" not in names, "call ponytaco.printable.say"


def test_argparse_repeats_no_word_of_thousands_of_letters(capsys):
    parser = ArgumentParser(prog="p")
    parser.add_argument("--seed", type=int)
    with pytest.raises(SystemExit):
        parser.parse_args(["--seed", "9" * 100_000])
    assert len(capsys.readouterr().err) < 1200
