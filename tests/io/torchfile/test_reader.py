"""What strangers can put into a torch file, and that none of it runs or fills the memory."""

import io
import os
import pickle
import struct
import tarfile
import zipfile

import pytest
import torch
from support.hostile_files import Call, rezip

from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, new_model, read_content
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.io.torchfile.errors import TorchFileError
from ponytaco.io.torchfile.reader import load_torch_file
from ponytaco.presets import preset
from ponytaco.text.symbols import SYMBOLS
from ponytaco.vocoders.weights import VocoderError, read_weights


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return file.getvalue()


def refuse(path, said):
    with pytest.raises(TorchFileError, match=said):
        load_torch_file(path)
    for read in (load_checkpoint, read_content, lambda path: warm_start(MODEL, SYMBOLS, path)):
        with pytest.raises(CheckpointError) as error:
            read(path)
        assert str(path) in str(error.value) and str(error.value).endswith(".")


MODEL = new_model(preset("tiny"))
RICH = {
    "half": torch.ones(3).half(), "brain": torch.ones(2).bfloat16(), "flags": torch.ones(2) > 0,
    "turned": torch.arange(12.0).view(3, 4).t(), "none": torch.zeros(0, 3),
    "one": torch.tensor(1.5),
    "parameter": torch.nn.Parameter(torch.ones(3)), "shape": torch.zeros(2, 3).shape,
    "numbers": [1, 2**70, -0.5, True, None], "bytes": b"x", "dtype": torch.float64,
    "rng": torch.get_rng_state(), "state": MODEL.state_dict(),
    "optimizer": torch.optim.Adam(MODEL.parameters()).state_dict(),
}  # fmt: skip


@pytest.mark.parametrize("is_zip", [True, False])
def test_weights_and_plain_values_come_back(tmp_path, is_zip):
    torch.save(RICH, tmp_path / "f", _use_new_zipfile_serialization=is_zip)
    read = load_torch_file(tmp_path / "f")
    assert list(read) == list(RICH)
    for name in ("half", "brain", "flags", "turned", "none", "one", "rng"):
        assert torch.equal(read[name], RICH[name]), name
    assert read["shape"] == RICH["shape"] and read["numbers"] == RICH["numbers"]


def test_storages_may_be_shared_and_cut(tmp_path):
    whole = torch.arange(10.0)
    torch.save({"a": whole, "b": whole[2:5], "c": whole[::3]}, tmp_path / "f")
    assert load_torch_file(tmp_path / "f")["c"].tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (torch.zeros(1).expand(10**12), "larger than their storages"),
        (torch.empty(10**12, device="meta"), "_rebuild_meta_tensor_no_storage"),
        (torch.ones(2).to_sparse(), "_rebuild_sparse_tensor"),
        (Call(bytearray, 2**40), "bytearray"),
        (Call(torch.Tensor, 2**31), "Tensor"),
        (Call(torch.FloatTensor, 2**31), "FloatTensor"),
        (Call(os.mkdir, "/tmp/it-ran"), "mkdir"),
        (torch.nn.Linear(2, 2), "Linear"),
    ],
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_what_is_more_than_weights_is_inert(tmp_path, little_memory, content, said, is_zip):
    try:
        torch.save({"w": content}, tmp_path / "f", _use_new_zipfile_serialization=is_zip)
    except (NotImplementedError, RuntimeError):
        pytest.skip("the older form cannot hold it")
    if said.startswith("larger"):
        refuse(tmp_path / "f", said)
    else:
        assert said in load_torch_file(tmp_path / "f")["w"].class_name
    assert not os.path.exists("/tmp/it-ran")


def test_a_storage_larger_than_its_record_is_refused(tmp_path):
    torch.save({"w": torch.arange(1000.0)}, tmp_path / "f")

    def cut(members):
        (name,) = [name for name in members if "/data/" in name]
        members[name] = members[name][:16]

    rezip(tmp_path / "f", cut)
    refuse(tmp_path / "f", "not as large as it claims")


def test_a_claim_beyond_an_older_file_is_refused(tmp_path, little_memory):
    path = tmp_path / "f"
    torch.save({"w": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    number = struct.pack("<BH", ord("M"), 1000)
    assert number in content
    path.write_bytes(content.replace(number, b"J" + struct.pack("<i", 2**31 - 1)))
    refuse(path, "claims more than it holds")


def test_a_text_beyond_an_older_file_is_refused(tmp_path, little_memory):
    path = tmp_path / "f"
    torch.save({"w": 1}, path, _use_new_zipfile_serialization=False)
    magic = path.read_bytes()[:14]
    path.write_bytes(magic + b"." + b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x")
    refuse(path, "claims more than it holds|damaged")


def test_a_place_far_out_in_the_memo_costs_nothing(tmp_path, little_memory):
    torch.save({"w": 1}, tmp_path / "f")

    def far_out(members):
        (name,) = [name for name in members if name.endswith("data.pkl")]
        members[name] = b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b"."

    rezip(tmp_path / "f", far_out)
    assert load_torch_file(tmp_path / "f") == {}


def test_a_compressed_bomb_is_refused(tmp_path, little_memory):
    torch.save({"w": torch.zeros(20_000_000)}, tmp_path / "f")
    rezip(tmp_path / "f", compression=zipfile.ZIP_DEFLATED)
    assert (tmp_path / "f").stat().st_size < 2**20
    refuse(tmp_path / "f", "compressed")


def test_names_that_some_file_systems_cannot_tell_apart_are_refused(tmp_path):
    torch.save({"w": torch.zeros(10)}, tmp_path / "f")
    rezip(tmp_path / "f", lambda members: members.update({"F/DATA.PKL": b"N."}))
    refuse(tmp_path / "f", "same name")


def test_two_files_in_one_are_refused(tmp_path):
    torch.save({"w": torch.zeros(10)}, tmp_path / "f")
    first = (tmp_path / "f").read_bytes()
    for form in (rezip, lambda path: None):  # with sizes of 32 bits, and of 64
        form(tmp_path / "f")
        second = (tmp_path / "f").read_bytes()
        (tmp_path / "g").write_bytes(first + second)
        refuse(tmp_path / "g", "two files in one|its end is missing")


def test_a_record_that_is_named_otherwise_in_its_header_is_refused(tmp_path):
    torch.save({"w": torch.zeros(10)}, tmp_path / "f")
    content = (tmp_path / "f").read_bytes()
    (tmp_path / "f").write_bytes(content.replace(b"f/data.pkl", b"f/data.txt", 1))
    refuse(tmp_path / "f", "damaged in f/data.pkl")


@pytest.mark.parametrize(("n_records", "is_fine"), [(19_999, True), (20_001, False)])
def test_tens_of_thousands_of_records_are_refused(tmp_path, n_records, is_fine):
    with zipfile.ZipFile(tmp_path / "f", "w") as archive:
        archive.writestr("f/data.pkl", b"}.")
        for i in range(1, n_records):
            archive.writestr(f"f/data/{i}", b"")
    if is_fine:
        assert load_torch_file(tmp_path / "f") == {}
    else:
        refuse(tmp_path / "f", "table of contents is too large")


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """A table of contents that names one record a thousand times, each as large as the file."""
    torch.save({"w": torch.zeros(1000)}, tmp_path / "f")
    with zipfile.ZipFile(tmp_path / "f", "a") as archive:
        (record,) = [info for info in archive.infolist() if "/data/" in info.filename]
        for i in range(1000):
            copy = zipfile.ZipInfo(f"archive/data/{i + 1}")
            copy.header_offset, copy.CRC = record.header_offset, record.CRC
            copy.file_size = copy.compress_size = record.file_size
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
        archive._didModify = True
    refuse(tmp_path / "f", "claims more than it holds|damaged")


def test_something_behind_the_table_of_contents_is_refused(tmp_path):
    torch.save({"w": torch.zeros(10)}, tmp_path / "f")
    with (tmp_path / "f").open("ab") as file:
        file.write(b"another table")
    refuse(tmp_path / "f", "its end is missing")


def test_a_table_of_contents_of_gigabytes_is_refused(tmp_path, little_memory):
    path = tmp_path / "f"
    path.write_bytes(b"PK\x03\x04")
    size = 2**31
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 9, 9, size - 100, 4, 0)
    with path.open("r+b") as file:  # a hole: it takes no room on the disk
        file.truncate(size)
        file.seek(size - len(end))
        file.write(end)
    refuse(path, "table of contents")


def test_a_file_larger_than_any_voice_is_refused(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"PK\x03\x04")
    os.truncate(path, 5 * 2**30)
    refuse(path, "GB")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"<html>", "web page"), (pickle.dumps({"w": 1}), "another kind of file"),
     (b"PK\x03\x04" + bytes(100), "damaged"), (tar(), "tar archive")],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, content, said):
    (tmp_path / "f").write_bytes(content)
    refuse(tmp_path / "f", said)


def test_what_follows_the_storages_of_an_older_file_is_refused(tmp_path):
    torch.save({"w": torch.ones(1)}, tmp_path / "f", _use_new_zipfile_serialization=False)
    with (tmp_path / "f").open("ab") as file:
        file.write(b"x")
    refuse(tmp_path / "f", "follows its end")


@pytest.mark.parametrize("number", [4, 2**62, -1])
def test_a_storage_of_another_length_is_refused(tmp_path, number):
    torch.save({"w": torch.ones(3)}, tmp_path / "f", _use_new_zipfile_serialization=False)
    content = (tmp_path / "f").read_bytes()
    count = struct.pack("<q", 3) + struct.pack("<f", 1)
    assert count in content
    (tmp_path / "f").write_bytes(content.replace(count, struct.pack("<qf", number, 1)))
    refuse(tmp_path / "f", "not as large as it claims")


def test_loaded_tensors_have_memory_of_their_own(tmp_path):
    torch.save({"w": torch.zeros(10)}, tmp_path / "f")
    load_torch_file(tmp_path / "f")["w"] += 1
    assert load_torch_file(tmp_path / "f")["w"].sum() == 0


@pytest.mark.shared
@pytest.mark.usefixtures("costs_little")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("codecs_hex.pt", "damaged"),
        ("concat.pt", "two files in one"),
        ("huge24000.voice", "damaged"),
        ("size_copies.pt", "more values"),
        ("tuple_hash.pt", "a tuple as a key"),
        ("untyped.pt", "same name"),
        ("voc_od_copies.pt", "more values"),
        ("zip_expand.pt", "damaged"),
    ],
)
def test_files_that_once_did_harm(shared_cases, name, said):
    path = shared_cases / "torchfile" / name
    refuse(path, said)
    with pytest.raises(VocoderError, match=said):
        read_weights(path)
