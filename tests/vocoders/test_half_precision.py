import pytest
import torch
from support.vocoder_files import golden, save

from ponytaco.vocoders.half_precision import with_fallback
from ponytaco.vocoders.hifigan import Generator, HifiGan
from ponytaco.vocoders.waveglow import WaveGlow
from ponytaco.vocoders.weights import read_weights

CPU = torch.device("cpu")


def decibels(sound, other):
    return float(20 * torch.log10(sound.std() / (other - sound).std()))


@pytest.fixture
def generator(tmp_path):
    weights = read_weights(save(tmp_path / "g", golden("hifigan")[0]))
    network = Generator(HifiGan(weights).config)
    weights.put_into(network)
    return network


@torch.inference_mode()
def test_half_precision_is_close_and_float16_closer_than_bfloat16(generator):
    mel = golden("hifigan")[1]["mel"]
    exact = with_fallback(generator, CPU)(mel)
    assert torch.equal(exact, generator(mel))
    noise = {
        dtype: decibels(exact, with_fallback(generator, CPU, dtype)(mel))
        for dtype in (torch.float16, torch.bfloat16)
    }
    assert noise[torch.float16] > 35 > noise[torch.bfloat16] + 10


@torch.inference_mode()
def test_what_overflows_is_computed_again(generator):
    generator.conv_pre.weight.mul_(1e6)
    mel = golden("hifigan")[1]["mel"]
    again = with_fallback(generator, CPU, torch.float16)(mel)
    assert torch.isfinite(again).all() and torch.equal(again, generator(mel))


@pytest.mark.usefixtures("no_preparations")
def test_waveglow_keeps_its_flows_in_float32(tmp_path, monkeypatch):
    weights = read_weights(save(tmp_path / "w", golden("waveglow")[0]))
    mel = golden("waveglow")[1]["mel"]
    exact = WaveGlow(weights, denoise=0)(mel)
    monkeypatch.setattr(
        "ponytaco.vocoders.waveglow.with_fallback",
        lambda network, device: with_fallback(network, device, torch.float16),
    )
    half = WaveGlow(weights, denoise=0)
    assert not torch.equal(half(mel), exact)
    assert decibels(exact, half(mel)) > 45
