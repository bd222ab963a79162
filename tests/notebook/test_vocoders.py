import sys
import types

import pytest

from ponytaco.io import download
from ponytaco.io.pretrained import PUBLISHED
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.vocoders import get_vocoder


@pytest.fixture
def storage(tmp_path):
    return Storage(root=tmp_path, disk=tmp_path / "disk")


def refuse(*args, **kwargs):
    raise OSError("no network")


def test_what_was_put_there_by_hand_is_taken(storage, monkeypatch):
    monkeypatch.setattr(download, "open_https", refuse)
    path = storage.runs / "vocoders" / PUBLISHED["hifigan"].file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\x03\x04\x00")
    assert get_vocoder(storage, "hifigan") == str(path)


def test_griffin_lim_speaks_until_it_is(storage, monkeypatch, capsys):
    monkeypatch.setattr(download, "open_https", refuse)
    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=refuse))
    assert get_vocoder(storage, "hifigan") == "griffin_lim"
    printed = capsys.readouterr().out
    assert str(storage.runs / "vocoders" / PUBLISHED["hifigan"].file_name) in printed
    assert "Griffin-Lim" in printed


@pytest.mark.parametrize("name", ["griffin_lim", "/some/where/g_02500000"])
def test_other_names_are_left_as_they_are(storage, name):
    assert get_vocoder(storage, name) == name
