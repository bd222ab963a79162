import os

import pytest

from ponytaco.io.atomic import replacing


def test_it_takes_the_place_when_it_is_complete(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path and temporary.name.startswith(".")
        assert temporary.suffix != ".txt"  # what looks for such files does not find it
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError(), KeyboardInterrupt()])
@pytest.mark.parametrize("begun", [True, False])
def test_whatever_is_raised_leaves_all_as_it_was(tmp_path, error, begun):
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(type(error)) as raised, replacing(path) as temporary:
        if begun:
            temporary.write_text("half")
        raise error
    assert raised.value is error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_renaming_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output"), replacing(tmp_path / "f") as temporary:
        temporary.write_text("new")
    assert list(tmp_path.iterdir()) == []
