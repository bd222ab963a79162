"""What the documentation shows and plays."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

SAMPLES = sorted((ROOT / "docs" / "samples").glob("*.wav"))
SILENT = 0.01


def test_there_are_samples():
    assert len(SAMPLES) >= 3


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_can_be_heard(path):
    sound, sample_rate = soundfile.read(path)
    assert len(sound) > sample_rate, "shorter than a second"
    seconds = [sound[i : i + sample_rate] for i in range(0, len(sound) - sample_rate, sample_rate)]
    assert all(np.sqrt((part**2).mean()) > SILENT for part in seconds)
    assert SILENT < abs(sound).max() <= 1


@pytest.fixture
def hooks(monkeypatch):
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    return hooks


@pytest.mark.parametrize("name", ["api", "settings", "architecture"])
def test_what_is_for_github_alone_is_not_on_the_site(hooks, name):
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    config = SimpleNamespace(config_file_path=str(ROOT / "mkdocs.yml"))
    built = hooks.on_page_markdown(text, None, config)
    assert "On GitHub" in text and "GitHub" not in built


def test_the_library_page_shows_the_warnings():
    assert "speech.warnings" in (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
