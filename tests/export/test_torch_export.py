import dataclasses
import json
import subprocess
import sys

import librosa
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.golden_states import saved

from ponytaco.audio.mel import MelSpectrogram
from ponytaco.checkpoint.format import Checkpoint, new_model
from ponytaco.config import AudioConfig
from ponytaco.export import standalone_speak
from ponytaco.export.bundle import ExportError
from ponytaco.export.standalone_speak import Programs
from ponytaco.export.torch_export import export_programs
from ponytaco.metrics.attention_errors import may_stop_from
from ponytaco.presets import preset
from ponytaco.text.encode import ids_to_text, spoken_symbols
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS
from ponytaco.vocoders.griffin_lim import GriffinLim


@pytest.mark.parametrize(("head", "gate"), [("plain", -4), ("mmi", -4), ("mmi", 9)])
def test_programs_speak_as_the_model_does(tmp_path, head, gate):
    torch.manual_seed(1)
    config = preset("tiny").replace(head=head, p_prenet_dropout=0.0)
    model = new_model(config)
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)):
        norm.running_mean.normal_()
    torch.nn.init.constant_(model.decoder.gate_layer.linear_layer.bias, gate)
    checkpoint = Checkpoint(config, model.state_dict(), SYMBOLS, CTC_SYMBOLS, torch.zeros(80))
    export_programs(saved(tmp_path / "model", checkpoint), tmp_path / "programs")
    programs = Programs.load(tmp_path / "programs")
    for text in ("hello", "good day to all"):
        ids = [SYMBOLS.index(sign) for sign in text]
        end = may_stop_from(spoken_symbols(ids))
        out, lengths = model.eval().infer(
            torch.tensor([ids]), torch.tensor([len(ids)]), 12, may_stop_from=torch.tensor([end])
        )
        mel = programs.speak(ids, max_frames=12)
        torch.testing.assert_close(
            mel, out.mel_postnet[:, :, : int(lengths[0])], rtol=1e-4, atol=1e-4
        )
    table = json.loads((tmp_path / "programs" / "voice.json").read_text(encoding="utf-8"))
    assert table["symbols"] == list(SYMBOLS) and table["sample_rate"] == 22_050


@given(st.lists(st.booleans()))
def test_the_programs_stop_by_the_voices_rule(spoken):
    """standalone_speak.py runs without ponytaco, so it holds the rule a second time."""
    assert standalone_speak.may_stop_from(spoken) == may_stop_from(spoken)


def test_the_programs_are_spoken_with_by_torch_alone(tmp_path):
    config = preset("tiny")
    lexicon = {"hello": "HH AH0 L OW1"}
    state = new_model(config).state_dict()
    checkpoint = Checkpoint(config, state, SYMBOLS, CTC_SYMBOLS, torch.zeros(80), lexicon)
    exported = export_programs(saved(tmp_path / "model", checkpoint), tmp_path / "programs")
    programs = Programs.load(tmp_path / "programs")
    assert ids_to_text(programs.read("Hello_ Bo, {B OW1}ÿ!")) == "{HH AH0 L OW1} bo, {B OW1}!"
    script = tmp_path / "programs" / "speak.py"
    assert f'python {script} "' in exported.remarks[0]
    # As where neither ponytaco nor numpy is installed.
    alone = tmp_path / "alone.py"
    alone.write_text(
        "import runpy, sys\nsys.modules.update(ponytaco=None, numpy=None)\n"
        "del sys.argv[0]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )

    def spoken(*words):
        return subprocess.run(
            [sys.executable, "-W", "ignore", alone, script, *words],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip

    done = spoken("Hello.", "mel.npy")
    assert done.returncode == 0, done.stderr
    mel = np.load(tmp_path / "mel.npy", allow_pickle=False)
    assert mel.shape[0] == 80 and f"{mel.shape[1]} frames of 80 mels" in done.stdout
    assert mel.dtype == np.float32 and np.isfinite(mel).all()
    done = spoken("Hello.", "hello.wav")
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "hello.wav")
    assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    assert info.frames % 256 == 0 and info.frames >= 256
    for words, returned, told in (
        ((), 2, "usage: python speak.py"),
        (("Hello.",), 2, "usage: python speak.py"),
        (("Hello.", "mel.mp3"), 2, "hello.wav"),
        (("☃", "x.wav"), 1, "nothing in this text"),
    ):
        done = spoken(*words)
        assert done.returncode == returned and told in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "changes", [{}, {"sample_rate": 48_000, "n_fft": 2400, "win_length": 2400, "hop_length": 600,
                     "f_max": 18_000.0, "n_mels": 100, "f_min": 30.0}], ids=["22 kHz", "48 kHz"]
)  # fmt: skip
def test_the_sound_without_a_vocoder_has_the_mels(changes):
    audio = dataclasses.replace(AudioConfig(), **changes)
    table = dataclasses.asdict(audio)
    filters = librosa.filters.mel(
        sr=audio.sample_rate, n_fft=audio.n_fft, n_mels=audio.n_mels, fmin=audio.f_min,
        fmax=audio.f_max,
    )  # fmt: skip
    np.testing.assert_allclose(standalone_speak.mel_filters(table), filters, rtol=0, atol=1e-6)
    torch.manual_seed(0)
    seconds = torch.arange(audio.sample_rate) / audio.sample_rate
    harmonics = range(1, 20)
    sound = sum(torch.sin(2 * torch.pi * 150 * n * seconds) / n for n in harmonics) / 6
    extract = MelSpectrogram(**table)
    mel = extract(sound[None])[0]
    waveform = standalone_speak.griffin_lim(mel, table)
    again = extract(waveform[None])[0]
    ours = extract(GriffinLim(audio)(mel[None]))[0]
    inner = slice(4, -5)
    error = (again[:, : mel.shape[1]] - mel)[:, inner].clamp(-3, 3).abs().mean()
    assert error < 1.3 * (ours[:, : mel.shape[1]] - mel)[:, inner].clamp(-3, 3).abs().mean() + 0.05


def test_programs_that_compute_something_else_are_refused(tmp_path, monkeypatch):
    checkpoint = Checkpoint(
        preset("tiny"), new_model(preset("tiny")).state_dict(), SYMBOLS, CTC_SYMBOLS,
        torch.zeros(80),
    )  # fmt: skip
    original = torch.export.load

    def wrong(path):
        program = original(path)
        for value in program.state_dict.values():
            value += 1
        return program

    monkeypatch.setattr(torch.export, "load", wrong)
    with pytest.raises(ExportError, match="exported encoder differs"):
        export_programs(saved(tmp_path / "model", checkpoint), tmp_path / "programs")
