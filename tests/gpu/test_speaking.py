"""Voices and vocoders on a GPU against the CPU's, and the commands with --device."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.distances import decibels, distance

import ponytaco.training.session as session_module
from ponytaco.audio.wav import load_wav
from ponytaco.checkpoint.format import load_checkpoint, save_checkpoint
from ponytaco.cli import main
from ponytaco.config import AudioConfig
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.evaluation.evaluate import evaluate
from ponytaco.export.gta_mels import write_mels
from ponytaco.model.packed_linear import WeightTypeError
from ponytaco.runs.folder import Run
from ponytaco.synthesis.voice import Voice
from ponytaco.training.validation import validate
from ponytaco.vocoders.griffin_lim import GriffinLim
from ponytaco.vocoders.half_precision import with_fallback
from ponytaco.vocoders.hifigan import Generator, HifiGan
from ponytaco.vocoders.waveglow import WaveGlow
from ponytaco.vocoders.weights import read_weights

pytestmark = pytest.mark.gpu

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def certain(trained_run, tmp_path_factory):
    """The trained voice without prenet dropout, so that two devices speak the same."""
    folder = tmp_path_factory.mktemp("certain") / "run"
    shutil.copytree(trained_run.run.folder, folder)
    run = Run(folder)
    for path in (run.best_model, run.current_model):
        checkpoint = load_checkpoint(path)
        checkpoint.config = checkpoint.config.replace(p_prenet_dropout=0.0)
        save_checkpoint(path, checkpoint)
    return run


def mel_of(voice, text="Bad day.", **how):
    how = {"max_seconds": 0.6, "retries": 0, **how}
    (sentence,) = voice.speak(text, **how).sentences
    return torch.from_numpy(sentence.mel)


# Voices


def test_a_voice_speaks_as_on_the_cpu(certain, device, measured):
    here, there = (Voice(certain.folder, device=at, weight_type="float32") for at in (CPU, device))
    expected, ours = mel_of(here), mel_of(there)
    assert ours.shape == expected.shape
    measured("mels apart by", distance(ours, expected))
    assert distance(ours, expected) < 1e-4


@pytest.mark.parametrize("weight_type", ["auto", "float16", "bfloat16"])
def test_16_bit_weights_sound_alike(certain, device, measured, weight_type):
    expected = mel_of(Voice(certain.folder, device=device, weight_type="float32"))
    ours = mel_of(Voice(certain.folder, device=device, weight_type=weight_type))
    if device.type == "cuda" and weight_type == "auto":
        assert torch.equal(ours, expected)
    measured("mels apart by", distance(ours, expected))
    assert distance(ours, expected) < 0.05


def test_int8_is_refused(certain, device):
    if device.type == "cpu":
        pytest.skip("a CPU supports int8")
    with pytest.raises(WeightTypeError, match="Use float16"):
        Voice(certain.folder, device=device, weight_type="int8")


@pytest.mark.parametrize("name", ["the device", "its name"])
def test_a_seed_fixes_the_speech(trained_run, device, name):
    voice = Voice(trained_run.run.folder, device=device if name == "the device" else str(device))
    first = mel_of(voice, seed=3)
    torch.rand(5, device=device)
    assert torch.equal(mel_of(voice, seed=3), first)
    assert not torch.equal(mel_of(voice, seed=4), first)


def test_speaking_does_not_change_the_random_numbers(trained_run, device):
    voice = Voice(trained_run.run.folder, device=device)
    torch.manual_seed(1)
    expected = torch.rand(4, device=device)
    torch.manual_seed(1)
    mel_of(voice)
    assert torch.equal(torch.rand(4, device=device), expected)


def test_several_texts_share_batches(trained_run, device):
    voice = Voice(trained_run.run.folder, device=device)
    texts = ["Bad day. Cake!", "Fade.", "A bee, a cab.", "Add."]
    speeches = list(voice.speak_all(texts, max_seconds=0.4, best_of=2, retries=1))
    assert len(speeches) == 4
    for speech in speeches:
        assert speech.waveform.device == CPU and torch.isfinite(speech.waveform).all()
        assert speech.waveform.abs().max() > 1e-3


def test_validating_on_the_gpu(certain, fake_dataset, device, measured):
    checkpoint = load_checkpoint(certain.best_model)
    config = checkpoint.config
    data = open_datasets(
        read_dataset(fake_dataset), config.audio, checkpoint.symbols, config.train.cleaner
    )
    found = []
    for at in (CPU, device):
        model = checkpoint.build_model().to(at)
        torch.manual_seed(1)
        expected = torch.rand(4, device=at)
        torch.manual_seed(1)
        found.append(validate(model, data.val, config, 60, at))
        assert torch.equal(torch.rand(4, device=at), expected)
    cpu, gpu = found
    measured("losses apart by", abs(gpu.loss / cpu.loss - 1))
    assert gpu.loss == pytest.approx(cpu.loss, rel=1e-4)
    assert gpu.teacher_forced.focus == pytest.approx(cpu.teacher_forced.focus, rel=1e-3)
    assert gpu.stopped == cpu.stopped
    assert gpu.distortion == pytest.approx(cpu.distortion, rel=1e-2)


def test_mels_for_a_vocoder(certain, fake_dataset, device, tmp_path):
    written = [
        write_mels(certain, tmp_path / str(at), fake_dataset, device=str(at))
        for at in dict.fromkeys((CPU, device))
    ]
    for path in written[0].folder.glob("*.npy"):
        here, there = (np.load(each.folder / path.name) for each in (written[0], written[-1]))
        assert distance(torch.from_numpy(there), torch.from_numpy(here)) < 1e-4


def test_an_evaluation(trained_run, fake_dataset, device, tmp_path, hasty_vocoder):
    run = Run(shutil.copytree(trained_run.run.folder, tmp_path / "run"))
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("Bad day.\n", encoding="utf-8")
    with hasty_vocoder():
        evaluate(run, sentences=sentences, device=str(device), quick=True)
    assert (run.folder / "evaluation" / "quick.html").is_file()


# Vocoders


def golden(name, folder):
    """Write a small vocoder's weights to a file; return them and the other golden arrays."""
    with np.load(GOLDEN / f"{name}_tiny.npz") as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "config"}
    state = {k.removeprefix("state/"): v for k, v in arrays.items() if k.startswith("state/")}
    torch.save(state, folder / name)
    return read_weights(folder / name), arrays


def test_griffin_lim_is_the_same_to_the_bit(device):
    mel = torch.randn(2, 80, 30, generator=torch.Generator().manual_seed(0)) - 4
    vocoder = GriffinLim(AudioConfig())
    ours = vocoder(mel.to(device))
    assert ours.device.type == device.type and torch.equal(ours.cpu(), vocoder(mel))


def test_hifigan_is_what_the_published_code_makes(device, measured, tmp_path):
    weights, arrays = golden("hifigan", tmp_path)
    sound = HifiGan(weights, device=device)(arrays["mel"])
    assert sound.device == CPU  # like the mel
    noise = decibels(arrays["wav"][:, 0], sound)
    measured("decibels above the noise of float16", noise)
    assert noise > 35
    there = HifiGan(weights, device=device)(arrays["mel"].to(device))
    assert there.device.type == device.type and torch.equal(there.cpu(), sound)


@torch.inference_mode()
def test_hifigan_in_float32(device, measured, tmp_path):
    weights, arrays = golden("hifigan", tmp_path)
    network = Generator(HifiGan(weights).config)
    weights.put_into(network)
    sound = with_fallback(network, device, torch.float32)(arrays["mel"])
    measured("apart by", distance(sound, arrays["wav"][:, 0]))
    assert distance(sound, arrays["wav"][:, 0]) < 1e-4


@torch.inference_mode()
def test_an_overflow_is_computed_again_in_float32(device, tmp_path):
    weights, arrays = golden("hifigan", tmp_path)
    network = Generator(HifiGan(weights).config)
    weights.put_into(network)
    network.conv_pre.weight.mul_(1e6)
    expected = copy.deepcopy(network)(arrays["mel"])
    again = with_fallback(network, device, torch.float16)(arrays["mel"])
    assert torch.isfinite(again).all()
    assert distance(again, expected) < 1e-3


def test_waveglow_is_what_the_published_code_makes(device, measured, tmp_path):
    weights, arrays = golden("waveglow", tmp_path)
    noise = [arrays[f"noise/{i}"] for i in range(3)]
    sound = WaveGlow(weights, device=device, denoise=0)(arrays["mel"], noise)
    measured("decibels above the noise of float16", decibels(arrays["wav"], sound))
    assert decibels(arrays["wav"], sound) > 40


@pytest.mark.parametrize("name", ["hifigan", "waveglow"])
def test_long_mels_in_chunks(device, measured, tmp_path, name):
    weights, arrays = golden(name, tmp_path)
    vocoder = {"hifigan": HifiGan, "waveglow": WaveGlow}[name]
    mel = arrays["mel"].repeat(1, 1, 12)
    here = vocoder(weights, chunk=10_000)(mel)
    there = vocoder(weights, device=device, chunk=50)(mel.to(device))
    measured("decibels above what differs", decibels(here, there))
    assert decibels(here, there) > 30


# Commands


def test_train_speak_and_bench(fake_dataset, tmp_path, device, capsys, monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)
    run, wav, on = str(tmp_path / "Beeps"), tmp_path / "speech.wav", ["--device", str(device)]
    assert main([
        "train", str(fake_dataset), run, "--preset", "tiny", "--batch-size", "4",
        "--set", "max_steps=10", *on,
    ]) == 0  # fmt: skip
    assert f"on {device}" in capsys.readouterr().out
    assert main(["speak", run, "Bad day.", "--out", str(wav), "--max-seconds", "0.5", *on]) == 0
    assert load_wav(wav, 22_050).abs().max() > 1e-3
    assert main(["bench", "--preset", "tiny", "--minutes", "0.05", *on]) == 0
    assert "float32" in capsys.readouterr().out
