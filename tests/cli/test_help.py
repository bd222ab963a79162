import argparse
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
             "VOICE", "RUN", "DATASET"}  # fmt: skip
    for name, parser in parsers():
        for action in parser._actions:
            if action.nargs == 0:
                continue
            assert action.metavar in known, (name, action.option_strings, action.metavar)
            if "--out" in action.option_strings:
                assert action.option_strings == ["-o", "--out"], name


def test_the_help_has_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in ("train", "speak", "evaluate"))


def test_the_help_has_every_setting_and_its_doc(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--help"])
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    for name, _, default, doc in describe():
        assert "--" + name.replace("_", "-") in said
        assert f"{doc} ({default})" in said


def test_the_help_says_what_each_preset_is_for(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = capsys.readouterr().out
    assert PRESET_DOCS.keys() == PRESETS.keys()
    assert all(f"{name}: {doc}" in said for name, doc in PRESET_DOCS.items())


def test_help_and_errors_do_not_wait_for_torch():
    code = (
        "import sys; from ponytaco.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'librosa', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
