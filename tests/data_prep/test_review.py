import csv
import json

import numpy as np
import pytest

from data_prep.archive_writer import ArchiveWriter
from data_prep.labels import make_label
from data_prep.review import ReviewError, read_review, table_path, write_review
from data_prep.soundtools import index_archive, read_clips

SCORES = {"good": -1.2, "bad": -5.5, "doubtful": -3.0, "none": None}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "Me.tar"
    wave = 0.1 * np.sin(np.arange(22_050) / 20).astype(np.float32)
    with ArchiveWriter(path) as writer:
        for number, (ref, score) in enumerate(SCORES.items()):
            label = make_label(f"Hello, {ref}!", 1.0, "Me", "recordings")
            span = [number, number + 1]
            label["recording"] = {"name": "talk.wav", "interval": span, "score": score}
            writer.add(ref, wave, 22_050, label)
    return path


def rows(archive):
    with open(table_path(archive), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def edit(archive, delimiter=",", **texts):
    """Set clips' texts; None leaves a clip out."""
    edited = rows(archive)
    for row in edited:
        text = texts.get(row["clip"], row["text"])
        row |= {"keep": "No"} if text is None else {"text": text}
    with open(table_path(archive), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(edited[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(edited)


def texts_of(archive):
    labels = [json.loads(clip.label) for clip in read_clips(index_archive(archive))]
    return [label["utterance"]["content"] for label in labels]


def test_the_most_doubtful_clips_come_first(archive):
    assert write_review(archive).clips == 4
    assert [row["clip"] for row in rows(archive)] == ["none", "bad", "doubtful", "good"]
    assert rows(archive)[1] == {
        "clip": "bad", "start": "1", "end": "2", "text": "Hello, bad!", "score": "-5.5",
        "keep": "yes",
    }  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_texts_are_corrected_and_clips_left_out(archive, delimiter):
    write_review(archive)
    edit(archive, delimiter, bad="Goodbye, “you”; and\tI", none=None)
    result = read_review(archive)
    assert (result.clips, result.corrected, result.left_out) == (3, 1, 1)
    assert texts_of(archive) == ["Hello, good!", "Goodbye, “you”; and\tI", "Hello, doubtful!"]
    assert [row["clip"] for row in rows(archive)] == ["bad", "doubtful", "good"]


def test_what_was_not_edited_stays_as_it_is(archive):
    write_review(archive)
    before = archive.read_bytes()
    result = read_review(archive)
    assert (result.corrected, result.left_out) == (0, 0) and archive.read_bytes() == before


def test_an_archive_without_recordings_has_a_table_too(small_archive):
    assert write_review(small_archive).clips == 12
    assert rows(small_archive)[0]["start"] == ""
    assert read_review(small_archive).corrected == 0


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("clip,text\ngood,Hi\n", "has no column 'keep'"),
        ("", "has no column"),
        ("clip,text,keep\nother,Hi,yes\n", "has no clip other"),
        ("clip,text,keep\ngood,,no\nbad,,no\ndoubtful,,no\nnone,,no\n", "no clip would stay"),
    ],
)
def test_a_wrong_table_is_explained(archive, table, why):
    before = archive.read_bytes()
    table_path(archive).write_text(table)
    with pytest.raises(ReviewError, match=why):
        read_review(archive)
    assert archive.read_bytes() == before
