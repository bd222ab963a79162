import io
import json
import tarfile

import numpy as np
import pytest
import soundfile

from data_prep.archive_writer import ArchiveWriter
from data_prep.soundtools import index_archive, read_clips


def test_clips_are_read_back(tmp_path):
    path = tmp_path / "new" / "t.tar"
    waveform = np.linspace(-1, 1, 999, dtype=np.float32)
    with ArchiveWriter(path) as archive:
        archive.add("one", waveform, 16_000, {"utterance": {"content": "Pünktchen ♪"}})
        assert not path.exists()
    (clip,) = read_clips(index_archive(path))
    samples, rate = soundfile.read(io.BytesIO(clip.audio), dtype="float32")
    assert clip.ref == "one" and rate == 16_000
    np.testing.assert_allclose(samples, waveform, atol=1 / 32768)
    assert json.loads(clip.label)["utterance"]["content"] == "Pünktchen ♪"
    assert list(path.parent.iterdir()) == [path]


def test_the_same_clips_give_the_same_bytes(tmp_path, monkeypatch):
    for name, now in (("a", 1e9), ("b", 1.5e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        with ArchiveWriter(tmp_path / name) as archive:
            archive.add("one", np.zeros(50, np.float32), 22_050, {"utterance": {}})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with tarfile.open(tmp_path / "a") as tar:
        info = tar.getmembers()[0]
    assert (info.mtime, info.uid, info.uname) == (0, 0, "")


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "t.tar"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), ArchiveWriter(path) as archive:
        archive.add("one", np.zeros(50, np.float32), 22_050, {})
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ref", ["", "..", "a/b", "a\\b", "nul\0", "once"])
def test_unusable_and_repeated_refs_are_refused(tmp_path, ref):
    with ArchiveWriter(tmp_path / "t.tar") as archive:
        archive.add("once", np.zeros(9, np.float32), 22_050, {})
        with pytest.raises(ValueError):
            archive.add(ref, np.zeros(9, np.float32), 22_050, {})
