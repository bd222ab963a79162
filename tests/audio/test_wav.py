import numpy as np
import pytest
import soundfile
import torch
from support.full_disk import no_file_larger_than

from ponytaco.audio.wav import AudioError, load_wav, save_wav

RATE = 22_050


def test_a_wav_survives_the_round_trip(tmp_path):
    waveform = torch.sin(torch.arange(2000) / 20) * 0.9
    save_wav(tmp_path / "a.wav", waveform, RATE)
    read = load_wav(tmp_path / "a.wav", RATE)
    assert read.dtype == torch.float32
    torch.testing.assert_close(read, waveform, atol=1e-4, rtol=0)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.subtype, info.channels, info.samplerate) == ("PCM_16", 1, RATE)


def test_a_loud_waveform_is_clipped_not_wrapped(tmp_path):
    save_wav(tmp_path / "a.wav", torch.tensor([[1.5, -7.0, 1.0, 0.0]]), RATE)
    read = load_wav(tmp_path / "a.wav", RATE)
    torch.testing.assert_close(read, torch.tensor([1.0, -1.0, 1.0, 0.0]), atol=1e-4, rtol=0)


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path):
    save_wav(tmp_path / "a.wav", torch.ones(10), RATE)
    before = (tmp_path / "a.wav").read_bytes()
    message = r"Cannot write .*a\.wav: File too large.*disk full"
    with pytest.raises(AudioError, match=message), no_file_larger_than(50):
        save_wav(tmp_path / "a.wav", torch.zeros(10), RATE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == before


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(AudioError, match="infinite or NaN"):
        save_wav(tmp_path / "a.wav", torch.tensor([0.0, float("nan")]), RATE)
    with pytest.raises(AudioError, match="not mono"):
        save_wav(tmp_path / "a.wav", torch.zeros(2, 10), RATE)
    with pytest.raises(AudioError, match="Does the folder exist"):
        save_wav(tmp_path / "none" / "a.wav", torch.zeros(10), RATE)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(AudioError, match="No audio at .*none.wav"):
        load_wav(tmp_path / "none.wav", RATE)
    (tmp_path / "text.wav").write_text("this is no wav")
    with pytest.raises(AudioError, match="Cannot read .*text.wav"):
        load_wav(tmp_path / "text.wav", RATE)
    soundfile.write(tmp_path / "stereo.wav", np.zeros((10, 2)), RATE)
    with pytest.raises(AudioError, match="2 channels"):
        load_wav(tmp_path / "stereo.wav", RATE)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(AudioError, match="no usable samples"):
        load_wav(tmp_path / "empty.wav", RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan]), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="no usable samples"):
        load_wav(tmp_path / "nan.wav", RATE)


def test_another_rate_is_refused_not_resampled(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(10), 16_000)
    with pytest.raises(AudioError, match=r"16000 Hz.*22050 Hz.*Prepare the character again"):
        load_wav(tmp_path / "a.wav", RATE)
