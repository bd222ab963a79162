import pytest

from ponytaco.export.bundle import export_bundle


@pytest.fixture(scope="session")
def bundle(trained_run, tmp_path_factory):
    """The trained voice, exported to be shared."""
    path = tmp_path_factory.mktemp("bundle") / "Beeps.voice"
    export_bundle(trained_run.run.folder, path, licence="CC0", note="made of beeps")
    return path
