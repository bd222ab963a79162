"""What strangers can put into a tensor file's header, and that all of it is refused at once."""

import os

import pytest
import torch
from support.costs import at_most
from support.tensor_files import edit_header, put_together

from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, read_content
from ponytaco.io.tensor_file.errors import TensorFileError
from ponytaco.io.tensor_file.file import open_tensor_file, write_tensor_file

MB = 2**20


def refuse(path, said="."):
    with (
        at_most(),
        pytest.raises(TensorFileError, match=said) as error,
        open_tensor_file(path) as f,
    ):
        f.content()
        f.read(verify=True)
    assert str(error.value).isascii() and str(error.value).isprintable()
    for read in (load_checkpoint, read_content):
        with at_most(), pytest.raises(CheckpointError) as error:
            read(path)
        assert str(path) in str(error.value) and str(error.value).endswith(".")


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def repeated(item, n_bytes=15 * MB):
    return b'{"a":[' + item * (n_bytes // len(item)) + b"0]}"


HEADERS = {
    "no JSON": b'{"', "a text": b"hello", "a list": b"[]", "a number": b"1", "nothing": b"",
    "two tables": b'{"a":{}}{}', "no text": b'{"\xff":1}',
    "a text of 16 bits": '{"a":1}'.encode("utf-16"),
    "a zero at the end": b'{"a":{}}\0', "another name space": '{"é":{}}'.encode(),
    # numbers, texts, depth
    "10^600": b'{"a":{"dtype":"F32","shape":[1' + b"0" * 600 + b'],"data_offsets":[0,8]}}',
    "10^5000": b'{"a":1' + b"0" * 5000 + b"}", "a float": b'{"a":1e999}',
    "millions of digits": b'{"a":' + b"9" * 15 * MB + b"}",
    "millions of decimals": b'{"a":0.' + b"9" * 15 * MB + b"}",
    "nan": b'{"a":NaN}', "infinity": b'{"a":-Infinity}', "half a sign": b'{"\\ud83d":1}',
    "depth": b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}", "open depth": b'{"a":' * 10**6,
    "a name twice": b'{"a":{},"a":{}}', "a name twice, written otherwise": b'{"a":{},"\\u0061":{}}',
    "a type twice": b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "metadata twice": b'{"__metadata__":{},"__metadata__":{}}',
    # more values than any voice
    "lists": repeated(b"[],"), "tables": repeated(b"{},"), "full tables": repeated(b'{"a":0},'),
    "numbers": repeated(b"0,"), "floats": repeated(b"1e5,"), "texts": repeated(b'"ab",'),
    "lists of lists": repeated(b"[[[[[]]]]],"), "one table": b"{" + b",".join(
        b'"%d":0' % i for i in range(10**6)) + b"}",
    "as many as may be": b'{"a":[' + b'{"a":0},' * (690_000 // 3) + b"0]}",
    "as many lists as may be": b'{"a":[' + b"[[]]," * (690_000 // 3) + b"0]}",
    "one large table": b"{" + b",".join(b'"%06d":0' % i for i in range(340_000)) + b"}",
    "wide signs": b'{"a":"' + b"x" * 15 * MB + b'\\ud83d\\ude00"}',
    "wide names": b'{"' + b"x" * 15 * MB + b'\\ud83d\\ude00":1}',
    # tensors
    "a long name": {"module." * 2_000_000: entry()},
    "an empty tensor": {"a": {}}, "a number as a tensor": {"a": 1}, "a list as a tensor": {"a": []},
    "one key more": {"a": {**entry(), "x": 1}}, "an unknown type": {"a": entry("F8_E4M3")},
    "a type in small letters": {"a": entry("f32")}, "a number as a type": {"a": entry(1)},
    "a list as a type": {"a": entry([])}, "a long type": {"a": entry("F" * MB)},
    "a steering name": {"\x1b[2J": entry("X")},
    "a negative shape": {"a": entry(shape=(-2,))}, "two of them": {"a": entry(shape=(-1, -2))},
    "a float shape": {"a": entry(shape=(2.0,))}, "a flag as a shape": {"a": entry(shape=(True, 2))},
    "a text as a shape": {"a": entry(shape="2")}, "none as a shape": {"a": entry(shape=(None,))},
    "twenty dimensions": {"a": entry(shape=(1,) * 19 + (2,))},
    "a huge shape": {"a": entry(shape=(2**62,))},
    "one that overflows": {"a": entry(shape=(2**62, 4))},
    "one that overflows to its size": {"a": entry(shape=(2**32, 2**31, 2))},
    "a huge one with its size": {"a": entry(shape=(2**60,), offsets=(0, 2**62))},
    "an empty huge one": {"a": entry(shape=(0, 2**62), offsets=(0, 0)), "b": entry()},
    "many empty huge ones": {"a": entry(shape=(0, *[2**60] * 15), offsets=(0, 0)), "b": entry()},
    "a small shape": {"a": entry(shape=(1,))}, "a large shape": {"a": entry(shape=(3,))},
    "one of another type": {"a": entry("F64")},
    "beyond the file": {"a": entry(shape=(4,), offsets=(0, 16))},
    "before the end": {"a": entry(shape=(1,), offsets=(0, 4))},
    "backwards": {"a": entry(offsets=(8, 0))},
    "negative": {"a": entry(offsets=(-8, 0))}, "a hole": {"a": entry(shape=(1,), offsets=(4, 8))},
    "a hole between": {"a": entry("U8", (2,), (0, 2)), "b": entry("U8", (5,), (3, 8))},
    "an overlap": {"a": entry(), "b": entry()},
    "a smaller overlap": {"a": entry("U8", (5,), (0, 5)), "b": entry("F32", (1,), (4, 8))},
    "three offsets": {"a": entry(offsets=(0, 8, 8))}, "one offset": {"a": entry(offsets=(0,))},
    "a flag as an offset": {"a": entry(offsets=(False, 8))}, "no offset": {"a": entry(offsets=())},
    "no metadata": {"__metadata__": None, "a": entry()},
    "a list of metadata": {"__metadata__": [], "a": entry()},
    "numbers as metadata": {"__metadata__": {"a": 1}, "a": entry()},
    "a table as metadata": {"__metadata__": {"a": {}}, "a": entry()},
    "other signs in metadata": {"__metadata__": {"a": "é"}, "a": entry()},
    "many tensors": {f"{i}": entry("U8", (0,), (0, 0)) for i in range(20_001)} | {"a": entry()},
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers_are_refused(tmp_path, name):
    put_together(tmp_path / "f", HEADERS[name], bytes(8))
    refuse(tmp_path / "f")


@pytest.mark.parametrize(
    ("length", "n_bytes"),
    [(2**63, 9), (2**64 - 1, 9), (10, 9), (2**31, 2**31 + 9), (100 * MB, 101 * MB),
     (16 * MB + 1, 17 * MB), (0, 9), (1, 9)],
)  # fmt: skip
def test_lengths_are_judged_before_anything_is_read(tmp_path, length, n_bytes):
    put_together(tmp_path / "f", b'{"', n_bytes=length)
    os.truncate(tmp_path / "f", n_bytes)  # a hole: it takes no room on the disk
    refuse(tmp_path / "f")


def test_a_file_larger_than_any_voice_is_refused(tmp_path):
    put_together(tmp_path / "f", {"a": entry(shape=(2**30,), offsets=(0, 2**32))})
    os.truncate(tmp_path / "f", 5 * 2**30)
    refuse(tmp_path / "f", "GB")


def test_a_file_of_few_bytes_is_refused(tmp_path):
    for n_bytes in range(12):
        (tmp_path / "f").write_bytes(bytes(n_bytes))
        refuse(tmp_path / "f")


# Content, behind a header that is right

CONTENTS = {
    "a list": "[]", "a tensor": '{"$tensor":"w"}',
    "a tensor that is the checksums": '{"a":{"$tensor":"checksums"}}',
    "no tensor": "{}", "10^600": '{"w":{"$tensor":"w"},"a":1' + "0" * 600 + "}",
    "a constant": '{"w":{"$tensor":"w"},"a":NaN}',
    "depth": '{"a":' + "[" * 10**6 + "]" * 10**6 + "}",
    "a key twice": '{"w":{"$tensor":"w"},"w":1}',
    "half a sign": '{"w":{"$tensor":"w"},"a":"\\udead"}',
    "one tensor many times": '{"a":[' + '{"$tensor":"w"},' * 100_000 + "0]}",
    "wide signs": '{"a":"' + "x" * 14 * MB + '\\ud83d\\ude00"}',
    "many tables": '{"a":[' + '{"a":0},' * (690_000 // 3) + "0]}",
    "many tuples": '{"a":[' + '{"$tuple":[]},' * (690_000 // 4) + "0]}",
    "many texts": '{"a":[' + '"' + '12345678","' * 600_000 + '"]}',
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_hostile_contents_are_refused(tmp_path, name):
    path = tmp_path / "f"
    write_tensor_file(path, {"w": torch.ones(2)}, {"format_version": "2", "ponytaco": "0"})
    edit_header(path, lambda header: header["__metadata__"].update(content=CONTENTS[name]))
    refuse(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.pop("checksums"),
        lambda h: h["checksums"].update(shape=[7], data_offsets=[8, 15]),
        lambda h: h["checksums"].update(data_offsets=[0, 8]) or h["w"].update(data_offsets=[8, 16]),
        lambda h: h["__metadata__"].pop("content"),
    ],
)
def test_other_checksums_are_refused(tmp_path, change):
    path = tmp_path / "f"
    write_tensor_file(path, {"w": torch.ones(2)}, {"format_version": "2", "ponytaco": "0"})
    edit_header(path, change)
    refuse(path)


def test_a_header_that_was_changed_without_its_checksum_is_refused(tmp_path):
    path = tmp_path / "f"
    write_tensor_file(path, {"w": torch.ones(2, 1)}, {"a": "b"})
    path.write_bytes(path.read_bytes().replace(b'"shape":[2,1]', b'"shape":[1,2]'))
    refuse(path, "header")
