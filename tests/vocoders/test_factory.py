import pytest
import torch
from support.vocoder_files import golden, save

import ponytaco.vocoders.factory as opening
from ponytaco.checkpoint.format import new_model
from ponytaco.config import AudioConfig
from ponytaco.io.download import DownloadError
from ponytaco.presets import preset
from ponytaco.vocoders.factory import VOCODERS, open_vocoder
from ponytaco.vocoders.griffin_lim import GriffinLim
from ponytaco.vocoders.hifigan import HifiGan
from ponytaco.vocoders.waveglow import WaveGlow
from ponytaco.vocoders.weights import VocoderError, read_weights

AUDIO = AudioConfig()


def test_griffin_lim_needs_nothing():
    audio = AudioConfig(hop_length=128)
    vocoder = open_vocoder("griffin_lim", audio)
    assert isinstance(vocoder, GriffinLim) and vocoder.hop_length == 128
    assert set(VOCODERS) == {"griffin_lim", "hifigan", "waveglow"}


def test_a_file_is_known_by_its_keys(tmp_path):
    hifigan = save(tmp_path / "x", {"generator": golden("hifigan")[0]})
    assert isinstance(open_vocoder(hifigan, AUDIO), HifiGan)
    waveglow = save(tmp_path / "y", {"state_dict": golden("waveglow")[0]})
    vocoder = open_vocoder(str(waveglow), AudioConfig(n_mels=8))
    assert isinstance(vocoder, WaveGlow)
    assert vocoder(torch.zeros(1, 8, 4)).shape == (1, 1024)


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        (AudioConfig(sample_rate=16_000), "sample_rate 22050.* 16000"),
        (AudioConfig(hop_length=200), "hop_length 256.* 200"),
        (AudioConfig(n_mels=40), "n_mels 80.* 40"),
        (AudioConfig(f_max=11_025.0), "f_max 8000.* 11025"),
        (AudioConfig(win_length=800), "win_length 1024.* 800"),
    ],
)
def test_mels_that_do_not_fit_are_refused(tmp_path, monkeypatch, audio, said):
    path = save(tmp_path / "g", {"generator": golden("hifigan")[0]})
    with pytest.raises(VocoderError, match=said) as error:
        open_vocoder(path, audio)
    assert str(path) in str(error.value) and "griffin_lim" in str(error.value)
    monkeypatch.setattr(opening, "fetch", lambda *args: pytest.fail("downloaded in vain"))
    with pytest.raises(VocoderError, match=said):
        open_vocoder("hifigan", audio)


def test_published_weights_are_fetched(tmp_path, monkeypatch):
    path = save(tmp_path / "g", {"generator": golden("hifigan")[0]})
    asked = []

    def fetch(name, folder, log):
        asked.append((name, folder))
        return path

    monkeypatch.setattr(opening, "fetch", fetch)
    assert isinstance(open_vocoder("hifigan", AUDIO, cache=tmp_path), HifiGan)
    assert asked == [("hifigan", tmp_path)]


def test_griffin_lim_speaks_where_nothing_can_be_had(monkeypatch):
    def fetch(name, folder, log):
        raise DownloadError("It could not be downloaded. By hand: open the page.")

    monkeypatch.setattr(opening, "fetch", fetch)
    with pytest.raises(DownloadError, match="By hand"):
        open_vocoder("hifigan", AUDIO)
    said = []
    assert isinstance(open_vocoder("hifigan", AUDIO, log=said.append), GriffinLim)
    assert "By hand" in said[0] and "Griffin-Lim" in said[-1]


@pytest.mark.parametrize("name", ["wavenet", "no/such/file", "", "."])
def test_what_is_not_there_is_answered_with_what_is(name):
    with pytest.raises(VocoderError, match="griffin_lim, hifigan, waveglow"):
        open_vocoder(name, AUDIO)


def test_a_voice_is_no_vocoder(tmp_path):
    state = new_model(preset("tiny")).state_dict()
    with pytest.raises(VocoderError, match="Tacotron 2, which makes mels"):
        open_vocoder(save(tmp_path / "v", {"state_dict": state}), AUDIO)


@pytest.mark.parametrize("content", [{}, [1], {"generator": 1}, {"a": torch.ones(1)}, 7])
def test_other_content_is_no_vocoder(tmp_path, content):
    with pytest.raises(VocoderError, match="not a HiFi-GAN or WaveGlow"):
        open_vocoder(save(tmp_path / "f", content), AUDIO)


def test_a_damaged_file_is_said(tmp_path):
    path = save(tmp_path / "g", {"generator": golden("hifigan")[0]})
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(VocoderError, match="damaged"):
        open_vocoder(path, AUDIO)
    path.write_bytes(b"<html>")
    with pytest.raises(VocoderError, match="web page"):
        open_vocoder(path, AUDIO)


def test_weights_that_share_their_numbers_are_refused(tmp_path):
    """A file of a megabyte could claim a thousand layers over it."""
    whole = torch.ones(1000, 1, 100)
    path = save(tmp_path / "f", {f"layers.{i}.weight": whole for i in range(100)})
    with pytest.raises(VocoderError, match="share their numbers"):
        read_weights(path)
