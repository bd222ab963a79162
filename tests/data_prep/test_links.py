"""Links out of a stranger's folder are refused by name, and pipes are not waited for."""

import os
import sys

import numpy as np
import pytest
import soundfile
from support.waiting import within

from data_prep.__main__ import main
from data_prep.dataset_writer import prepare
from data_prep.folders import PrepareError, finished_report
from data_prep.recordings import RecordingsError, pack
from data_prep.soundtools import ArchiveError, index_archive, read_clips

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    tone = 0.3 * np.sin(np.arange(16_000) / 20)
    for path in (folder / "good.wav", folder / "other.wav", tmp_path / "out.wav"):
        soundfile.write(path, tone, 16_000)
    (folder / "good.txt").write_text("Good.")
    (tmp_path / "secret").write_text("root:x:0:0")
    return folder


def packed_texts(folder, tmp_path):
    with within(20):
        packed = pack(folder, tmp_path / "made.tar", "Me", overwrite=True)
    labels = [clip.label.decode() for clip in read_clips(index_archive(tmp_path / "made.tar"))]
    assert not any("root:" in label for label in labels)
    return len(labels), packed.left_out


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "deep/../../secret"])
def test_a_text_from_outside_is_not_packed(folder, tmp_path, target):
    (folder / "other.txt").symlink_to(target)
    assert packed_texts(folder, tmp_path) == (
        1,
        ("other.txt is a link that leads out of the folder.",),
    )


def test_a_sound_from_outside_is_not_packed(folder, tmp_path):
    (folder / "out.wav").symlink_to("../out.wav")
    (folder / "out.txt").write_text("Out.")
    (folder / "other.txt").write_text("Other.")
    assert packed_texts(folder, tmp_path) == (
        2,
        ("out.wav is a link that leads out of the folder.",),
    )


def test_a_folder_from_outside_is_named(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "linked").symlink_to("../elsewhere")
    (folder / "other.txt").write_text("Other.")
    assert packed_texts(folder, tmp_path) == (
        2,
        ("linked is a link that leads out of the folder.",),
    )


def test_links_inside_are_packed(folder, tmp_path):
    (folder / "other.txt").symlink_to("good.txt")
    (folder / "deep" / "third.wav").symlink_to("../good.wav")
    (folder / "deep" / "third.txt").write_text("Third.")
    assert packed_texts(folder, tmp_path) == (3, ())


@pytest.mark.parametrize("name", ["other.txt", "pipe.wav", "pipe.flac"])
def test_a_pipe_among_recordings_is_not_waited_for(folder, tmp_path, name):
    (folder / "pipe.txt").write_text("Pipe.")
    os.mkfifo(folder / name)
    n_clips, left_out = packed_texts(folder, tmp_path)
    assert n_clips == 1 and any("a pipe or a device" in sentence for sentence in left_out)


@pytest.mark.parametrize("name", ["metadata.csv", "texts.csv"])
def test_a_table_that_is_a_pipe_or_from_outside_is_refused(folder, tmp_path, name):
    os.mkfifo(folder / name)
    with within(5), pytest.raises(RecordingsError, match="a pipe or a device, not a file"):
        pack(folder, tmp_path / "made.tar", "Me")
    (folder / name).unlink()
    (folder / name).symlink_to("../secret")
    with pytest.raises(RecordingsError, match=f"{name} is a link that leads out of the folder"):
        pack(folder, tmp_path / "made.tar", "Me")


@pytest.mark.parametrize("name", ["../out", "../out.wav", "linked", "deep/away/out"])
def test_a_table_names_no_sound_outside(folder, tmp_path, name):
    (folder / "linked.wav").symlink_to("../out.wav")
    (folder / "deep" / "away").symlink_to(tmp_path)
    rows = f"good|Good.\nother|Other.\n{name}|Out.\n{tmp_path}/out|Out.\n"
    (folder / "metadata.csv").write_text(rows)
    n_clips, left_out = packed_texts(folder, tmp_path)
    assert n_clips == 2 and len(left_out) == 4  # two rows and two links
    assert all("leads out" in said or "no audio file" in said for said in left_out)


def test_the_list_of_archives_stays_inside(folder, tmp_path, capsys):
    pack(folder, folder / "Mine.tar", "Me")
    pack(folder, tmp_path / "Theirs.tar", "Them")
    (folder / "deep" / "Linked.tar").symlink_to("../Mine.tar")
    (folder / "Out.tar").symlink_to("../Theirs.tar")
    os.mkfifo(folder / "Pipe.tar")
    with within(20):
        assert main(["list", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()[:3]
    lines = {os.path.basename(line.split()[0]): line for line in said}
    assert "1 clips" in lines["Mine.tar"] and "1 clips" in lines["Linked.tar"]
    assert lines["Out.tar"].endswith("is a link that leads out of the folder")


def test_an_archive_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "Pipe.tar")
    with within(5), pytest.raises(ArchiveError, match="a pipe or a device, not a file"):
        prepare(tmp_path / "Pipe.tar", tmp_path / "data")


def test_a_report_that_is_a_pipe_is_no_report(tmp_path):
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "report.json")
    with within(5):
        assert finished_report(tmp_path / "data") is None
        with pytest.raises(PrepareError, match="left alone"):
            prepare(tmp_path / "no.tar", tmp_path / "data")
