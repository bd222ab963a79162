"""More files of strangers, by kind: all are refused at once, by each reader, in one sentence."""

import io
import struct
import zipfile

import numpy
import pytest
import torch
from support.costs import at_most
from support.hostile_files import torch_zip

from ponytaco.checkpoint.format import CheckpointError, read_content
from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.reader import load_torch_file
from ponytaco.vocoders.weights import VocoderError, read_weights

MB = 2**20


def refuse(path):
    for read, kind in (
        (load_torch_file, TorchFileError),
        (read_content, CheckpointError),
        (read_weights, VocoderError),
    ):
        with at_most(), pytest.raises(kind) as error:
            read(path)
        message = str(error.value)
        assert message.isprintable() and len(message) < 200 + len(str(path))
        assert "Error" not in message and (kind is TorchFileError or message.endswith("."))


def text(content):
    content = content.encode()
    return b"X" + struct.pack("<I", len(content)) + content


# Zips


def saved(value=None):
    """The bytes that torch writes."""
    file = io.BytesIO()
    torch.save({"a": torch.ones(4)} if value is None else value, file)
    return file.getvalue()


def zipped(*members, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
        for name, value in options.items():
            setattr(archive, name, value)
    return file.getvalue()


PICKLE = ("archive/data.pkl", b"\x80\2}.")


def patched(content, magic, offset, value):
    """Change bytes of the first table entry, or of the end."""
    content = bytearray(content)
    at = content.rindex(magic) + offset
    content[at : at + len(value)] = value
    return bytes(content)


ENTRY, END, LOCAL = b"PK\1\2", b"PK\5\6", b"PK\3\4"
WHOLE = zipped(PICKLE)

ZIPS = {
    "a comment": zipped(PICKLE, comment=b"x"),
    "a whole zip in the comment": zipped(PICKLE, comment=WHOLE[-22:]),
    "something before it": LOCAL + b"x" * 100 + saved(),
    "two of them": saved() + saved(),
    "two programs": zipped(PICKLE, ("other/data.pkl", b"\x80\2N.")),
    "a program in a folder": zipped(("a/b/data.pkl", b"\x80\2}.")),
    "a program above": zipped(("../data.pkl", b"\x80\2}."), ("archive/data.pkl", b"\x80\2}.")),
    "a program that is a folder": zipped(("archive/data.pkl/", b"")),
    "one name twice": zipped(PICKLE, ("archive/DATA.PKL", b"")),
    "an encrypted program": patched(WHOLE, ENTRY, 8, b"\1"),
    "a compressed program": patched(WHOLE, ENTRY, 10, b"\x08"),
    "a size that is another": patched(WHOLE, ENTRY, 24, b"\xff"),
    "a size beyond the file": patched(WHOLE, ENTRY, 20, b"\0\0\0\x7f" * 2),
    "a size of 64 bits elsewhere": patched(WHOLE, ENTRY, 20, b"\xff" * 8),
    "a place beyond the file": patched(WHOLE, ENTRY, 42, b"\0\0\0\x7f"),
    "a long name": patched(WHOLE, ENTRY, 28, b"\xff\xff"),
    "a long extra": patched(WHOLE, ENTRY, 30, b"\xff\xff"),
    "a long extra at its place": patched(WHOLE, LOCAL, 28, b"\xff\xff"),
    "another name at its place": patched(WHOLE, LOCAL, 30, b"A"),
    "no header at its place": patched(WHOLE, LOCAL, 0, b"PK\7\x08"),
    "more members than it has": patched(WHOLE, END, 10, b"\xff\xff"),
    "no members": patched(WHOLE, END, 10, b"\0\0"),
    "a table at another place": patched(WHOLE, END, 16, b"\1"),
    "a table larger than it is": patched(WHOLE, END, 12, b"\xff"),
    "no end": WHOLE[:-1],
    "a gap of kilobytes": patched(
        zipped(PICKLE, ("archive/x", bytes(5000))), ENTRY, 42, struct.pack("<I", 4000)
    ),
    "a byte order of megabytes": zipped(PICKLE, ("archive/byteorder", bytes(5 * MB))),
    "another byte order": zipped(PICKLE, ("archive/byteorder", b"big")),
}  # fmt: skip


@pytest.mark.parametrize("name", ZIPS)
def test_zips_that_torch_does_not_write(tmp_path, name):
    (tmp_path / "f").write_bytes(ZIPS[name])
    refuse(tmp_path / "f")


# Memory and time


def module(items, modules=b"}"):
    """A module of torch with its parameters and the modules in it."""
    return (
        b"cany\nname\n)R}("
        + text("_parameters") + items + text("_buffers") + b"}" + text("_modules") + modules + b"ub"
    )  # fmt: skip


def put(storage=b"Float", key="0", n=4):
    return (
        b"(" + text("storage") + b"ctorch\n" + storage + b"Storage\n" + text(key) + text("cpu")
        + b"J" + struct.pack("<i", n) + b"tQ"
    )  # fmt: skip


TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + put() + b"K\0K\4\x85K\1\x85\x89}tR"


def colliding(n_bits=17, n_first=43_700):
    """Numbers that one table of Python's meets in one place after another.

    The first stand in all places that a search visits in turn, so that each of the others is
    searched for through most of them.
    """
    size = 2**n_bits
    order = numpy.empty(size, numpy.int64)
    place = numpy.empty(size, numpy.int64)
    at = 0
    for i in range(size):
        order[i], place[at] = at, i
        at = (5 * at + 1) % size
    is_taken = numpy.zeros(size, bool)
    is_taken[order[:n_first]] = True
    keys = numpy.arange(size, 2**24, dtype=numpy.int64)
    at, rest = keys % size, keys.copy()
    is_searched = is_taken[at]
    while rest.any():
        rest >>= 5
        at = (5 * at + rest + 1) % size
        is_searched &= is_taken[at]
    keys = keys[is_searched & (place[at] < n_first // 2)][:30_000]
    return [int(key) for key in (*order[:n_first], *keys)]


def deep_names(letter):
    leaf = b"}(" + TENSOR + b"q\0" + b"0" + b"".join(
        text(f"{i}") + b"h\0" for i in range(150_000)
    ) + b"u"  # fmt: skip
    built = module(leaf)
    for _ in range(25):
        built = module(b"}", b"}" + text(letter * 199) + built + b"s")
    return built + b"."


COSTS = {
    "colliding numbers": lambda: b"}(" + b"".join(
        b"J" + struct.pack("<i", key) + b"N" for key in colliding()) + b"u.",
    "a set of colliding numbers": lambda: b"\x8f(" + b"".join(
        b"J" + struct.pack("<i", key) for key in colliding()) + b"\x90.",
    "fractions as keys": lambda: b"}(" + b"".join(
        b"G" + struct.pack(">d", i + 0.5) + b"N" for i in range(100_000)) + b"u.",
    "long names in depth": lambda: deep_names("x"),
    "wide names in depth": lambda: deep_names("\U0001f600"),
    "parameters": lambda: TENSOR + b"q\0" + b"0ctorch.nn.parameter\nParameter\nq\1("
    + b"h\1h\0\x85R" * 400_000 + b"l.",
    "parameters of two": lambda: TENSOR + b"q\0" + b"0ctorch._utils\n_rebuild_parameter\nq\1(h\0"
    + b"\x88}tq\2" + b"0(" + b"h\1h\2R" * 400_000 + b"l.",
    "devices": lambda: b"ctorch\ndevice\nq\0" + text("cpu") + b"\x85q\1(" + b"h\0h\1R" * MB + b"l.",
    "wide texts": lambda: b"(" + text("x" * 15 * MB + "\U0001f600") + b"q\0" + b"h\0" * 10 + b"l.",
    "escaped texts": lambda: b"(V" + b"x" * 15 * MB + b"\\U0001f600\nq\0" + b"h\0" * 10 + b"l.",
    "texts of Python 2": lambda: b"(" + (b"T" + struct.pack("<I", 5 * MB) + b"\xff" * 5 * MB) * 3
    + b"q\0" + b"h\0" * MB + b"l.",
    "tables of tables": lambda: b"ccollections\nOrderedDict\nq\0(" + b"h\0)R" * MB + b"l.",
    "ordered copies": lambda: b"ccollections\nOrderedDict\nq\0](" + b"".join(
        b"M" + struct.pack("<H", i) + b"N\x86" for i in range(11_000)) + b"eq\1("
    + b"h\0h\1\x85R" * 500 + b"l.",
    "frozen copies": lambda: b"c__builtin__\nfrozenset\nq\0](" + b"".join(
        b"M" + struct.pack("<H", i) for i in range(40_000)) + b"eq\1(" + b"h\0h\1\x85R" * 500
    + b"l.",
    "one list after the other": lambda: b"(" + b"]" * 500_000 + b"lq\0(" + b"h\0" * 10_000 + b"l.",
    "views": lambda: b"ctorch._utils\n_rebuild_tensor_v2\nq\0(" + put() + b"K\0))\x89}tq\1("
    + b"h\0h\1R" * 500_000 + b"l.",
    "storages": lambda: b"(" + put() * 400_000 + b"l.",
    "a program of 17 MB": lambda: b"N0" * (17 * MB // 2) + b"N.",
    "instances": lambda: b"(" + b"(iany\nname\n" * MB + b"l.",
    "decimals": lambda: b"(" + b"F0.1\n" * 3 * MB + b"l.",
}  # fmt: skip


@pytest.mark.parametrize("name", COSTS)
def test_what_multiplies_memory_or_time(tmp_path, name):
    torch_zip(tmp_path / "f", b"\x80\2" + COSTS[name](), _0=bytes(16))
    if name in ("long names in depth", "wide names in depth"):  # a tree that only modules have
        for read, kind in ((read_content, CheckpointError), (read_weights, VocoderError)):
            with at_most(), pytest.raises(kind, match="longer names"):
                read(tmp_path / "f")
        return
    refuse(tmp_path / "f")


def test_an_old_optimizers_addresses_are_keys(tmp_path):
    """Before torch 1.6 its table had the weights' addresses; a WaveGlow has 1,400."""
    torch.save({2**46 + 64 * i: i for i in range(1400)}, tmp_path / "f")
    assert len(load_torch_file(tmp_path / "f")) == 1400


# The older format


def older(change):
    file = io.BytesIO()
    torch.save({"a": torch.ones(4)}, file, _use_new_zipfile_serialization=False)
    return change(file.getvalue())


OLDER = {
    "a storage longer than the file": lambda c: c[:-24] + struct.pack("<Q", 2**40) + c[-16:],
    "one storage more": lambda c: c + struct.pack("<Q", 4) + bytes(16),
    "a byte more": lambda c: c + b"\0",
    "a byte less": lambda c: c[:-1],
    "no storage": lambda c: c[:-24],
    "another magic number": lambda c: c.replace(b"\x6c\xfc\x9c\x46", b"\x6d\xfc\x9c\x46", 1),
    "another protocol": lambda c: c.replace(b"M\xe9\x03", b"M\xea\x03", 1),
    "another machine": lambda c: c.replace(b"\x88", b"\x89", 1),
    "another key at the end": lambda c: _renamed_last(c),
    "a million marks": lambda c: c[:14] + b"(" * MB + c[14:],
}


def _renamed_last(content):
    at = content.rindex(b"X\x0f" if b"X\x0f" in content else b"X", 0, len(content) - 24)
    return content[: at + 5] + b"z" + content[at + 6 :]


@pytest.mark.parametrize("name", OLDER)
def test_files_of_the_older_format(tmp_path, name):
    (tmp_path / "f").write_bytes(older(OLDER[name]))
    refuse(tmp_path / "f")
