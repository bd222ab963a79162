import io
import shutil
import subprocess
import sys
import tarfile
import types

import numpy as np
import pytest
import soundfile
from support.errors import BUGS

from data_prep.__main__ import main
from data_prep.clip_filter import Reason, advice
from data_prep.folders import PrepareError
from data_prep.layouts.found import RecordingsError
from data_prep.layouts.recognise import find_recordings
from data_prep.options import ClipOptions
from data_prep.soundtools import ArchiveError
from ponytaco.cli import main as ponytaco

# The same commands, named as the user called them.
PROGRAMS = [(main, "python -m data_prep"), (ponytaco, "ponytaco")]


def test_prepare_ends_with_a_summary(small_archive, tmp_path, capsys):
    assert main(["prepare", str(small_archive), str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "Kept 12 of 12 clips" in printed and "11 for training, 1 for validation" in printed
    assert f"The dataset is in {tmp_path / 'out'}" in printed
    assert main(["prepare", str(small_archive), str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("Nothing to do: ")


def test_prepare_says_why_clips_were_left_out(small_archive, tmp_path, capsys):
    command = ["prepare", str(small_archive), str(tmp_path / "out"), "--min-seconds", "2.4"]
    assert main(command) == 0
    assert "too short. For example clip " in capsys.readouterr().out


def test_options_arrive(small_archive, tmp_path, capsys):
    command = ["prepare", str(small_archive), str(tmp_path / "out"), "--skip-tags", "Neutral, Sad"]
    assert main(command) == 1
    printed = capsys.readouterr().err
    assert "12 unwanted tag" in printed
    assert 'It has the tag "Neutral". Keep clips with these tags (Neutral, Sad): --skip' in printed


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("--min-seconds", "9", "Allow shorter clips: --min-seconds below 9."),
        ("--max-seconds", "0.5", "Allow longer clips (--max-seconds above 0.5"),
    ],
)
def test_the_option_that_leaves_nothing_is_named(
    small_archive, tmp_path, capsys, option, value, advice
):
    assert main(["prepare", str(small_archive), str(tmp_path / "out"), option, value]) == 1
    printed = capsys.readouterr().err
    assert "only 0 of 12 clips" in printed and "for example clip " in printed and advice in printed


def test_few_minutes_give_a_warning_with_what_took_most(small_archive, tmp_path, capsys):
    command = ["prepare", str(small_archive), str(tmp_path / "out")]
    assert main(command) == 0
    assert "That is little" in (printed := capsys.readouterr().out) and "Add clips" in printed
    assert main([*command, "--min-seconds", "2.4"]) == 0
    assert "Allow shorter clips: --min-seconds below 2.4." in capsys.readouterr().out


@pytest.mark.parametrize("reason", Reason)
def test_there_is_advice_for_every_reason(reason):
    assert advice(reason, ClipOptions()).endswith(".")


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (["prepare", "none.tar", "out"], "none.tar: there is no such archive. Check the name."),
        (["prepare", "empty", "out"], "empty: contains no recording with a text."),
        (["prepare", "Test.tar", "Test.tar/out"], "a file is in the way"),
        (["pack", "empty", "out.tar", "--character", "../Evil"], "cannot name a character"),
        (["pack", "empty", "out.tar", "--character", ""], "cannot name a character"),
        (
            ["demo", "Test.tar"],
            "Test.tar: already exists. Choose another name, or add --overwrite.",
        ),
        (["prepare", "Test.tar", "."], "left alone"),
        (["prepare", "Test.tar", "out", "--min-seconds", "20"], "min_seconds 20"),
        (["list", "none"], "none: there is no such folder"),
        (["list", "empty"], "empty: contains no .tar"),
        (["list", "empty"], "`python -m data_prep pack` or `python -m data_prep demo`."),
        (["pack", "empty", "out.tar", "--character", "Me"], "contains no recording"),
        (["pack", "none", "out.tar", "--character", "Me"], "no such folder"),
        (["pack", "Test.tar", "out.tar", "--character", "Me"], "is an archive already. Prepare it"),
        (["pack", "Test.tar/x", "out.tar", "--character", "Me"], "no such folder"),
        (["prepare", "data/x", "Test.tar"], "first: python -m data_prep prepare Test.tar data/x"),
        (["list", "Test.tar"], "Test.tar: is an archive. Next: python -m data_prep prepare Test"),
    ],
)
def test_errors_are_one_sentence_on_stderr(
    small_archive, tmp_path, monkeypatch, capsys, command, part
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(command) == 1
    captured = capsys.readouterr()
    assert part in captured.err and captured.err.count("\n") == 1 and not captured.out
    assert {path.name for path in tmp_path.iterdir()} == {"Test.tar", "empty"}


def test_ctrl_c_ends_with_a_sentence(small_archive, tmp_path, monkeypatch, capsys):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("data_prep.dataset_writer.examine", stop)
    assert main(["prepare", str(small_archive), str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("Stopped. No partial output")
    assert list(tmp_path.iterdir()) == [small_archive]


@pytest.mark.parametrize(
    "command", [[], ["bake"], ["prepare", "a", "b", "--min", "1"], ["prepare", "a", "b", "--odd"]]
)
def test_unknown_options_exit_with_2(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2


@pytest.mark.parametrize(("main", "program"), PROGRAMS)
def test_list_shows_good_and_bad_archives(small_archive, tmp_path, capsys, main, program):
    (tmp_path / "deep").mkdir()
    small_archive.rename(tmp_path / "deep" / "Test.tar")
    (tmp_path / "Bad.tar").write_bytes(b"x" * 2000)
    assert main(["list", str(tmp_path)]) == 0
    bad, good, after = capsys.readouterr().out.splitlines()
    assert bad.startswith(f"{tmp_path / 'Bad.tar'} ") and "unreadable: not a readable" in bad
    path = tmp_path / "deep" / "Test.tar"
    assert good.startswith(f"{path} ") and "12 clips" in good and "0.5 minutes" in good
    assert after == f"Next, for one of them: {program} prepare {path} data/Test"


@pytest.mark.parametrize(("main", "program"), PROGRAMS)
def test_pack_tells_what_it_left_out_and_what_is_next(tmp_path, capsys, main, program):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.sin(np.arange(9_000)), 22_050)
    (tmp_path / "a.txt").write_text("Text.")
    (tmp_path / "c.txt").write_text("Text.")
    (tmp_path / "d.txt").write_text("Text.")
    (tmp_path / "d.MP3").write_bytes(b"ID3")
    out = tmp_path / "out.tar"
    assert main(["pack", str(tmp_path), str(tmp_path / "out"), "--character", "My Voice"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "Understood as sounds, each with a text of the same name.",
        f"Packed 1 clip, 0.0 minutes, into {out}.",
        "Left out: b.wav: has no b.txt beside it.",
        "Left out: c.txt: has no sound of its name beside it.",
        "Left out: d.MP3: it cannot be decoded (Format not recognised).",
        f"{tmp_path / 'out.report.csv'} lists everything that was left out.",
        f"Next: {program} prepare {out} 'data/My Voice'",
    ]


def test_a_table_tells_of_recordings_that_it_cannot_use(tmp_path):
    for name in ("a", "wavs/b", "wavs/c"):
        (tmp_path / "wavs").mkdir(exist_ok=True)
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.sin(np.arange(9_000)), 22_050)
    (tmp_path / "wavs" / "d.m4a").touch()
    (tmp_path / "metadata.csv").write_text("a|Text.\nc|More text.\nd|Some text.\ne.wav|Text.\n")
    assert list(map(str, find_recordings(tmp_path).left_out)) == [
        "metadata.csv, row 4: there is no audio file e.wav.",
        "b.wav: no row of metadata.csv names it.",
    ]


@pytest.mark.parametrize(
    ("out", "made"),
    [("Me", "Me.tar"), ("Me.v2", "Me.v2.tar"), ("Me.TAR", "Me.TAR"), ("empty", "empty/Me.tar")],
)
def test_an_archive_is_a_tar_by_its_name_too(tmp_path, monkeypatch, capsys, out, made):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", 0.1 * np.sin(np.arange(9_000)), 22_050)
    (tmp_path / "in" / "a.txt").write_text("Text.")
    assert main(["pack", "in", out, "--character", "Me"]) == 0
    assert (tmp_path / made).is_file() and made in capsys.readouterr().out


def test_zeros_are_not_told(small_archive, tmp_path, capsys):
    command = ["prepare", str(small_archive), str(tmp_path / "out")]
    assert main(command) == 0
    assert "\nPhone alignments for 12 clips. ARPAbet texts for" in capsys.readouterr().out
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a", "b", "c", "d"):
        tone = 0.1 * np.sin(np.arange(30_000) * (1 + ord(name)) / 1000)
        soundfile.write(folder / f"{name}.wav", tone, 22_050)
        (folder / f"{name}.txt").write_text(f"This is text {name}.")
    assert main(["pack", str(folder), str(tmp_path / "Me.tar"), "--character", "Me"]) == 0
    assert main(["prepare", str(tmp_path / "Me.tar"), str(tmp_path / "Me")]) == 0
    printed = capsys.readouterr().out
    assert "No phone alignments, so learning takes longer; pip install" in printed
    assert " 0 " not in printed.split("Kept")[1]


def test_a_misspelt_archive_is_answered_with_those_beside_it(small_archive, tmp_path, capsys):
    for name in ("Zecora", "Rarity"):
        shutil.copy(small_archive, tmp_path / f"{name}.tar")
    for name in ("Zecra.tar", "zecora.tar", "Zecora"):
        assert main(["prepare", str(tmp_path / name), str(tmp_path / "out")]) == 1
        printed = capsys.readouterr().err
        assert "there is no such archive. Check the name. Did you mean Zecora?" in printed
        assert f"The archives in {tmp_path} are: Rarity.tar, Test.tar, Zecora.tar." in printed


def test_demo_passes_its_options_on(tmp_path, monkeypatch, capsys):
    calls = []
    fake = types.ModuleType("data_prep.demo.espeak")
    fake.write_demo_archive = lambda out, **options: calls.append((out, options))
    monkeypatch.setitem(sys.modules, "data_prep.demo.espeak", fake)
    assert main(["demo", str(tmp_path / "d.tar")]) == 0
    assert main(["demo", str(tmp_path / "d.tar"), "--clips", "7", "--seed", "3"]) == 0
    assert calls == [(tmp_path / "d.tar", {}), (tmp_path / "d.tar", {"n_clips": 7, "seed": 3})]


def test_the_demo_replaces_an_archive_only_when_told(tmp_path, monkeypatch, capsys):
    calls = []
    fake = types.ModuleType("data_prep.demo.espeak")
    fake.write_demo_archive = lambda out, **options: calls.append(out)
    monkeypatch.setitem(sys.modules, "data_prep.demo.espeak", fake)
    (tmp_path / "d.tar").write_bytes(b"mine")
    assert main(["demo", str(tmp_path / "d.tar")]) == 1 and not calls
    assert main(["demo", str(tmp_path / "d.tar"), "--overwrite"]) == 0 and len(calls) == 1


def test_the_help_has_every_command_and_its_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    from data_prep.demo.espeak import write_demo_archive

    for command in ("list", "prepare", "pack", "demo"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        printed = capsys.readouterr().out
        about = printed.split("\n\n")[1]
        assert len(about) > 60 and about.endswith("."), command
        assert f"\nExample: python -m data_prep {command} " in printed
        if command == "prepare":
            for default in vars(ClipOptions()).values():
                assert f"({default})" in printed or f"({', '.join(default)})" in printed
        if command == "demo":
            for default in write_demo_archive.__defaults__[:2]:
                assert f"({default})" in printed


def test_a_closed_pipe_ends_the_list_without_a_word(small_archive, monkeypatch, capsys):
    def closed(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("data_prep.listing.index_archive", closed)
    assert main(["list", str(small_archive.parent)]) == 1
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_a_full_disk_names_what_the_user_named(tmp_path, monkeypatch, capsys):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(9_000)), 22_050)
    (tmp_path / "a.txt").write_text("Text.")

    def full(*args):
        raise OSError(28, "No space left on device", str(tmp_path / ".out.tar.partial"))

    monkeypatch.setattr("data_prep.soundtools.tarfile.TarFile.addfile", full)
    assert main(["pack", str(tmp_path), str(tmp_path / "out.tar"), "--character", "Me"]) == 1
    printed = capsys.readouterr().err.splitlines()[-1]
    assert printed.startswith(f"{tmp_path / 'out.tar'}: the disk is full.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "a.wav"]


@pytest.mark.parametrize("kind", [ArchiveError, PrepareError, RecordingsError])
def test_a_notebook_shows_the_sentence_alone(kind):
    """IPython asks an error for this method; without it a cell would show a traceback."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["error"] = kind("Zecora.tar: there is no such archive. Check the name.")
    shown = []
    shell._showtraceback = lambda kind, error, lines: shown.extend(lines)
    shell.run_cell("raise error")
    assert shown == ["\N{WARNING SIGN} Zecora.tar: there is no such archive. Check the name."]


def test_a_real_process_fails_with_a_sentence_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "data_prep", "prepare", "none.tar", str(tmp_path / "out")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr == "none.tar: there is no such archive. Check the name.\n"


COMMANDS = [
    (["list", "."], "data_prep.listing.archive_seconds"),
    (["list", "."], "data_prep.soundtools._note_member"),
    (["prepare", "Test.tar", "out"], "data_prep.clip_filter.find_offset"),
    (["prepare", "Test.tar", "out"], "data_prep.clip_filter.transcribe"),
    (["prepare", "Test.tar", "out"], "data_prep.audio.resample"),
    (["prepare", "Test.tar", "out"], "data_prep.folders.finished_report"),
    (["pack", "sounds", "out.tar", "--character", "Me"], "data_prep.recordings.make_label"),
    (["demo", "out.tar"], "data_prep.demo.espeak.sentences"),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
@pytest.mark.parametrize(("command", "place"), COMMANDS)
def test_a_mistake_of_ours_keeps_its_traceback(
    small_archive, tmp_path, monkeypatch, command, place, bug
):
    """These are subclasses of ValueError, as nothing is that a user can fix."""

    def fail(*_, **__):
        raise bug

    monkeypatch.chdir(tmp_path)
    sound = tmp_path / "sounds" / "a.wav"
    sound.parent.mkdir()
    soundfile.write(sound, 0.1 * np.sin(np.arange(9_000)), 22_050)
    sound.with_suffix(".txt").write_text("Text.")
    monkeypatch.setattr(place, fail)
    with pytest.raises(type(bug)) as raised:
        main(command)
    assert raised.value is bug
    assert not list(tmp_path.glob("*out*"))


def test_a_label_that_is_no_json_is_one_sentence(small_archive, tmp_path, capsys):
    with tarfile.open(small_archive, "a") as tar:
        for name, data in (("bad/label.json", b'{"utterance": '), ("bad/audio.wav", b"RIFF")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert main(["prepare", str(small_archive), str(tmp_path / "out")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "broken label" in line]
    assert line.startswith(
        "Left out 1: broken label. For example bad: Its label cannot be used: it is not readable "
        "JSON (Expecting value"
    )


def test_a_replaced_dataset_is_named(small_archive, tmp_path, capsys):
    out, other = tmp_path / "out", tmp_path / "Other.tar"
    shutil.copy(small_archive, other)
    assert main(["prepare", str(small_archive), str(out)]) == 0
    capsys.readouterr()
    assert main(["prepare", str(other), str(out)]) == 0
    assert f"prepared from {small_archive.name}." in capsys.readouterr().out


def test_a_voice_that_was_trained_into_a_dataset_folder_stays(small_archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["prepare", str(small_archive), str(out)]) == 0
    (out / "mels-0123.pt").write_bytes(b"a cache, which may go")
    (out / "best_model").write_bytes(b"days of training")
    command = ["prepare", str(small_archive), str(out), "--seed", "5"]
    assert main(command) == 1
    assert "best_model" in capsys.readouterr().err
    assert (out / "best_model").read_bytes() == b"days of training"
    (out / "best_model").unlink()
    assert main(command) == 0
