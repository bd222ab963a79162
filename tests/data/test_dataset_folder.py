import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponytaco.data.dataset_folder import (
    Clip,
    ClipAlignment,
    FilelistError,
    as_paths,
    fingerprint,
    read_alignments,
    read_dataset,
    read_datasets,
    read_filelist,
)

GOOD = {"ref": "1", "tokens": [["HH", 0.1, 0.2], ["AH0", 0.2, 0.3]], "words": [["huh", 0.1, 0.3]]}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "Zecora"
    (folder / "wavs").mkdir(parents=True)
    for ref in "123":
        (folder / "wavs" / f"{ref}.wav").write_bytes(ref.encode() * 5000)
    (folder / "train.txt").write_text("wavs/1.wav|Hello.|{HH AH0 L OW1}.\nwavs/2.wav|Two.\n")
    (folder / "val.txt").write_text("wavs/3.wav|Three.\n")
    return folder


def write_train(folder, text):
    (folder / "train.txt").write_bytes(text.encode())
    return read_filelist(folder / "train.txt")


def test_two_and_three_columns(folder):
    assert read_filelist(folder / "train.txt") == [
        Clip(folder / "wavs/1.wav", "Hello.", "{HH AH0 L OW1}.", "1"),
        Clip(folder / "wavs/2.wav", "Two.", None, "2"),
    ]


def test_files_from_elsewhere_are_read(folder):
    text = "\ufeffwavs/1.wav|Zwei\u2028Zeilen|\r\n\r\n ./wavs\\2.wav | Größe | \r\n"
    clips = write_train(folder, text)
    assert [(clip.ref, clip.text, clip.arpabet) for clip in clips] == [
        ("1", "Zwei\u2028Zeilen", None),
        ("2", "Größe", None),
    ]


def test_clips_of_one_name_in_two_folders_have_two_refs(folder):
    shutil.copytree(folder / "wavs", folder / "wavs" / "more")
    clips = write_train(folder, "wavs/1.wav|a\nwavs/more/1.wav|b")
    assert [clip.ref for clip in clips] == ["1", "more/1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("wavs/9.wav|text", r"line 2: no audio at wavs/9\.wav\. Prepare the character again\."),
        ("wavs/2.wav", "line 2: 1 columns instead of 2 or 3"),
        ("wavs/2.wav|a|b|c", "line 2: 4 columns instead of 2 or 3"),
        ("wavs/2.wav| |b", r"line 2: no text for wavs/2\.wav"),
        ("|text", "line 2: the path '' is not inside"),
        ("/etc/hostname|text", "line 2: the path '/etc/hostname' is not inside"),
        ("../Zecora/wavs/2.wav|text", "line 2: .* is not inside"),
        ("wavs/../../x.wav|text", "line 2: .* is not inside"),
        ("..\\x.wav|text", "line 2: .* is not inside"),
        ("C:/x.wav|text", "line 2: .* is not inside"),
        ("wavs/\0.wav|text", "line 2: .* is not inside"),
        ("wavs|text", "line 2: no audio at wavs"),
        ("wavs/1.wav|again", "line 2: clip 1 is already in line 1"),
        ("wavs/./1.wav|again", "line 2: clip 1 is already in line 1"),
    ],
)
def test_a_bad_line_is_named(folder, line, message):
    with pytest.raises(FilelistError, match=r"^train\.txt, " + message):
        write_train(folder, f"wavs/1.wav|fine\n{line}\n")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_list_is_refused(folder, content):
    with pytest.raises(FilelistError, match="lists no clips"):
        write_train(folder, content)


def test_a_list_that_is_not_utf_8_is_refused(folder):
    (folder / "train.txt").write_bytes("wavs/1.wav|fine\nwavs/2.wav|Größe".encode("latin-1"))
    with pytest.raises(FilelistError, match=r"train\.txt, line 2: the byte 0xf6 is not text"):
        read_filelist(folder / "train.txt")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet="wavs/1.2|\\\n\r\0 é{", max_size=40))
def test_any_list_is_read_or_refused_with_a_sentence(folder, text):
    try:
        clips = write_train(folder, text)
    except FilelistError as error:
        assert str(error).endswith((".", "text", "wav"))
        return
    assert all(folder / "wavs" in clip.path.parents and clip.text for clip in clips)


def test_alignments_are_read(folder):
    lines = [GOOD, {"ref": "2", "tokens": [["T", 0, 1]]}]
    (folder / "alignments.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert read_alignments(folder) == {
        "1": ClipAlignment((("HH", 0.1, 0.2), ("AH0", 0.2, 0.3)), (("huh", 0.1, 0.3),)),
        "2": ClipAlignment((("T", 0.0, 1.0),), ()),
    }


def test_no_alignments_are_no_error(folder):
    assert read_alignments(folder) == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not json"),
        ("[" * 100_000, "line 2: not json"),
        ("[]", "line 2: no 'ref'"),
        ('{"ref": 3, "tokens": []}', "line 2: no 'ref'"),
        ('{"ref": "2"}', "line 2: no 'tokens'"),
        ('{"ref": "2", "tokens": {}}', "line 2, tokens: not a list"),
        ('{"ref": "2", "tokens": [["A", NaN, 1]]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": [["A", 0, Infinity]]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": [["A", -0.1, 1]]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": [["A", 2, 1]]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": [["A", true, 1]]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": [["", 0, 1]]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": [["A", 0]]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": ["abc"]}', "line 2, tokens: .*not of the form"),
        ('{"ref": "2", "tokens": [["A", 1, 2], ["B", 0, 3]]}', "line 2, tokens: B comes before A"),
        ('{"ref": "2", "tokens": [["A", 1, 4], ["B", 2, 3]]}', "line 2, tokens: B comes before A"),
        ('{"ref": "2", "tokens": [], "words": [[1, 0, 1]]}', "line 2, words: .*not of the form"),
        (json.dumps(GOOD), "line 2: clip 1 appears twice"),
    ],
)
def test_a_bad_alignment_is_named(folder, line, message):
    (folder / "alignments.jsonl").write_text(f"{json.dumps(GOOD)}\n{line}\n")
    with pytest.raises(FilelistError, match=r"^alignments\.jsonl, " + message):
        read_alignments(folder)


def test_a_dataset_folder_is_read_whole(folder):
    (folder / "lexicon.txt").write_text("HELLO  HH AH0 L OW1\n")
    (folder / "alignments.jsonl").write_text(json.dumps(GOOD))
    dataset = read_dataset(str(folder))
    assert [clip.ref for clip in dataset.train] == ["1", "2"]
    assert [clip.ref for clip in dataset.val] == ["3"]
    assert list(dataset.alignments) == ["1"]
    assert dataset.folder == folder
    assert dataset.lexicon_path == folder / "lexicon.txt"
    assert dataset.report_path is None


@pytest.mark.parametrize("name", ["train.txt", "val.txt"])
@pytest.mark.parametrize("read", [read_dataset, fingerprint])
def test_a_folder_without_a_list_is_no_dataset(folder, name, read):
    (folder / name).unlink()
    message = f"is not a dataset folder: no {name}. Prepare one with: ponytaco prepare"
    with pytest.raises(FilelistError, match=message):
        read(folder)


def test_a_missing_folder_is_no_dataset(tmp_path):
    with pytest.raises(FilelistError, match="is not a dataset folder: no such folder"):
        read_dataset(tmp_path / "none")


def test_a_clip_in_both_lists_is_refused(folder):
    (folder / "val.txt").write_text("wavs/2.wav|Two.\n")
    with pytest.raises(FilelistError, match=r"clip 2 is in train\.txt and in val\.txt"):
        read_dataset(folder)


def test_the_fingerprint_does_not_depend_on_the_place(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert fingerprint(copy) == fingerprint(folder)
    assert len(fingerprint(folder)) == 64


def test_the_fingerprint_does_not_depend_on_an_editors_line_ends(folder):
    before = fingerprint(folder)
    for name in ("train.txt", "val.txt"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8-sig", newline="\r\n")
    assert fingerprint(folder) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.txt", b"wavs/1.wav|Hello!|{HH AH0 L OW1}.\nwavs/2.wav|Two.\n"),
        ("val.txt", b"wavs/3.wav|Thirty.\n"),
        ("alignments.jsonl", json.dumps(GOOD).encode()),
        ("wavs/2.wav", b"2" * 5001),
        ("wavs/2.wav", b"X" * 5000),
        ("wavs/3.wav", b"X" * 5000),
    ],
)
def test_the_fingerprint_changes_with_the_data(folder, name, content):
    before = fingerprint(folder)
    (folder / name).write_bytes(content)
    assert fingerprint(folder) != before


def test_the_fingerprint_of_several_folders_is_of_all_in_their_order(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "val.txt").write_text("wavs/3.wav|Third.\n")
    both = fingerprint(folder, other)
    assert len({both, fingerprint(other, folder), fingerprint(folder), fingerprint(other)}) == 4
    moved = shutil.copytree(other, tmp_path / "moved")
    assert fingerprint(folder, moved) == both


def test_no_folder_and_one_folder_twice_are_refused(folder):
    with pytest.raises(FilelistError, match="No dataset folder"):
        read_datasets([])
    with pytest.raises(FilelistError, match="twice"):
        read_datasets([folder, folder / ".." / folder.name])
    assert [read.folder for read in read_datasets(as_paths(folder))] == [folder]


@pytest.mark.parametrize(
    "column",
    ["0", "Twilight", "speaker1", "Twilight Sparkle", "EN", "The same text.", "happy", "I"],
)
def test_a_third_column_that_is_no_pronunciation_is_refused(folder, column):
    with pytest.raises(FilelistError, match=r"third column is not ARPAbet.*“Hello.\|") as error:
        write_train(folder, f"wavs/1.wav|Hello.|{column}\nwavs/2.wav|Two.|{column}\n")
    assert "second column" in str(error.value)


@pytest.mark.parametrize(
    ("column", "arpabet"),
    [
        ("HH AH0 L OW1", "{HH AH0 L OW1}"), ("{HH AH0 L OW1}.", "{HH AH0 L OW1}."),
        ("AY1", "{AY1}"), ("☻Well, {HH AH0 L OW1}!", "☻Well, {HH AH0 L OW1}!"),
    ],
)  # fmt: skip
def test_phones_are_read_with_and_without_braces(folder, column, arpabet):
    assert write_train(folder, f"wavs/1.wav|Hello.|{column}\n")[0].arpabet == arpabet
