import numpy as np
import pytest
import torch
from support.paths import GOLDEN as FOLDER

from ponytaco.audio.mel import MIN_MAGNITUDE, MelSpectrogram

GOLDEN = np.load(FOLDER / "nvidia_mel.npz")
RATE = 22_050


def test_mel_matches_nvidias():
    mel = MelSpectrogram()(torch.from_numpy(GOLDEN["wav"])[None])
    torch.testing.assert_close(mel[0], torch.from_numpy(GOLDEN["mel"]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 255, 256, 511, 512, 513, 1024, 5000])
def test_any_length_has_its_frames(n_samples):
    mel = MelSpectrogram()(torch.rand(2, n_samples) - 0.5)
    assert mel.shape == (2, 80, n_samples // 256 + 1)
    assert torch.isfinite(mel).all()


def test_a_batch_equals_its_clips():
    mel = MelSpectrogram()
    waveform = torch.rand(3, 4000) - 0.5
    torch.testing.assert_close(mel(waveform)[1], mel(waveform[1:2])[0])


def test_silence_is_the_floor():
    mel = MelSpectrogram()(torch.zeros(1, 3000))
    torch.testing.assert_close(mel, torch.full_like(mel, float(np.log(MIN_MAGNITUDE))))


def test_a_tone_lands_in_its_band():
    low, high = (
        MelSpectrogram()(torch.sin(2 * torch.pi * hertz * torch.arange(8000) / RATE)[None])
        .mean(-1)
        .argmax()
        for hertz in (300, 3000)
    )
    assert (low, high) == (7, 54)


def test_other_settings_are_obeyed():
    mel = MelSpectrogram(16_000, 512, 128, 400, 40, 50.0, 7600.0)
    assert mel(torch.rand(1, 1280)).shape == (1, 40, 11)


def test_settings_are_not_in_the_state_dict():
    assert not MelSpectrogram().state_dict()
