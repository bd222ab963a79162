"""Labels, texts and lists by strangers: a reason for each, and never a traceback."""

import io
import json
import os
import sys
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.soak import often

from data_prep.audio import wav_bytes
from data_prep.dataset_writer import prepare
from data_prep.folders import PrepareError, finished_report
from data_prep.labels import Label, LabelError, parse_label
from data_prep.recordings import RecordingsError, pack
from ponytaco.config import Config, ConfigError
from ponytaco.data.dataset_folder import FilelistError, read_alignments, read_dataset, read_filelist
from ponytaco.runs.history import cut_history, read_history
from ponytaco.text.encode import ctc_targets, text_to_ids
from ponytaco.text.lexicon import Lexicon, LexiconError
from ponytaco.text.symbols import SYMBOLS

WILD_TEXT = st.text(
    st.characters() | st.sampled_from("|{}\n\r\0\u202e\u200f\u2028\ud800\udfff☺␤@_ '1."),
    max_size=40,
)
NUMBERS = (
    st.floats()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 1e308, float("nan"), float("inf"), True, -0.0])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WILD_TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["content", "interval", "utterance", "episode_interval", "x"]), inner
        )
    ),
    max_leaves=10,
)
INTERVALS = st.lists(
    st.fixed_dictionaries({"content": WILD_TEXT, "interval": st.lists(NUMBERS, max_size=3)}),
    max_size=4,
)
LABELS = st.fixed_dictionaries(
    {},
    optional={
        "character": VALUES, "episode": VALUES, "tags": VALUES | st.lists(WILD_TEXT),
        "noise": VALUES, "words": VALUES | INTERVALS, "phones": VALUES | INTERVALS,
        "utterance": VALUES
        | st.fixed_dictionaries({"content": WILD_TEXT}, optional={"episode_interval": VALUES}),
    },
)  # fmt: skip


@settings(max_examples=often(150), deadline=None)
@given(VALUES | LABELS)
@example({"utterance": {"content": "a"}, "words": [{"content": "a", "interval": [0, 10**400]}]})
@example({"utterance": {"content": "a"}, "words": [{"content": "a", "interval": [0, True]}]})
def test_any_json_is_a_label_or_a_label_error(value):
    try:
        label = parse_label(json.dumps(value).encode())
    except LabelError as error:
        assert str(error)
        return
    assert isinstance(label, Label)
    assert all(0 <= i.start <= i.end <= 1e6 for i in label.words + label.phones)


def tone(pitch):
    import numpy as np

    return (0.3 * np.sin(np.arange(15_000) * pitch)).astype(np.float32)


SOUNDS = [wav_bytes(tone(0.05 + 0.01 * i)) for i in range(4)]


def tar_of(labels):
    import tarfile

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for i, label in enumerate(labels):
            for name, data in (
                ("audio.wav", SOUNDS[i]),
                ("label.json", json.dumps(label).encode()),
            ):
                info = tarfile.TarInfo(f"{i}/{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.slow
@settings(max_examples=often(40, in_soak=3_000), deadline=None)
@given(st.lists(LABELS, min_size=2, max_size=4))
@example([{"utterance": {"content": text}} for text in ("२३", "☺", "\u202ea\u202c", "\ud800b")])
@example([{"utterance": {"content": text}} for text in ("½", "ª", "①", "ﬁ")])
def test_what_is_prepared_from_any_labels_can_be_trained_on(tmp_path_factory, labels):
    folder = tmp_path_factory.mktemp("t")
    (folder / "t.tar").write_bytes(tar_of(labels))
    try:
        report = prepare(folder / "t.tar", folder / "out", progress=False).report
    except PrepareError as error:
        print(error, file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        return
    print(json.dumps(report), file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    dataset = read_dataset(folder / "out")
    assert len(dataset.train) + len(dataset.val) == report["kept"]
    if dataset.lexicon_path:
        Lexicon.read(dataset.lexicon_path)
    for clip in (*dataset.train, *dataset.val):
        for spelling in {clip.text, clip.arpabet or clip.text}:
            assert text_to_ids(spelling, "english", SYMBOLS)
            assert ctc_targets(spelling, "english")


@settings(
    max_examples=often(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(VALUES, VALUES, WILD_TEXT)
@example([["HH", 0, 10**400]], [], "a")
@example([["HH", 0, 1]], [["a", float("nan"), 1]], "a")
def test_any_alignment_is_read_or_refused(tmp_path, tokens, words, ref):
    entry = {"ref": ref, "tokens": tokens, "words": words}
    (tmp_path / "alignments.jsonl").write_text(json.dumps(entry))
    try:
        read = read_alignments(tmp_path)
    except FilelistError as error:
        assert "alignments.jsonl" in str(error)
        return
    assert all(0 <= start <= end <= 1e6 for _, start, end in read[ref].tokens)


def test_a_number_of_thousands_of_digits_is_no_alignment(tmp_path):
    content = '{"ref": "a", "tokens": [["HH", 0, ' + "9" * 5000 + "]]}"
    (tmp_path / "alignments.jsonl").write_text(content)
    with pytest.raises(FilelistError, match="line 1"):
        read_alignments(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"train": {"seed": ' + "9" * 5000 + "}}", '{"model": {"prenet_dim": 1e308}}',
     '{"model": {"postnet_n_convolutions": 1000000}}', '{"audio": {"n_fft": 10000000000}}',
     '{"train": {"learning_rate": NaN}}', "null", '{"model": {"prenet_dim": [1]}}'],
)  # fmt: skip
def test_settings_by_a_stranger_are_refused(content):
    with pytest.raises(ConfigError):
        Config.from_json(content)


@settings(
    max_examples=often(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=200))
@example(b"step,loss\n1,2\n\0\0\0\n3,4\n")
@example(b"step,loss\n1,\xff\xfe\n")
@example(b'step,loss\n1,"' + b"2" * 200_000 + b'"\n')
def test_any_bytes_are_a_history_or_none(tmp_path, content):
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    assert all("step" in row for row in read_history(path))
    cut_history(path, 3)
    assert all(row["step"] <= 3 for row in read_history(path))


@settings(
    max_examples=often(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=100) | WILD_TEXT.map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_lexicon_or_a_sentence(tmp_path, content):
    path = tmp_path / "lexicon.txt"
    path.write_bytes(content)
    try:
        Lexicon.read(path)
    except LexiconError as error:
        assert "lexicon.txt" in str(error)


# A list's paths


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "data"
    (folder / "wavs").mkdir(parents=True)
    (folder / "wavs" / "in.wav").write_bytes(b"1")
    (tmp_path / "out.wav").write_bytes(b"2")
    return folder


def read_one(folder, name):
    (folder / "train.txt").write_text(f"{name}|Hello.\n")
    return read_filelist(folder / "train.txt")


@pytest.mark.parametrize("name", ["../out.wav", "wavs/../../out.wav", "wavs\\..\\..\\out.wav"])
def test_a_path_outside_is_refused(folder, name):
    with pytest.raises(FilelistError, match="not inside the dataset folder"):
        read_one(folder, name)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("target", ["../../out.wav", "/dev/zero", "link.wav"])
def test_a_link_to_outside_is_refused(folder, target):
    (folder / "wavs" / "link.wav").symlink_to(target)
    with pytest.raises(FilelistError, match="link to a file outside|no audio"):
        read_one(folder, "wavs/link.wav")


def test_links_that_stay_inside_are_fine_and_so_is_a_linked_data_set(folder, tmp_path):
    (folder / "wavs" / "link.wav").symlink_to("in.wav")
    assert read_one(folder, "wavs/link.wav")[0].ref == "link"
    (folder / "wavs").rename(folder / "sounds")
    (folder / "wavs").symlink_to("sounds")
    assert read_one(folder, "wavs/in.wav")[0].ref == "in"
    (tmp_path / "link").symlink_to(folder)
    assert read_one(tmp_path / "link", "wavs/link.wav")[0].ref == "link"


@pytest.mark.parametrize("linked", ["wavs", "wavs/deep", "wavs/deep/er"])
def test_a_folder_that_is_a_link_to_outside_is_refused(folder, tmp_path, linked):
    (tmp_path / "elsewhere" / "er").mkdir(parents=True)
    for place in ("", "er"):
        (tmp_path / "elsewhere" / place / "out.wav").write_bytes(b"3")
    place = folder / linked
    if linked == "wavs":
        (folder / "wavs").rename(tmp_path / "before")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FilelistError, match=r"line 1: .*out.wav leads through a link to a file"):
        read_one(folder, f"{linked}/out.wav")
    with pytest.raises(FilelistError, match="line 1"):
        read_one(folder, f"{linked}/../{linked.rpartition('/')[2]}/out.wav")


@pytest.mark.parametrize("name", ["train.txt", "val.txt", "alignments.jsonl", "lexicon.txt"])
def test_a_list_that_is_a_link_to_outside_is_refused(folder, tmp_path, name):
    for each in ("train.txt", "val.txt"):
        (folder / each).write_text(f"wavs/{each[0]}.wav|Hello.\n")
        (folder / "wavs" / f"{each[0]}.wav").write_bytes(b"4")
    read_dataset(folder)
    (tmp_path / "outside").write_text("wavs/in.wav|secret\n")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(FilelistError, match=f"{name} is a link that leads out of the folder"):
        read_dataset(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
@pytest.mark.parametrize("name", ["train.txt", "alignments.jsonl", "lexicon.txt", "wavs/t.wav"])
def test_a_pipe_in_a_data_set_is_not_waited_for(folder, name):
    for each in ("train.txt", "val.txt"):
        (folder / each).write_text(f"wavs/{each[0]}.wav|Hello.\n")
        (folder / "wavs" / f"{each[0]}.wav").write_bytes(b"4")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    if name in ("alignments.jsonl", "lexicon.txt"):  # these may be missing
        found = read_dataset(folder)
        assert not found.alignments and found.lexicon_path is None
    else:
        with pytest.raises(FilelistError, match="no train.txt|no audio"):
            read_dataset(folder)
    if name != "wavs/t.wav":
        with pytest.raises(LexiconError, match="a pipe or a device, not a file"):
            Lexicon.read(folder / name)


def grown(path, content, n_bytes=2**31):
    """A file of gigabytes, most of it a hole: it takes no room on the disk."""
    path.write_text(content)
    os.truncate(path, n_bytes)
    return path


def test_files_of_gigabytes_beside_a_list_are_not_read(folder, tmp_path):
    tracemalloc.start()
    with pytest.raises(LexiconError, match="larger than 64 MB"):
        Lexicon.read(grown(folder / "lexicon.txt", "A  AH0\n"))
    with pytest.raises(FilelistError, match="larger than 256 MB"):
        grown(folder / "alignments.jsonl", '{"ref": "in", "tokens": []}\n')
        read_alignments(folder)
    history = grown(tmp_path / "history.csv", "step,loss\n1,2\n2,3\n")
    assert [row["step"] for row in read_history(history)] == [1, 2]
    report = grown(folder / "report.json", '{"made_by": "ponytaco data_prep"}')
    assert finished_report(folder) is None
    assert report.stat().st_size == 2**31
    assert tracemalloc.get_traced_memory()[1] < 512 * 2**20
    tracemalloc.stop()


def test_texts_of_gigabytes_are_not_packed(folder):
    for name in ("a", "b"):
        (folder / f"{name}.wav").write_bytes(SOUNDS[0])
        (folder / f"{name}.txt").write_text("Hello.")
    grown(folder / "b.txt", "Hello.")
    packed = pack(folder, folder / "out.tar", "Me")
    assert packed.clips == 1
    assert any("b.txt: it is larger than 64 MB" in sentence for sentence in packed.left_out)
    grown(folder / "metadata.csv", "a|Hello.")
    with pytest.raises(RecordingsError, match="larger than 64 MB"):
        pack(folder, folder / "out.tar", "Me", overwrite=True)


def test_a_list_of_gigabytes_is_not_read(folder):
    (folder / "train.txt").write_text("wavs/in.wav|Hello.\n")
    os.truncate(folder / "train.txt", 2**30)
    with pytest.raises(FilelistError, match="larger than"):
        read_filelist(folder / "train.txt")


NESTED = "[" * 900 + "]" * 900


@pytest.mark.parametrize(
    "line",
    [
        f'{{"ref": "in", "tokens": [{NESTED}]}}',
        f'{{"ref": "in", "tokens": [["A", 1{"0" * 600}, 2]]}}',
        '{"ref": "in", "tokens": [["A", NaN, 2]]}',
        '{"ref": "in", "tokens": [["A", true, 2]]}',
        '{"ref": "in", "tokens": [["A\\u001b[2J\\n", "0", 2]]}',
        f'{{"ref": "in", "tokens": [["A", {"1" * 5000}, 2]]}}',
        '{"ref": ["in"], "tokens": []}',
    ],
    ids=lambda line: line[:40],
)
def test_alignments_that_are_none_are_one_sentence(folder, line):
    (folder / "alignments.jsonl").write_text(line)
    with pytest.raises(FilelistError, match="alignments.jsonl, line 1") as error:
        read_alignments(folder)
    assert len(str(error.value)) < 300 and str(error.value).isprintable()


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": "many"}, {"minutes": float("nan")}, {"kept": True}, {"clips": 10**600},
        {"rejected": [1]}, {"rejected": {"tag": "x"}}, {"alignments": None}, {"options": 1},
        {"rejected": {"tag": 1}, "rejected_examples": {}}, {"archive": {}},
        {"rejected": {"tag": 1}, "rejected_examples": {"tag": []}}, {"train": -1},
    ],
    ids=str,
)  # fmt: skip
def test_a_report_that_is_none_is_prepared_again(small_archive, tmp_path, change):
    prepared = prepare(small_archive, tmp_path / "out", progress=False)
    report = prepared.folder / "report.json"
    assert finished_report(prepared.folder) is not None
    report.write_text(json.dumps(json.loads(report.read_text()) | change))
    assert finished_report(prepared.folder) is None
    assert prepare(small_archive, tmp_path / "out", progress=False).fresh
