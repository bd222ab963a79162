"""Damaged files of every kind are read or refused, in little time and memory."""

import argparse
import copy
import time

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.hostile_files import torch_zip
from support.soak import often
from torch import nn

from ponytaco.checkpoint.format import new_model, read_content
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.errors import PonytacoError
from ponytaco.presets import preset
from ponytaco.text.symbols import SYMBOLS
from ponytaco.vocoders.weights import read_weights

MODEL = new_model(preset("tiny"))
PROGRAM = nn.Sequential(nn.Conv1d(2, 3, 1), nn.ModuleList([nn.Linear(2, 2)]))
FOREIGN = {
    "model": PROGRAM,
    "state_dict": {"a.weight": torch.ones(4, 2).t(), "b.bias": nn.Parameter(torch.ones(2))},
    "hparams": argparse.Namespace(rate=22050, names=["a"], sizes={1: (2, 3.0)}),
    "iteration": numpy.int64(7), "best": numpy.float64(0.5), "shape": torch.Size([1, 2]),
    "optimizer": torch.optim.Adam(PROGRAM.parameters()).state_dict(), "flags": {"x", b"y"},
}  # fmt: skip

# Each of these stands in some files, and means another thing at another place.
OPCODES = [
    b"0", b"2", b"(", b")", b"]", b"}", b"\x8f", b"N", b"\x88", b"K\1", b"t", b"\x85", b"\x86",
    b"l", b"d", b"a", b"e", b"s", b"u", b"\x90", b"\x91", b"R", b"\x81", b"b", b"Q", b"h\0",
    b"h\3", b"q\2", b"\x94", b"\x93", b".", b"ctorch\nSize\n", b"ccollections\nOrderedDict\n",
    b"cany\nname\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"\x8b\xff\xff\xff\x7f",
    b"X\xff\xff\xff\xff",
]  # fmt: skip


class Originals(list):
    """A list that fills no screen where a test fails."""

    def __repr__(self):
        return "originals"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Files, and whether to damage their pickle alone: (content, storages or None)."""
    folder = tmp_path_factory.mktemp("originals")
    torch.save(FOREIGN, folder / "foreign")
    torch.save(FOREIGN, folder / "older", _use_new_zipfile_serialization=False)
    whole = [(folder / name).read_bytes() for name in ("foreign", "older")]
    files = Originals((content, None) for content in whole)
    reader = torch._C.PyTorchFileReader(str(folder / "foreign"))
    keys = [key for key in reader.get_all_records() if key.startswith("data/")]
    storages = {key.removeprefix("data/"): reader.get_record(key) for key in keys}
    files.append((reader.get_record("data.pkl"), storages))
    return files


def damaged(content, changes):
    content = bytearray(content)
    for kind, place, byte, opcode in changes:
        at = int(place * len(content))
        if kind == "flip":
            content[at : at + 1] = bytes([byte])
        elif kind == "insert":
            content[at:at] = OPCODES[opcode]
        elif kind == "remove":
            del content[at : at + byte % 8 + 1]
        elif kind == "repeat":
            content[at:at] = content[at : at + byte] * (1 + byte % 3)
        else:
            del content[at:]
    return bytes(content)


READERS = [
    read_content,
    lambda path: warm_start(copy.deepcopy(MODEL), SYMBOLS, path),
    read_weights,
]


@pytest.mark.usefixtures("little_memory")
@settings(
    max_examples=often(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    which=st.integers(0, 2),
    changes=st.lists(
        st.tuples(
            st.sampled_from(["flip", "flip", "insert", "insert", "remove", "repeat", "cut"]),
            st.floats(0, 1, exclude_max=True),
            st.integers(0, 255),
            st.integers(0, len(OPCODES) - 1),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_a_damaged_file_is_read_or_refused(originals, tmp_path, which, changes):
    content, storages = originals[which]
    path = tmp_path / "f"
    if storages is None:
        path.write_bytes(damaged(content, changes))
    else:
        torch_zip(path, damaged(content, changes), **storages)
    for read in READERS:
        start = time.process_time()
        try:
            read(path)
        except PonytacoError as error:
            assert str(error)
        assert time.process_time() - start < 2
