import pytest


@pytest.fixture
def fake_package(tmp_path, monkeypatch):
    """Return a function that makes a package with a data file; its code must not run."""

    def make(name, file, write):
        folder = tmp_path / "site" / name
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("raise AssertionError('imported')")
        write(folder / file)
        monkeypatch.syspath_prepend(str(folder.parent))
        return name

    return make
