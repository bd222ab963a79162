"""Texts too long: the clip or row is left out by name; the archive if all together are."""

import json
import tracemalloc

import numpy as np
import pytest
import soundfile

import data_prep.dataset_writer as writer
from data_prep.archive_writer import ArchiveWriter
from data_prep.audio import SAMPLE_RATE
from data_prep.dataset_writer import prepare
from data_prep.folders import PrepareError
from data_prep.labels import LabelError, parse_label
from data_prep.recordings import pack
from ponytaco.data.dataset_folder import FilelistError, read_alignments, read_dataset, read_filelist
from ponytaco.text.lexicon import Lexicon, LexiconError

HUGE = "x" * 5_000_000
TIME = {"interval": [0, 1]}


def label(**fields):
    return json.dumps({"utterance": {"content": "Hi."}} | fields).encode()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tags": ["Happy", HUGE]}, "one of its tags has 5000000 characters, more than 200"),
        ({"tags": ["a"] * 101}, "it has 101 tags, more than 100"),
        ({"character": HUGE}, 'its "character" has 5000000 characters'),
        ({"episode": HUGE}, 'its "episode" has'),
        ({"noise": HUGE}, 'its "noise" has'),
        ({"utterance": {"content": HUGE}}, "its text has 5000000 characters, more than 2000"),
        ({"words": [TIME | {"content": HUGE}]}, "one of its words has 5000000 characters"),
        ({"phones": [TIME | {"content": "A" * 201}]}, "one of its phones has 201 characters"),
    ],
)
def test_no_text_of_a_label_is_longer_than_a_label_can_be(fields, reason):
    with pytest.raises(LabelError) as error:
        parse_label(label(**fields))
    assert str(error.value).startswith(reason) and len(str(error.value)) < 100


def test_texts_of_the_longest_length_are_fine():
    names = {"character": "x" * 200, "episode": "x" * 200, "tags": ["x" * 200] * 100}
    words = [TIME | {"content": "x" * 200}]
    assert parse_label(label(**names, words=words, utterance={"content": "x" * 2000})).tags


def archive_of(path, fake_clip, labels):
    with ArchiveWriter(path) as archive:
        for i, fields in enumerate(labels):
            clip = fake_clip(["see", "yes", "no"], seed=i)
            archive.add(f"clip {i}", clip.waveform, SAMPLE_RATE, clip.label | fields)
    return path


def test_clips_with_tags_of_megabytes_are_left_out_one_by_one(fake_clip, tmp_path):
    huge = [{"tags": [f"{i}" + "x" * 1_500_000]} for i in range(30)]
    path = archive_of(tmp_path / "a.tar", fake_clip, [{}, {}, *huge, {"tags": ["x"] * 700_000}])
    tracemalloc.start()
    report = prepare(path, tmp_path / "data", progress=False).report
    assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    tracemalloc.stop()
    assert report["kept"] == 2 and report["rejected"] == {"broken label": 31}
    sentences = report["rejected_examples"]["broken label"]
    assert sentences[0].startswith("clip 2: Its label cannot be used: one of its tags has 1500001")
    assert all(len(sentence) < 200 for sentence in sentences)
    assert (tmp_path / "data" / "report.json").stat().st_size < 10_000


def test_what_is_beyond_use_in_all_is_said(fake_clip, tmp_path, monkeypatch):
    path = archive_of(tmp_path / "a.tar", fake_clip, [{}, {}, {}])
    for name, limit in (("MOST_CHARACTERS", 50), ("MOST_PRONUNCIATIONS", 2)):
        with monkeypatch.context() as patched:
            patched.setattr(writer, name, limit)
            with pytest.raises(PrepareError, match=rf"a.tar: more than {limit} .*Split the archiv"):
                prepare(path, tmp_path / "data", progress=False)
    assert prepare(path, tmp_path / "data", progress=False).report["kept"] == 3


def test_the_report_counts_a_limited_number_of_tags(fake_clip, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MOST_TAGS", 2)
    labels = [{"tags": [tag]} for tag in ("Happy", "a", "b", "c", "Happy")]
    path = archive_of(tmp_path / "a.tar", fake_clip, labels)
    tags = prepare(path, tmp_path / "data", progress=False).report["tags"]
    assert tags == {"Happy": 2, "others": 2, "a": 1}


def test_what_is_written_can_be_read(fake_clip, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "LONGEST_ALIGNMENT", 100)
    path = archive_of(tmp_path / "a.tar", fake_clip, [{}, {}])
    prepared = prepare(path, tmp_path / "data", progress=False)
    assert prepared.report["alignments"] == {
        "kept": 0,
        "dropped": 2,
        "without_phones": 0,
        "found_here": 0,
    }
    assert not read_dataset(prepared.folder).alignments


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        soundfile.write(folder / f"{name}.wav", 0.3 * np.sin(np.arange(9000) / 20), 16_000)
    return folder


@pytest.mark.parametrize("separator", ["|", ","])
@pytest.mark.parametrize("length", [2001, 200_000, 5_000_000])
def test_a_row_that_is_too_long_is_left_out(recordings, tmp_path, separator, length):
    rows = [("a", "First."), ("b", "x" * length), ("c", "Third.")]
    table = "".join(f"{separator.join(row)}\n" for row in rows)
    (recordings / "metadata.csv").write_text(table)
    packed = pack(recordings, tmp_path / "made.tar", "Me")
    assert packed.clips == 2
    sentence = packed.left_out[0]
    assert sentence.startswith("metadata.csv, row 2: ") and len(sentence) < 120


def test_a_name_of_megabytes_in_a_table_is_left_out(recordings, tmp_path):
    (recordings / "metadata.csv").write_text(f"a|First.\n{HUGE}|Second.\n")
    packed = pack(recordings, tmp_path / "made.tar", "Me")
    assert packed.clips == 1 and len(packed.left_out[0]) < 200


def test_a_text_of_megabytes_is_left_out(recordings, tmp_path):
    for name, text in (("a", "First."), ("b", HUGE), ("c", "Third.")):
        (recordings / f"{name}.txt").write_text(text)
    packed = pack(recordings, tmp_path / "made.tar", "Me")
    assert packed.clips == 2
    assert packed.left_out[0].endswith("b.txt: the text has 5,000,000 characters, more than 2,000.")


def test_a_line_of_megabytes_in_a_list_is_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    said = []
    (tmp_path / "train.txt").write_text(f"a.wav|Hi.\n\na.wav|{HUGE}\n")
    with pytest.raises(FilelistError, match=r"train.txt, line 3 has 5,000,006 char") as error:
        read_filelist(tmp_path / "train.txt")
    said.append(error.value)
    (tmp_path / "alignments.jsonl").write_text(f'{{"ref": "{HUGE}", "tokens": []}}\n')
    with pytest.raises(FilelistError, match=r"alignments.jsonl, line 1 has 5,000,02") as error:
        read_alignments(tmp_path)
    said.append(error.value)
    for content in (f"HELLO  HH AH0\n{HUGE}  HH AH0", "HI  HH\nHELLO  " + "HH " * 10**6):
        (tmp_path / "lexicon.txt").write_text(content)
        with pytest.raises(LexiconError, match=r"lexicon.txt, line 2 has [35],000,0") as error:
            Lexicon.read(tmp_path / "lexicon.txt")
        said.append(error.value)
    assert all(len(str(error)) < 150 for error in said)
