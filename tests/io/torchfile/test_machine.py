"""Programs for the pickle machine: plain ones give their values, hostile ones a sentence."""

import argparse
import pickle
import struct
from collections import OrderedDict

import numpy
import pytest
import torch
from support.hostile_files import torch_zip

from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.foreign import ForeignObject
from ponytaco.io.torchfile.reader import load_torch_file

PLAIN = {
    "none": None, "flags": [True, False], "numbers": [0, 1, -1, 255, 256, 65_536, -(2**31), 2**70],
    "more": [-(2**500), 0.5, -1e-300, float("inf")], "text": ["", "a", "ä" * 300, "𝄞\n'\"\\"],
    "bytes": [b"", b"x", bytes(range(256)) * 2], "tuples": [(), (1,), (1, 2), (1, 2, 3), (1,) * 4],
    "sets": [set(), {1, "a"}, frozenset({2})], "ordered": OrderedDict(b=1, a=[2]),
    "table": {1: "a", 0.5: "b", None: 1, b"k": (), (1, "x"): 2}, "list": list(range(2000)),
    "names": [f"n{i}" for i in range(300)],
}  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back_from_all_protocols(tmp_path, protocol):
    path = torch_zip(tmp_path / "f", pickle.dumps(PLAIN, protocol))
    read = load_torch_file(path)
    assert repr(read) == repr(PLAIN) and type(read["ordered"]) is OrderedDict


def test_shared_values_stay_shared(tmp_path):
    inner = ["x"]
    read = load_torch_file(torch_zip(tmp_path / "f", pickle.dumps([inner, (inner,)], 4)))
    assert read[0] is read[1][0]


@pytest.mark.parametrize("protocol", range(6))
def test_numbers_of_numpy_are_plain(tmp_path, protocol):
    numbers = [numpy.float64(0.1), numpy.float32(0.5), numpy.int64(-3), numpy.bool_(True)]
    read = load_torch_file(torch_zip(tmp_path / "f", pickle.dumps(numbers, protocol)))
    assert read == numbers and [type(n) for n in read] == [float, float, int, bool]


@pytest.mark.parametrize("protocol", range(6))
def test_an_object_of_settings_is_inert(tmp_path, protocol):
    content = {"hparams": argparse.Namespace(rate=22050), "w": 1}
    path = torch_zip(tmp_path / "f", pickle.dumps(content, protocol))
    read = load_torch_file(path)
    assert read["w"] == 1 and type(read["hparams"]) is ForeignObject
    assert read["hparams"].class_name == "argparse.Namespace"
    assert read["hparams"].state == {"rate": 22050}


def text(content):
    return b"X" + struct.pack("<I", len(content)) + content


def doubled(start, step, n=60):
    return start + step * n


MB = 2**20
NUMBERS = [b"M" + struct.pack("<H", i) for i in range(10_000)]
LONG = text(b"x" * 5 * MB)
PUT_STORAGE = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpuK\4tQ"
NAN = b"G\x7f\xf8" + bytes(6)
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n("
ENCODE = b"c_codecs\nencode\n"
ORDERED = b"ccollections\nOrderedDict\n"

HOSTILE = {
    # more values than any voice
    "sets": b"(" + b"\x8f" * (8 * MB) + b"l.",
    "tables": b"(" + b"}" * (8 * MB) + b"l.",
    "nones": b"(" + b"N" * (15 * MB) + b"l.",
    "marks": b"(" * (15 * MB) + b".",
    "memos": b"N" + b"\x94" * (15 * MB) + b".",
    "pops": b"N0" * (7 * MB) + b"N.",
    "bytearrays": b"(" + (b"\x96" + bytes(8)) * MB + b"l.",
    "names": b"(" + b"cany\nname\n" * MB + b"l.",
    "objects": b"cany\nname\n(" + b"cany\nname\n)R" * MB + b"l.",
    "bytes of texts": b"(" + ENCODE + b"q\0" + text(b"x" * MB) + b"q\1"
    + b"h\0h\1X\6\0\0\0latin1\x86R" * 1000 + b"l.",
    "shapes": b"(ctorch\nSize\nq\0(" + b"K\1" * 10_000 + b"tq\1" + b"h\0h\1\x85R" * 10_000 + b"l.",
    "copies of tables": ORDERED + b"q\0}(" + b"".join(M + b"N" for M in NUMBERS)
    + b"uq\1(" + b"h\0h\1\x85R" * 1000 + b"l.",
    "copies of sets": b"c__builtin__\nset\nq\0](" + b"K\1" * 10_000
    + b"eq\1(" + b"h\0h\1\x85R" * 1000 + b"l.",
    "values shared by the trillion": doubled(b"]", b"2\x86"),
    "lists shared by the trillion": doubled(b"N", b"q\0](h\0h\0e") + b".",
    "a long text in a million places": b"(" + text(b"x" * MB) + b"q\0" + b"h\0" * 10_000 + b"l.",
    # keys
    "nested tuples as a key": b"}" + doubled(b")", b"2\x86") + b"Ns.",
    "nested tuples in a set": b"\x8f(" + doubled(b")", b"2\x86") + b"\x90.",
    "nested tuples in a frozen set": b"(" + doubled(b")", b"2\x86") + b"\x91.",
    "nested tuples as a number type": b"cnumpy\ndtype\n" + doubled(b")", b"2\x86") + b"\x85R.",
    "nan": b"}" + NAN + b"Ns.",
    "a list as a key": b"}]Ns.",
    "a huge number as a key": b"}\x8a\x09" + b"\1" * 9 + b"Ns.",
    "many tuples as keys": b"}(" + b"".join(M + b"\x85N" for M in NUMBERS) + b"u.",
    "equal long keys": b"}" + LONG + b"Ns" + LONG + b"q\0" + b"h\0Ns" * MB + b".",
    # depth
    "depth": b"]" * 100_000 + b"a" * 99_999 + b".",
    "tuples in depth": b")" + b"\x85" * 100_000 + b".",
    "a list in itself": b"]q\0h\0a.",
    "a table in itself": b"}q\0Nh\0s.",
    # claims
    "a text beyond the file": b"X" + struct.pack("<I", 2**31) + b"x.",
    "a longer text beyond the file": b"\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "bytes beyond the file": b"\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "a bytearray beyond the file": b"\x96" + struct.pack("<Q", 2**40) + b"x.",
    "a frame beyond the file": b"\x80\4\x95\1.",
    "a long number": b"\x8b" + struct.pack("<i", MB) + b"\xff" * MB + b".",
    "a long number beyond the file": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\xff.",
    "a negative length": b"\x8b" + struct.pack("<i", -1) + b"\xff.",
    "a long number in digits": b"L" + b"9" * 5000 + b"L\n.",
    "an integer in digits": b"I" + b"9" * MB + b"\n.",
    "no stop": b"N",
    "nothing": b"",
    "a line without an end": b"I1",
    "something behind the stop": b"N.N",
    "two values": b"NN.",
    "an open mark": b"(N.",
    "a newer protocol": b"\x80\6N.",
    "an unknown opcode": b"\xffN.",
    "an extension": b"\x82\1.", "a buffer": b"\x97.", "an id in text": b"Px\n.",
    "a text that is no text": b"X\1\0\0\0\xff.",
    "an escape that is none": b"S'\\xzz'\n.", "quotes that do not close": b"S'\n.",
    # calls
    "another codec": ENCODE + text(b"61") + text(b"hex") + b"\x86R.",
    "a call of a table": b"}}\x85R.", "no arguments": ORDERED + b"NR.",
    "a call of a result": b"cany\nname\n)R)R.", "a call of a type": b"ctorch\nfloat32\n)R.",
    "pairs of three": ORDERED + b"](NNNtae\x85R.",
    "pairs that are one text": ORDERED + text(b"abcd") + b"\x85R.",
    "a state for a tensor": TENSOR + PUT_STORAGE + b"K\0K\4\x85K\1\x85\x89NtR}b.",
    "a state for a table": b"}}b.", "items for a list": b"]NNs.", "an item for a table": b"}Na.",
    "a device without end": b"ctorch\ndevice\n" + text(b"cpu" * 1000) + b"\x85R.",
    "a shape of texts": b"ctorch\nSize\n](U\1ae\x85R.",
    "a number type of objects": b"cnumpy\ndtype\nU\1O\x85R.",
    "a number too short": b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\2f8\x85RC\1x\x86R.",
    "numbers of another machine": b"cnumpy\ndtype\nU\2f8\x85R(K\3U\1>tb.",
    # storages and tensors
    "nan as the key of a storage": PUT_STORAGE.replace(b"X\1\0\0\0" + b"0", NAN) + b".",
    "one storage twice": b"(" + PUT_STORAGE + PUT_STORAGE.replace(b"Float", b"Int") + b"t.",
    "a storage of another size": PUT_STORAGE.replace(b"K\4", b"K\5") + b".",
    "a negative size": PUT_STORAGE.replace(b"K\4", b"J\xff\xff\xff\xff") + b".",
    "a size of a thousand bits": PUT_STORAGE.replace(b"K\4", b"\x8a\x7f" + b"\1" * 127) + b".",
    "an unknown storage": b"ctorch\nComplexFloatStorage\n.",
    "a view of a storage": PUT_STORAGE.replace(b"tQ", b"(tQ") + b".",
    "an expanded number": TENSOR + PUT_STORAGE + b"K\0\x8a\6" + bytes(5) + b"\1\x85K\0\x85\x89NtR.",
    "an offset beyond the storage": TENSOR + PUT_STORAGE + b"K\1K\4\x85K\1\x85\x89NtR.",
    "a negative offset": TENSOR + PUT_STORAGE + b"J\xff\xff\xff\xffK\4\x85K\1\x85\x89NtR.",
    "a negative stride": TENSOR + PUT_STORAGE + b"K\3K\4\x85J\xff\xff\xff\xff\x85\x89NtR.",
    "a stride less": TENSOR + PUT_STORAGE + b"K\0K\4\x85)\x89NtR.",
    "a flag as a length": TENSOR + PUT_STORAGE + b"K\0\x88\x85K\1\x85\x89NtR.",
    "twenty dimensions": TENSOR + PUT_STORAGE + b"K\0" + (b"(" + b"K\1" * 20 + b"t") * 2
    + b"\x89NtR.",
    "a tensor over nothing": TENSOR + b"NK\0K\4\x85K\1\x85\x89NtR.",
    "a parameter over nothing": b"ctorch._utils\n_rebuild_parameter\nN\x88}\x87R.",
    "gradients of flags": TENSOR + PUT_STORAGE.replace(b"Float", b"Int")
    + b"K\0K\4\x85K\1\x85\x88NtR.",
}  # fmt: skip


@pytest.mark.usefixtures("costs_little")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs_are_refused_in_one_sentence(tmp_path, name):
    path = torch_zip(tmp_path / "f", b"\x80\2" + HOSTILE[name], _0=bytes(16))
    with pytest.raises(TorchFileError) as error:
        load_torch_file(path)
    message = str(error.value)
    assert message.isprintable() and len(message) < 200 and "memory" not in message


@pytest.mark.usefixtures("costs_little")
@pytest.mark.parametrize("name", ["values shared by the trillion", "a list in itself"])
def test_what_an_inert_object_holds_is_not_walked_through(tmp_path, name):
    program = b"\x80\2cany\nname\n)R" + HOSTILE[name].removesuffix(b".") + b"b."
    read = load_torch_file(torch_zip(tmp_path / "f", program))
    assert repr(read) == "<any.name>"


@pytest.mark.usefixtures("costs_little")
def test_a_chain_of_objects_is_no_harm(tmp_path):
    n = 100_000
    program = b"\x80\2cany\nname\nq\0)R" + b"h\0)R" * n + b"b" * n + b"."
    read = load_torch_file(torch_zip(tmp_path / "f", program))
    assert isinstance(read.state, ForeignObject)
    del read


def test_names_in_messages_do_not_steer_the_terminal(tmp_path):
    program = b"\x80\2c\x1b[2J\xe2\x80\xae\nname\n)R."
    shown = repr(load_torch_file(torch_zip(tmp_path / "f", program)))
    assert shown.isprintable()


def test_many_names_for_one_weight_are_refused(tmp_path):
    whole = torch.zeros(10**6)
    torch.save({i: whole[:] for i in range(3)}, tmp_path / "f")
    assert len(load_torch_file(tmp_path / "f")) == 3
    torch.save({i: whole[:] for i in range(5)}, tmp_path / "f")
    with pytest.raises(TorchFileError, match="larger than their storages"):
        load_torch_file(tmp_path / "f")


def test_a_tensor_may_be_expanded_a_little(tmp_path):
    torch.save(torch.ones(2).expand(3, 2), tmp_path / "f")
    assert load_torch_file(tmp_path / "f").tolist() == [[1, 1]] * 3
