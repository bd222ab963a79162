import warnings

import numpy as np
import pytest
import torch
from support.paths import GOLDEN

from ponytaco.audio.mel import MelSpectrogram
from ponytaco.config import AudioConfig
from ponytaco.vocoders.factory import VOCODERS
from ponytaco.vocoders.griffin_lim import GriffinLim

WAVEFORM = torch.from_numpy(np.load(GOLDEN / "nvidia_mel.npz")["wav"])[None]


@pytest.fixture(scope="module")
def mel():
    return MelSpectrogram()(WAVEFORM)


def test_it_is_in_the_dict():
    assert VOCODERS["griffin_lim"] is GriffinLim


def test_the_sound_has_the_mel_it_was_made_from(mel):
    waveform = GriffinLim(AudioConfig())(mel)
    assert waveform.dtype == torch.float32
    again = MelSpectrogram()(waveform).exp()
    error = (again - mel.exp()).norm() / mel.exp().norm()
    assert error < 0.1


def test_the_mel_bands_are_undone_better_than_by_the_pseudo_inverse(mel):
    bands = mel[0].exp().numpy()
    filters = MelSpectrogram().filters.numpy()
    true = torch.stft(
        WAVEFORM[0], 1024, 256, window=torch.hann_window(1024), return_complex=True,
    ).abs().numpy()  # fmt: skip

    def error(magnitude):
        return np.linalg.norm(magnitude - true) / np.linalg.norm(true)

    magnitude = GriffinLim(AudioConfig()).magnitude(bands)
    assert (magnitude >= 0).all()
    assert np.linalg.norm(filters @ magnitude - bands) < 0.01 * np.linalg.norm(bands)
    assert error(magnitude) < 0.9 * error(np.maximum(np.linalg.pinv(filters) @ bands, 0))


@pytest.mark.parametrize("n_frames", [0, 1, 2, 3, 4, 5, 6, 30])
def test_any_length_has_its_samples(n_frames):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        waveform = GriffinLim(AudioConfig(), n_iter=2)(torch.randn(2, 80, n_frames) - 5)
    assert waveform.shape == (2, max(0, n_frames - 1) * 256)
    assert torch.isfinite(waveform).all()


def test_no_clips_make_no_sound():
    assert GriffinLim(AudioConfig())(torch.zeros(0, 80, 10)).shape == (0, 9 * 256)


def test_the_same_seed_gives_the_same_sound_alone_and_in_a_batch(mel):
    vocoder = GriffinLim(AudioConfig(), n_iter=3)
    alone = vocoder(mel[..., :20])
    together = vocoder(torch.cat([mel[..., 20:40], mel[..., :20]]))
    assert torch.equal(alone[0], together[1])
    other = GriffinLim(AudioConfig(), n_iter=3, seed=1)(mel[..., :20])
    assert not torch.equal(alone, other)


def test_silence_stays_silent():
    silence = torch.full((1, 80, 20), float(np.log(1e-5)))
    assert GriffinLim(AudioConfig(), n_iter=4)(silence).abs().max() < 1e-3


def test_other_settings_are_obeyed():
    audio = AudioConfig(
        sample_rate=16_000, n_fft=512, hop_length=128, win_length=400, n_mels=40, f_max=7600.0
    )
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8192) / 16_000)[None] * 0.5
    extract = MelSpectrogram(16_000, 512, 128, 400, 40, 0.0, 7600.0)
    waveform = GriffinLim(audio, n_iter=20)(extract(tone))
    assert waveform.shape == tone.shape
    peak = torch.fft.rfft(waveform[0]).abs().argmax() * 16_000 / 8192
    assert abs(peak - 1000) < 40
