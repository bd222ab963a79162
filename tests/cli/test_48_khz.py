"""A voice at 48 kHz, as the ancestor's later setting, from recordings to speech."""

import json

import numpy as np
import pytest
import soundfile

from ponytaco.audio.mel import MelSpectrogram
from ponytaco.cli import main
from ponytaco.config import Config

SETTINGS = {"sample_rate": 48_000, "n_fft": 2400, "win_length": 2400, "hop_length": 600,
            "f_max": 18_000}  # fmt: skip


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Clips of tones below and above what 22,050 Hz can hold."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for number in range(8):
        seconds = np.arange(int((0.7 + 0.05 * number) * 48_000)) / 48_000
        sound = 0.2 * np.sin(2 * np.pi * 300 * seconds) + 0.2 * np.sin(2 * np.pi * 15_000 * seconds)
        sound += 1e-4 * rng.standard_normal(len(sound))
        soundfile.write(folder / f"{number}.wav", sound, 48_000, subtype="PCM_16")
        (folder / f"{number}.txt").write_text(f"The {'very ' * number}high tone.")
    return folder


def test_from_recordings_to_speech(recordings, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rate = ["--sample-rate", "48000"]
    assert main(["pack", str(recordings), "High.tar", "--character", "High", *rate]) == 0
    assert "ponytaco prepare High.tar data/High --sample-rate 48000" in capsys.readouterr().out
    assert main(["prepare", "High.tar", "data", *rate]) == 0
    info = soundfile.info(next((tmp_path / "data" / "wavs").glob("*.wav")))
    assert info.samplerate == 48_000 and 0.5 < info.duration < 1.2
    assert json.loads((tmp_path / "data" / "report.json").read_text())["options"][
        "sample_rate"
    ] == 48_000  # fmt: skip
    options = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    words = ["train", "data", "run", "--preset", "tiny", "--max-steps", "3", *options]
    words += ["--set", "validate_every=3", "--batch-size", "4", "--device", "cpu"]
    assert main(words) == 0
    for text, name in (("High tone.", "a.wav"), ("High tone.", "b.wav")):
        spoken = ["speak", "run", text, "--max-seconds", "0.5", "-o", name, "--retries", "0"]
        assert main(spoken) == 0
    info = soundfile.info("a.wav")
    assert info.samplerate == 48_000 and info.frames > 1000
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_its_mels_hold_what_22_khz_cannot(recordings):
    sound, _ = soundfile.read(recordings / "0.wav", dtype="float32")
    config = Config().replace(**SETTINGS)
    import torch

    extract = MelSpectrogram(**config.to_dict()["audio"])
    mel = extract(torch.from_numpy(sound)[None])[0]
    assert mel.shape == (80, len(sound) // 600 + 1)
    assert mel[-6:].max() > mel.median() + 4  # 15 kHz


def test_another_rate_is_refused_with_both_ways_out(recordings, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["pack", str(recordings), "High.tar", "--character", "High"]) == 0
    assert main(["prepare", "High.tar", "data"]) == 0
    options = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "data", "run", "--preset", "tiny", *options, "--device", "cpu"]) == 1
    error = capsys.readouterr().err
    assert "again with --sample-rate 48000" in error and "--sample-rate 22050" in error


@pytest.mark.parametrize("command", ["pack", "prepare"])
@pytest.mark.parametrize("rate", ["0", "-1", "999999"])
def test_impossible_rates_are_refused(recordings, tmp_path, capsys, command, rate):
    words = [str(recordings), str(tmp_path / "x.tar"), "--character", "X"]
    words = words if command == "pack" else [str(tmp_path / "x.tar"), str(tmp_path / "out")]
    assert main([command, *words, "--sample-rate", rate]) == 1
    assert "8,000 to 96,000 Hz" in capsys.readouterr().err
