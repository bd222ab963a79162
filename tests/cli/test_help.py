import argparse
import re
import shlex
import subprocess
import sys

import pytest

from ponytaco.cli import _parser, main
from ponytaco.config import describe
from ponytaco.presets import PRESET_DOCS, PRESETS


def parsers():
    (commands,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return commands.choices.items()


def test_every_value_has_one_of_few_names():
    known = {"FILE", "FOLDER", "NAME", "N", "X", "TEXT", "TYPE", "KIND", "BOOL", "NAME=VALUE",
             "VOICE", "RUN", "DATASET", "ARCHIVE", "TAG,TAG"}  # fmt: skip
    for name, parser in parsers():
        for action in parser._actions:
            if action.nargs == 0:
                continue
            assert action.metavar in known, (name, action.option_strings, action.metavar)
            if "--out" in action.option_strings:
                assert action.option_strings == ["-o", "--out"], name


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as exit_:
        main([*words, "--help"])
    assert exit_.value.code == 0
    return capsys.readouterr().out


def test_the_help_tells_the_journey(capsys):
    lines = help_of(capsys).splitlines()
    titles = ["Get clips ready:", "Train:", "Speak:", "Share:"]
    assert [line for line in lines if line in titles] == titles
    commands = [line.split()[0] for line in lines if re.match("  [a-z]+ +[a-z]", line)]
    assert [name for name in commands if name != "ponytaco"] == [name for name, _ in parsers()]
    assert commands.count("ponytaco") == 5
    assert max(map(len, lines)) < 80


def test_an_unknown_command_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["sing"])
    printed = capsys.readouterr().err
    assert "'sing'" in printed and all(f"'{name}'" in printed for name, _ in parsers())


@pytest.mark.parametrize("name", ["", *(name for name, _ in parsers())])
def test_every_example_is_a_command_that_works(capsys, name):
    printed = help_of(capsys, *filter(None, [name]))
    examples = re.findall(r"^(?:Example: |  )(ponytaco .*)$", printed, re.MULTILINE)
    assert len(examples) == (1 if name else 5)
    for example in examples:
        command = shlex.split(example)[1:]
        assert name in ("", command[0])
        arguments, beyond = _parser().parse_known_args(command)
        assert callable(arguments.command) and not beyond


def test_the_help_has_every_setting_and_its_doc(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    printed = help_of(capsys, "train")
    for name, _, default, doc in describe():
        assert "--" + name.replace("_", "-") in printed
        assert (doc if default == "" else f"{doc} ({default})") in printed


def test_the_help_tells_what_each_preset_is_for(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    printed = help_of(capsys, "train")
    assert PRESET_DOCS.keys() == PRESETS.keys()
    assert all(f"{name} ({doc})" in printed for name, doc in PRESET_DOCS.items())


@pytest.mark.parametrize("words", [["--help"], ["sing"], ["train", "--help"], ["pack", "--help"]])
def test_help_and_errors_do_not_wait_for_torch(words):
    code = (
        "import sys; from ponytaco.cli import main\n"
        f"try: main({words})\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'librosa', 'matplotlib', 'numpy', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
