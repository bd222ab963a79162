"""Whole modules in a torch file: their weights come out, and nothing of their code runs."""

import os
import pickle
import struct
import sys
import types

import pytest
import torch
from support.hostile_files import Call, rezip
from torch import nn

from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.foreign import ForeignObject, module_weights
from ponytaco.io.torchfile.reader import load_torch_file

CODE = """
import torch
class Turn(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(3, 3, 1, bias=False)
class WaveGlow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.start = torch.nn.utils.weight_norm(torch.nn.Conv1d(2, 3, 5))
        self.turns = torch.nn.ModuleList([Turn(), Turn()])
        self.register_buffer("places", torch.arange(4))
        self.settings = {"a": {1, 2}, "b": torch.ones(9)}
"""


@pytest.fixture
def module(monkeypatch):
    """A module of classes that are gone when it is read."""
    glow = types.ModuleType("glow")
    with monkeypatch.context() as patch, pytest.warns(FutureWarning):
        patch.setitem(sys.modules, "glow", glow)
        exec(CODE, glow.__dict__)
        made = glow.WaveGlow()
    monkeypatch.setitem(sys.modules, "glow", glow)
    return made


def save(content, path, is_zip):
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    sys.modules.pop("glow", None)
    return path


def read(path):
    return load_torch_file(path)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_the_state_dict_comes_out(module, tmp_path, is_zip, alone):
    optimizer = torch.optim.Adam(module.parameters())
    content = module if alone else {"model": module, "iteration": 3, "optimizer": optimizer}
    found = read(save(content, tmp_path / "f", is_zip))
    found = found if alone else found["model"]
    assert found.class_name == "glow.WaveGlow"
    wanted, weights = module.state_dict(), module_weights(found)
    assert weights.keys() == wanted.keys()
    assert all(torch.equal(weights[key], wanted[key]) for key in wanted)
    assert not any(weight.requires_grad for weight in weights.values())


def test_the_source_code_in_the_older_form_is_passed_over(tmp_path, monkeypatch):
    """torch keeps it beside a class that it can find the source of."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "glow.py").write_text(CODE)
    monkeypatch.syspath_prepend(folder)
    import glow

    with pytest.warns(FutureWarning):
        module = glow.WaveGlow()
    path = save({"model": module}, tmp_path / "f", is_zip=False)
    assert b"class WaveGlow(torch.nn.Module)" in path.read_bytes()
    assert "start.bias" in module_weights(read(path)["model"])


@pytest.mark.parametrize("is_zip", [True, False])
def test_nothing_of_it_runs(module, tmp_path, is_zip):
    marks = [tmp_path / f"ran-{i}" for i in range(5)]
    module.settings = {
        "a": Call(os.system, f"touch {marks[0]}"),
        "b": Call(os.mkdir, str(marks[1])),
        "c": Call(eval, f"open({str(marks[2])!r}, 'w')"),
        "d": Call(exec, f"open({str(marks[3])!r}, 'w')"),
    }
    module.turns[0].evil = Call(pickle.loads, pickle.dumps(Call(os.mkdir, str(marks[4]))))
    path = save({"first": Call(os.mkdir, str(marks[1])), "model": module}, tmp_path / "f", is_zip)
    content = read(path)
    assert "turns.0.conv.weight" in module_weights(content["model"])
    assert repr(content["first"]) == "<posix.mkdir>"
    assert not [mark for mark in marks if mark.exists()]


def test_no_module_is_imported_for_it(tmp_path):
    (tmp_path / "f").write_bytes(handmade(b"cantigravity\nfly\n"))
    sys.modules.pop("antigravity", None)
    assert read(tmp_path / "f").name == "antigravity.fly"
    assert "antigravity" not in sys.modules


def handmade(program):
    """A file of the older form whose content is made by a program for the pickle machine."""
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001)]
    parts.append(pickle.dumps({"little_endian": True}, 2))
    return b"".join(parts) + b"\x80\x02" + program + b"." + pickle.dumps([], 2)


@pytest.mark.parametrize(
    "program",
    [
        # a state for a function of ours, with and without slots
        b"ctorch._utils\n_rebuild_tensor_v2\n}U\x0c__defaults__)sb",
        b"ctorch._utils\n_rebuild_tensor_v2\nN}U\x0c__defaults__K\x07\x85s\x86b",
        # a state for a class
        b"cposix\nsystem\n}U\x08__call__K\x01sb",
        # calls of what is no function
        b"U\x04textU\x01x\x85R", b"cposix\nsystem\nU\x01x\x85RU\x01x\x85R", b"K\x01)R", b"}}b",
        # things out of nowhere
        b"h\x07", b"b", b"R", b"0", b"Q", b"U\x05thereQ", b"(U\x07storageK\x01K\x02K\x03K\x04tQ",
        b"\x82\x01", b"ctorch\nFloatStorage\n)R", b"ctorch\nFooStorage\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n(ctorch\nFloatStorage\nK\x00K\x00\x85K\x01\x85tR",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00K\x00\x85K\x01\x85tR",
    ],
)  # fmt: skip
def test_programs_for_the_pickle_machine_change_nothing(tmp_path, program):
    (tmp_path / "f").write_bytes(handmade(program))
    with pytest.raises(TorchFileError):
        read(tmp_path / "f")


@pytest.mark.parametrize(
    "program",
    [
        b"(cposix\nsystem\nU\x01xo", b"(U\x01xiposix\nsystem\n", b"cposix\nsystem\n)\x81",
        b"cposix\nsystem\n)}\x92", b"\x8c\5posix\x8c\6system\x93U\1x\x85R",
    ],
)  # fmt: skip
def test_every_way_to_call_gives_an_inert_object(tmp_path, program):
    (tmp_path / "f").write_bytes(handmade(program))
    found = read(tmp_path / "f")
    assert type(found) is ForeignObject and found.class_name == "posix.system"


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("is_zip", [True, False])
def test_what_claims_more_than_is_there_is_refused(tmp_path, is_zip):
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(torch.zeros(1).expand(10**6, 10**6))
    with pytest.raises(TorchFileError, match="larger than their storages"):
        module_weights(read(save(layer, tmp_path / "f", is_zip)))


@pytest.mark.usefixtures("little_memory")
def test_a_storage_beyond_the_file_is_refused(tmp_path):
    path = save(nn.Linear(10, 100), tmp_path / "f", is_zip=False)
    content = path.read_bytes()
    number = b"M" + struct.pack("<H", 1000)
    assert number in content
    path.write_bytes(content.replace(number, b"J" + struct.pack("<i", 2**31 - 1)))
    with pytest.raises(TorchFileError, match="claims more"):
        read(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_cut_short_is_refused_wherever_it_ends(tmp_path, is_zip):
    path = save(nn.Linear(3, 2), tmp_path / "f", is_zip)
    content = path.read_bytes()
    for length in [0, 1, 10, 14, *range(20, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(TorchFileError, match="damaged|empty|claims|not a torch file"):
            read(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_module_within_itself_is_refused(tmp_path, is_zip):
    layer = nn.Sequential(nn.Linear(2, 2))
    layer._modules["0"] = layer
    with pytest.raises(TorchFileError, match="more modules"):
        module_weights(read(save(layer, tmp_path / "f", is_zip)))


def test_a_module_in_a_million_places_is_refused(tmp_path):
    layer = nn.Linear(1, 1)
    for _ in range(6):
        layer = nn.ModuleList([layer] * 10)
    with pytest.raises(TorchFileError, match="more modules"):
        module_weights(read(save(layer, tmp_path / "f", is_zip=True)))


def test_a_weight_in_a_million_places_is_refused(tmp_path):
    layer = nn.Linear(1, 1)
    for i in range(10_000):
        layer.register_buffer(f"b{i}", None)
    layer = nn.ModuleList([layer] * 100)
    with pytest.raises(TorchFileError, match="more modules"):
        module_weights(read(save(layer, tmp_path / "f", is_zip=True)))


def test_a_name_of_any_length_is_refused(tmp_path):
    layer = nn.Sequential()
    layer.add_module("x" * 1000, nn.Linear(1, 1))
    with pytest.raises(TorchFileError, match="more modules"):
        module_weights(read(save(layer, tmp_path / "f", is_zip=True)))


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_table_of_weights_beside_what_is_none(tmp_path, is_zip):
    """As NGC's files may have a random state of numpy's beside the weights."""
    state = {"a.weight": torch.arange(3.0), "n": 1}
    content = {
        "state_dict": state,
        "rng": Call(os.mkdir, str(tmp_path / "ran")),
        "w": torch.ones(1),
    }
    found = read(save(content, tmp_path / "f", is_zip))
    assert found["state_dict"]["a.weight"].tolist() == [0, 1, 2] and found["w"].tolist() == [1]
    assert type(found["rng"]) is ForeignObject
    assert not (tmp_path / "ran").exists()


def test_numbers_of_another_machine_are_refused(tmp_path):
    path = save(nn.Linear(2, 2), tmp_path / "f", is_zip=True)

    def turn(members):
        (name,) = [name for name in members if name.endswith("/byteorder")]
        members[name] = b"big"

    rezip(path, turn)
    with pytest.raises(TorchFileError, match="big-endian"):
        read(path)
