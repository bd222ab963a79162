import sys

import pytest
import torch
from support.foreign_files import as_module
from support.vocoder_files import golden, largest_tensors, reach, save
from torch.nn import functional

from ponytaco.config import AudioConfig
from ponytaco.vocoders.factory import open_vocoder
from ponytaco.vocoders.waveglow import WaveGlow
from ponytaco.vocoders.weights import VocoderError, read_weights

pytestmark = pytest.mark.usefixtures("no_preparations")

STATE, ARRAYS = golden("waveglow")
NOISE = [ARRAYS[f"noise/{i}"] for i in range(3)]
WIDTH, N_LAYERS, N_FLOWS = 8, 3, 12


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save(tmp_path_factory.mktemp("waveglow") / "waveglow.pt", {"state_dict": STATE})


@pytest.fixture(scope="module")
def vocoder(path):
    return WaveGlow(read_weights(path), denoise=0)


def check_golden(path):
    waveform = WaveGlow(read_weights(path), denoise=0)(ARRAYS["mel"], NOISE)
    torch.testing.assert_close(waveform, ARRAYS["wav"], rtol=0, atol=1e-5)


def test_it_says_what_the_published_code_says(path, vocoder):
    assert float(ARRAYS["sigma"]) == vocoder.sigma == 0.6
    assert vocoder(ARRAYS["mel"], NOISE).shape == (1, 20 * 256)
    check_golden(path)


def folded(tmp_path):
    return read_weights(save(tmp_path / "folded", STATE)).state


def a_layer_each(state):
    """NVIDIA's older layout: a conditioning layer for each layer."""
    older = {name: value for name, value in state.items() if ".cond_layer." not in name}
    for k in range(N_FLOWS):
        for part in ("weight", "bias"):
            pieces = state[f"WN.{k}.cond_layer.{part}"].split(2 * WIDTH)
            older |= {f"WN.{k}.cond_layers.{i}.{part}": piece for i, piece in enumerate(pieces)}
    return older


def first_release(state):
    """The oldest: residual and skip layers apart, too."""
    older = a_layer_each(state)
    for k in range(N_FLOWS):
        for part in ("weight", "bias"):
            for i in range(N_LAYERS):
                both = older.pop(f"WN.{k}.res_skip_layers.{i}.{part}")
                older[f"WN.{k}.skip_layers.{i}.{part}"] = both[-WIDTH:]
                if i < N_LAYERS - 1:
                    older[f"WN.{k}.res_layers.{i}.{part}"] = both[:WIDTH]
    return older


@pytest.mark.parametrize("older", [a_layer_each, first_release])
def test_older_layouts(tmp_path, older):
    check_golden(save(tmp_path / "f", {"state_dict": older(folded(tmp_path)), "config": {}}))


@pytest.mark.parametrize("keep", [dict, lambda s: {"state_dict": s}, lambda s: {"model": s}])
def test_weights_of_the_oldest_layout_alone_are_refused(tmp_path, keep):
    """Their flows may change either half in turn, as NVIDIA's first release: nothing tells."""
    path = save(tmp_path / "f", keep(first_release(folded(tmp_path))))
    with pytest.raises(VocoderError, match=r"oldest layout.*ponytaco fetch waveglow$"):
        WaveGlow(read_weights(path))


def test_what_is_assumed_about_weights_alone_is_said(tmp_path):
    state = a_layer_each(folded(tmp_path))
    notes = []
    for content, n_notes in (
        (state, 1), ({"state_dict": state, "config": {}}, 1), ({"state_dict": STATE}, 1)
    ):  # fmt: skip
        path = save(tmp_path / "f", content)
        open_vocoder(path, AudioConfig(n_mels=8), log=notes.append)
        assert len(notes) == n_notes  # the first file's
    assert "does not name its program" in notes[0]
    open_vocoder(path, AudioConfig(n_mels=8))


def test_older_layouts_with_weight_norm(tmp_path):
    """NGC's: the length of each output channel goes with its channel."""
    state = {f"module.{n}": v for n, v in STATE.items() if ".cond_layer." not in n}
    for k in range(N_FLOWS):
        for part in ("weight_g", "weight_v", "bias"):
            pieces = STATE[f"WN.{k}.cond_layer.{part}"].split(2 * WIDTH)
            for i, piece in enumerate(pieces):
                state[f"module.WN.{k}.cond_layers.{i}.{part}"] = piece
    check_golden(save(tmp_path / "f", {"state_dict": state}))


@pytest.fixture
def as_program(tmp_path):
    """Pickles weights as NVIDIA's Drive file has them: modules of a program that is not here."""

    def pickled(state, module, is_zip):
        whole = as_module(state, module, "WaveGlow")
        path = tmp_path / "waveglow_256channels.pt"
        content = {"model": whole, "iteration": 1, "optimizer": {"state": {}}, "learning_rate": 1}
        torch.save(content, path, _use_new_zipfile_serialization=is_zip)
        del sys.modules[module]
        return path

    return pickled


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_the_published_program_speaks_without_being_run(as_program, is_zip):
    check_golden(as_program(STATE, "glow", is_zip))


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_the_first_release_changes_either_half_in_turn(as_program, tmp_path):
    """Against a plain computation of it."""
    path = as_program(first_release(folded(tmp_path)), "glow_old", is_zip=False)
    vocoder = WaveGlow(read_weights(path), denoise=0)
    waveform = vocoder(ARRAYS["mel"], NOISE)
    assert (waveform - ARRAYS["wav"]).abs().max() > 0.1
    expected = plainly(first_release(folded(tmp_path)), ARRAYS["mel"], NOISE)
    torch.testing.assert_close(waveform, expected, rtol=0, atol=1e-5)


def plainly(state, mel, noise):
    def conv(name, x, **options):
        return functional.conv1d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    up = functional.conv_transpose1d(
        mel, state["upsample.weight"], state["upsample.bias"], stride=256
    )[..., :-768]
    groups = up.shape[-1] // 8
    steering = up.view(1, 8, groups, 8).permute(0, 1, 3, 2).reshape(1, 64, groups)
    audio, *early = (0.6 * part for part in noise)
    for k in reversed(range(N_FLOWS)):
        halves = list(audio.chunk(2, dim=1))
        still, moved = (0, 1) if k % 2 == 0 else (1, 0)
        x, total = conv(f"WN.{k}.start", halves[still]), 0
        for i in range(N_LAYERS):
            both = conv(f"WN.{k}.in_layers.{i}", x, dilation=2**i, padding=2**i)
            both = both + conv(f"WN.{k}.cond_layers.{i}", steering)
            y = torch.tanh(both[:, :WIDTH]) * torch.sigmoid(both[:, WIDTH:])
            total = total + conv(f"WN.{k}.skip_layers.{i}", y)
            if i < N_LAYERS - 1:
                x = x + conv(f"WN.{k}.res_layers.{i}", y)
        shift, scale = conv(f"WN.{k}.end", total).chunk(2, dim=1)
        halves[moved] = (halves[moved] - shift) / torch.exp(scale)
        audio = torch.cat(halves, dim=1)
        audio = torch.linalg.solve(state[f"convinv.{k}.conv.weight"][..., 0], audio)
        if k in (4, 8):
            audio = torch.cat([early.pop(0), audio], dim=1)
    return audio.permute(0, 2, 1).reshape(1, -1)


def test_a_clip_sounds_the_same_alone_and_in_a_batch_and_begins_the_same(vocoder):
    mel = torch.randn(2, 8, 40, generator=torch.Generator().manual_seed(1))
    both = vocoder(mel)
    torch.testing.assert_close(vocoder(mel[1:]), both[1:], rtol=0, atol=1e-5)
    shorter = vocoder(mel[..., :30])
    clear = (30 - vocoder.config.margin) * 256
    torch.testing.assert_close(shorter[:, :clear], both[:, :clear], rtol=0, atol=1e-5)


def test_the_seed_and_the_spread_of_the_noise_are_heard(path, vocoder):
    other = WaveGlow(read_weights(path), denoise=0, seed=1)(ARRAYS["mel"])
    calm = WaveGlow(read_weights(path), denoise=0, sigma=0.1)(ARRAYS["mel"])
    usual = vocoder(ARRAYS["mel"])
    assert torch.equal(usual, vocoder(ARRAYS["mel"]))
    assert not torch.allclose(usual, other)
    assert calm.std() < usual.std()


def test_long_mels_in_chunks_sound_the_same(path):
    mel = torch.randn(2, 8, 130, generator=torch.Generator().manual_seed(1))
    for denoise in (0, 0.1):
        whole = WaveGlow(read_weights(path), denoise=denoise)(mel)
        for chunk in (17, 60):
            parts = WaveGlow(read_weights(path), denoise=denoise, chunk=chunk)(mel)
            torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("denoise", [0, 0.5])
def test_the_margin_is_enough(path, denoise):
    vocoder = WaveGlow(read_weights(path), denoise=denoise)
    n_frames = 4 * vocoder.config.margin + 1
    assert reach(vocoder, 8, n_frames, 256) <= vocoder.config.margin


def test_the_memory_does_not_grow_with_the_mel(path):
    largest = largest_tensors(WaveGlow(read_weights(path), chunk=20), 8, (100, 400))
    sound = 4 * 400 * 256
    assert largest[1] <= max(largest[0], sound)


def test_the_denoiser_takes_its_hum_away(path, vocoder):
    mel = torch.zeros(1, 8, 88)
    silent = [torch.zeros_like(part[..., :1]).expand(-1, -1, 88 * 32) for part in NOISE]
    hum = vocoder(mel, silent)
    left = WaveGlow(read_weights(path), denoise=1.0)(mel, silent)
    assert hum.std() > 1e-3
    assert left[:, 2048:-2048].std() < 0.5 * hum[:, 2048:-2048].std()


def test_a_weak_denoiser_leaves_the_rest(path, vocoder):
    kept = WaveGlow(read_weights(path), denoise=1e-9)(ARRAYS["mel"])
    torch.testing.assert_close(kept, vocoder(ARRAYS["mel"]), rtol=0, atol=1e-4)


def test_short_mels(path):
    vocoder = WaveGlow(read_weights(path))
    for n_frames in (0, 1, 2, 3):
        assert vocoder(torch.zeros(2, 8, n_frames)).shape == (2, n_frames * 256)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"convinv.3.conv.weight": torch.zeros(8, 8, 1)}, r"convinv\.3 cannot be inverted"),
        ({"convinv.3.conv.weight": torch.eye(6)[..., None]}, "numbers, not"),
        ({"convinv.5.conv.weight": torch.eye(8)[..., None]}, "sizes impossible for a WaveGlow"),
        ({"convinv.11.conv.weight": torch.ones(3, 3, 1)}, "sizes impossible for a WaveGlow"),
        ({"convinv.2.conv.weight": torch.ones(8, 7, 1)}, r"convinv\.2 cannot be inverted"),
        ({"WN.3.start.bias": None}, "WN.3.start.bias"),
        ({"upsample.weight": torch.zeros(8, 8)}, "no upsample.weight"),
        ({"upsample.weight": torch.zeros(8, 8, 1000)}, "sizes impossible for a WaveGlow"),
        ({"WN.5.end.bias": torch.full((6,), torch.nan)}, "NaN values"),
        ({"WN.0.in_layers.0.weight_g": torch.zeros(1)}, "WN.0.in_layers"),
    ],
)  # fmt: skip
def test_broken_weights_are_refused(tmp_path, change, said):
    state = {name: value for name, value in (STATE | change).items() if value is not None}
    path = save(tmp_path / "f", {"state_dict": state})
    with pytest.raises(VocoderError, match=said) as error:
        WaveGlow(read_weights(path))
    assert str(path) in str(error.value)
