import os
import shutil
import struct
import zlib

import pytest
from PIL import Image
from support.waiting import within

from ponytaco.cli import main
from ponytaco.runs.folder import Run
from ponytaco.runs.movie import MovieError, make_movie, select_evenly


@pytest.fixture
def run(trained_run, tmp_path):
    return Run(shutil.copytree(trained_run.run.folder, tmp_path / "Beeps"))


def frames_of(path):
    with Image.open(path) as movie:
        durations = []
        for i in range(movie.n_frames):
            movie.seek(i)
            durations.append(movie.info["duration"])
        return movie.size, durations


def test_there_is_one_frame_per_validation(run):
    path = make_movie(run)
    assert path == run.folder / "alignment.gif"
    size, durations = frames_of(path)
    assert size[0] == 800
    assert len(durations) == len(list(run.alignments.iterdir())) == 2
    assert durations[-1] > durations[0]  # time to look at the result
    assert list(run.folder.glob(".alignment*")) == []


def test_pictures_of_different_sizes_are_scaled_to_one(run):
    with Image.open(run.picture(60)) as image:
        image.resize((300, 900)).save(run.picture(90))
    size, durations = frames_of(make_movie(run, width=200))
    assert size == (200, 600) and len(durations) == 3


def test_a_long_run_has_few_frames():
    pictures = list(range(1000))
    few = select_evenly(pictures, 80)
    assert len(few) == 80 and (few[0], few[-1]) == (0, 999) and few == sorted(set(few))
    assert select_evenly(pictures[:80], 80) == pictures[:80]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"no picture", "cannot identify"), (slice(5000), "truncated"),
     (slice(40), ""), (b"\x89PNG\r\n\x1a\n" + bytes(99), "")],
)  # fmt: skip
def test_a_broken_picture_is_left_out_and_named(run, content, reason):
    messages = []
    png = run.picture(60).read_bytes()
    with Image.open(run.picture(30)) as image:
        image.rotate(180).save(run.picture(90))
    run.picture(60).write_bytes(png[content] if isinstance(content, slice) else content)
    _, durations = frames_of(make_movie(run, log=messages.append))
    assert len(durations) == 2
    (message,) = messages
    assert message.startswith("Left out of the movie: step-000060.png (") and reason in message


def test_without_a_usable_picture_there_is_no_movie(run, tmp_path):
    Run(tmp_path / "empty").prepare()
    with pytest.raises(MovieError, match="no pictures"):
        make_movie(Run(tmp_path / "empty"))
    run.picture(30).write_bytes(b""), run.picture(60).write_bytes(b"")
    with pytest.raises(MovieError, match="No picture in .* can be used"):
        make_movie(run, log=lambda message: None)
    assert not (run.folder / "alignment.gif").exists()


def test_a_picture_of_billions_of_pixels_is_not_decoded(run):
    huge = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + huge
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    png += struct.pack(">I", zlib.crc32(chunk)) + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    run.picture(60).write_bytes(png)
    messages = []
    make_movie(run, log=messages.append)
    assert "step-000060.png (Image size" in messages[0]


def test_a_movie_that_cannot_be_written_is_reported(run, tmp_path):
    with pytest.raises(MovieError, match="Cannot write the movie"):
        make_movie(run, tmp_path / "nowhere" / "x.gif")


def test_the_command(run, tmp_path, capsys):
    out = tmp_path / "out.gif"
    assert main(["movie", str(run.folder), "-o", str(out)]) == 0
    assert str(out) in capsys.readouterr().out and out.is_file()
    assert main(["movie", str(tmp_path / "nothing")]) == 1
    assert f"nothing at {tmp_path / 'nothing'}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.mp4", "x.gif.webm", "x"])
def test_another_file_type_is_refused(run, tmp_path, name):
    with pytest.raises(MovieError, match=r"is a GIF .*x\.gif") as error:
        make_movie(run, tmp_path / name)
    assert "ffmpeg" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / name).exists()


def test_the_suffix_may_be_in_capitals(run, tmp_path):
    assert make_movie(run, tmp_path / "X.GIF").is_file()


def test_a_picture_that_is_a_pipe_is_not_waited_for(run):
    os.mkfifo(run.picture(90))
    said = []
    with within(60):
        make_movie(run, log=said.append)
    assert "step-000090.png" in said[0] and "a pipe or a device" in said[0]
