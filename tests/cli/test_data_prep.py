import subprocess
import sys

import pytest
from support.commands import misused, refused

from data_prep.__main__ import main as data_prep
from ponytaco.cli import main


@pytest.mark.parametrize("command", ["list", "prepare", "pack", "demo"])
def test_the_commands_of_data_prep_are_the_same(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    helps = []
    for program in (main, data_prep):
        with pytest.raises(SystemExit):
            program([command, "--help"])
        helps.append(capsys.readouterr().out.replace("python -m data_prep", "ponytaco"))
    assert helps[0] == helps[1]


def test_their_errors_are_one_sentence(tmp_path, capsys):
    printed = refused(capsys, "prepare", tmp_path / "none.tar", tmp_path / "out")
    assert (
        printed == f"ponytaco: {tmp_path / 'none.tar'}: there is no such archive. Check the name.\n"
    )
    printed = refused(capsys, "list", tmp_path)
    assert "`ponytaco pack` or `ponytaco demo`." in printed
    printed = refused(capsys, "prepare", tmp_path, tmp_path / "out")
    assert "contains no recording with a text" in printed


def test_a_full_disk_names_what_the_user_named(tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", str(tmp_path / ".out.partial"))

    monkeypatch.setattr("data_prep.dataset_writer.prepare", full)
    printed = refused(capsys, "prepare", "a.tar", tmp_path / "out")
    assert printed.startswith(f"ponytaco: {tmp_path / 'out'}: the disk is full.")


def test_ctrl_c_is_no_traceback(tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("data_prep.dataset_writer.prepare", interrupt)
    assert main(["prepare", "a.tar", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.startswith("Stopped. No partial output is left behind")


def test_their_options_are_not_abbreviated(capsys):
    assert "unrecognized arguments: --min" in misused(capsys, "prepare", "a", "b", "--min", "1")


def test_they_need_no_torch(tmp_path):
    code = (
        "import sys; from ponytaco.cli import main\n"
        f"assert main(['list', {str(tmp_path)!r}]) == 1\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
