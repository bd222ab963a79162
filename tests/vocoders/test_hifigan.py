import json
import sys

import pytest
import torch
from support.vocoder_files import golden, largest_tensors, reach, save
from torch.nn import functional

from ponytaco.config import AudioConfig
from ponytaco.vocoders.hifigan import Generator, HifiGan, HifiGanConfig
from ponytaco.vocoders.weights import VocoderError, read_weights

STATE, ARRAYS = golden("hifigan")
V1 = HifiGanConfig(
    resblock="1",
    upsample_rates=(8, 8, 2, 2),
    upsample_kernel_sizes=(16, 16, 4, 4),
    upsample_initial_channel=32,
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilation_sizes=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
)
V3 = HifiGanConfig(
    resblock="2",
    upsample_rates=(8, 8, 4),
    upsample_kernel_sizes=(16, 16, 8),
    upsample_initial_channel=16,
    resblock_kernel_sizes=(3, 5, 7),
    resblock_dilation_sizes=((1, 2), (2, 6), (3, 12)),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save(tmp_path_factory.mktemp("hifigan") / "g_02500000", {"generator": STATE})


@pytest.fixture(scope="module")
def vocoder(path):
    return HifiGan(read_weights(path))


def random_file(path, config, settings=None):
    torch.manual_seed(0)
    network = Generator(config)
    if settings is not None:
        path.with_name("config.json").write_text(json.dumps(settings))
    return network, save(path, {"generator": network.state_dict()})


def test_it_says_what_the_published_code_says(vocoder):
    waveform = vocoder(ARRAYS["mel"])
    assert waveform.shape == (1, 20 * 256) and waveform.dtype == torch.float32
    torch.testing.assert_close(waveform, ARRAYS["wav"][:, 0], rtol=0, atol=1e-6)


def test_the_sizes_are_read_off_the_weights(vocoder):
    assert vocoder.config == V1
    assert vocoder.audio == AudioConfig()


@pytest.mark.parametrize("wrap", ["bare", "module", "parametrized", "folded"])
def test_other_layouts_of_the_same_weights(tmp_path, wrap):
    state = dict(STATE)
    if wrap == "module":
        state = {f"module.{name}": value for name, value in STATE.items()}
    if wrap == "parametrized":
        new = ".parametrizations.weight.original"
        state = {
            name.replace(".weight_g", f"{new}0").replace(".weight_v", f"{new}1"): value
            for name, value in STATE.items()
        }
    if wrap == "folded":
        state = read_weights(save(tmp_path / "first", STATE)).state
        assert not [name for name in state if name.endswith(("_g", "_v"))]
    vocoder = HifiGan(read_weights(save(tmp_path / "f", state)))
    torch.testing.assert_close(vocoder(ARRAYS["mel"]), ARRAYS["wav"][:, 0], rtol=0, atol=1e-6)


def test_v3_is_inferred_and_computed_as_published(tmp_path):
    """Its blocks have one convolution for each dilation."""
    network, path = random_file(tmp_path / "g", V3)
    vocoder = HifiGan(read_weights(path))
    assert vocoder.config == V3
    mel = torch.randn(2, 80, 9)
    state = network.state_dict()

    def conv(name, x, **options):
        return functional.conv1d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    with torch.no_grad():
        x = conv("conv_pre", mel, padding=3)
        for i, (rate, kernel) in enumerate(((8, 16), (8, 16), (4, 8))):
            x = functional.conv_transpose1d(
                functional.leaky_relu(x, 0.1), state[f"ups.{i}.weight"], state[f"ups.{i}.bias"],
                stride=rate, padding=(kernel - rate) // 2,
            )  # fmt: skip
            blocks = []
            for j, (size, dilations) in enumerate(((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))):
                y = x
                for k, dilation in enumerate(dilations):
                    y = y + conv(
                        f"resblocks.{3 * i + j}.convs.{k}", functional.leaky_relu(y, 0.1),
                        dilation=dilation, padding=(size - 1) * dilation // 2,
                    )  # fmt: skip
                blocks.append(y)
            x = sum(blocks) / 3
        expected = torch.tanh(conv("conv_post", functional.leaky_relu(x, 0.01), padding=3))[:, 0]
    torch.testing.assert_close(vocoder(mel), expected, rtol=0, atol=1e-6)


def test_the_config_beside_it_decides(tmp_path):
    """Dilations are in no weight; these are nobody's."""
    config = HifiGanConfig("2", (4, 4), (8, 8), 8, (3,), ((1, 7),), num_mels=5)
    settings = {
        "resblock": "2", "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8],
        "upsample_initial_channel": 8, "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 7]], "num_mels": 5, "hop_size": 16, "win_size": 64,
        "n_fft": 64, "sampling_rate": 8000, "fmin": 50, "fmax": 4000, "fmax_for_loss": None,
    }  # fmt: skip
    network, path = random_file(tmp_path / "g", config, settings)
    vocoder = HifiGan(read_weights(path))
    assert vocoder.config == config
    assert vocoder.audio == AudioConfig(8000, 64, 16, 64, 5, 50.0, 4000.0)
    mel = torch.randn(1, 5, 12)
    torch.testing.assert_close(vocoder(mel), network(mel), rtol=0, atol=1e-6)


def test_a_config_of_another_program_is_passed_over(tmp_path):
    (tmp_path / "config.json").write_text('{"audio": {}, "model": {}}')
    assert HifiGan(read_weights(save(tmp_path / "g", STATE))).config == V1


def test_long_mels_in_chunks_sound_the_same(path, vocoder):
    mel = torch.randn(2, 80, 130, generator=torch.Generator().manual_seed(1))
    whole = vocoder(mel)
    for chunk in (17, 60, 101):
        parts = HifiGan(read_weights(path), chunk=chunk)(mel)
        torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [V1, V3])
def test_the_margin_is_what_a_frame_is_heard_in(tmp_path, config):
    network, _ = random_file(tmp_path / "g", config)
    with torch.no_grad():
        heard = reach(network, 80, 61, 256)
    assert config.margin - 2 <= heard <= config.margin


def test_the_memory_does_not_grow_with_the_mel(path):
    largest = largest_tensors(HifiGan(read_weights(path), chunk=20), 80, (100, 400))
    sound = 4 * 400 * 256
    assert largest[1] <= max(largest[0], sound)
    assert largest[0] < 2**20


def test_no_frames_and_no_clips(vocoder):
    assert vocoder(torch.zeros(2, 80, 0)).shape == (2, 0)
    assert vocoder(torch.zeros(0, 80, 3)).shape == (0, 3 * 256)
    assert vocoder(torch.zeros(1, 80, 1)).shape == (1, 256)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"upsample_rates": [8, 8, 2]}, "differ in number"),
        ({"upsample_rates": [8, 8, 2, 2], "upsample_initial_channel": 10**9}, "not a size"),
        ({"upsample_rates": [8, 8, 2, 2], "upsample_initial_channel": 2**16}, "numbers, not"),
        ({"upsample_rates": [8, 8, 2, 2], "resblock": "3"}, "resblock is 3"),
        ({"upsample_rates": [8, 8, 2, 2.5]}, "2.5 is not a size"),
        ({"upsample_rates": [8, 8, 2, 3]}, "a kernel of 4 for 3"),
        ({"upsample_rates": {}}, "not understood"),
        ({"upsample_rates": [8, 8, 2, 2], "resblock_dilation_sizes": [[1], [1], 1]}, "understood"),
        ({"upsample_rates": [8, 8, 2, 2], "fmax": 10**6}, "f_max"),
        ({"upsample_rates": [8, 8, 2, 2], "sampling_rate": "fast"}, "not understood"),
    ],
)
def test_a_config_that_cannot_be_is_refused(tmp_path, change, said):
    path = save(tmp_path / "g", STATE)
    (tmp_path / "config.json").write_text(json.dumps(change))
    with pytest.raises(VocoderError, match=said) as error:
        HifiGan(read_weights(path))
    assert str(path) in str(error.value)


def test_a_config_that_is_no_json_is_refused(tmp_path):
    path = save(tmp_path / "g", STATE)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(VocoderError, match=r"Cannot read .*config\.json"):
        HifiGan(read_weights(path))


def test_unknown_dilations_are_asked_for(tmp_path):
    config = HifiGanConfig("2", (4, 4), (8, 8), 8, (9,), ((1, 7),))
    _, path = random_file(tmp_path / "g", config)
    with pytest.raises(VocoderError, match=r"dilations cannot be inferred.*config\.json"):
        HifiGan(read_weights(path))


NESTED = "[" * 900 + "]" * 900
SETTINGS = {"upsample_rates": [8, 8, 2, 2]}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sampling_rate", '"22050"', 'its sampling_rate is the text "22050", not a whole number.'),
        ("sampling_rate", "true", "its sampling_rate is True, not a whole number."),
        ("sampling_rate", "22050.5", "not a whole number"),
        ("sampling_rate", "null", "its sampling_rate is None, not a whole number."),
        ("sampling_rate", "1" + "0" * 600, "it can be at most 400000"),
        ("sampling_rate", "-22050", "must be above 0"),
        ("n_fft", "1" + "0" * 600, "n_fft is 1000"),
        ("n_fft", "1000000000", "it can be at most 16384"),
        ("win_size", "0", "win_length is 0; it must be above 0."),
        ("fmax", "NaN", "must satisfy"),
        ("fmax", "Infinity", "must satisfy"),
        ("fmax", "1e999", "must satisfy"),
        ("fmax", "1" + "0" * 600, "must satisfy"),
        ("fmax", '"8000"', 'its fmax is the text "8000", not a number.'),
        ("fmin", "null", "its fmin is None, not a number."),
        ("fmin", NESTED, "its fmin is "),
        ("upsample_rates", NESTED, "differ in number"),
        ("upsample_rates", f"[8, 8, 2, {NESTED}]", "not a size"),
        ("upsample_rates", "[8, 8, 2, true]", "True is not a size"),
        ("upsample_rates", f"[8, 8, 2, 1{'0' * 600}]", "is not a size"),
        ("resblock_dilation_sizes", NESTED, "differ in number|not a size"),
        ("resblock_dilation_sizes", f"[{NESTED}, [1], [1]]", "not a size|infer"),
        ("resblock", NESTED, "resblock is "),
        ("upsample_rates", "[8, 8, 2, " + "1" * 5000 + "]", "Cannot read .* not JSON"),
        ("upsample_rates", "[" * 100_000 + "]" * 100_000, "Cannot read .*nested too deep"),
        ("fmin", '"\\u001b[2J\\u202e"', "x1b"),
    ],
)
def test_numbers_that_are_none_are_one_sentence(tmp_path, name, value, said):
    path = save(tmp_path / "g", STATE)
    others = {key: held for key, held in SETTINGS.items() if key != name}
    text = json.dumps(others).removesuffix("}") + (", " if others else "") + f'"{name}": {value}}}'
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(VocoderError, match=said) as error:
        HifiGan(read_weights(path))
    assert len(str(error.value)) < 500 and str(error.value).isprintable()


@pytest.mark.parametrize(
    ("settings", "f_max"),
    [
        ({"fmax": None}, 11025.0),
        ({"fmax": None, "sampling_rate": 16_000}, 8000.0),
        ({"fmax": None, "sampling_rate": 44_100}, 22_050.0),
        ({}, 8000.0),
        ({"fmax": 7600}, 7600.0),
    ],
)
def test_an_edge_of_null_is_half_the_sample_rate(tmp_path, settings, f_max):
    path = save(tmp_path / "g", STATE)
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS | settings))
    assert HifiGan(read_weights(path)).audio.f_max == f_max


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_config_that_is_a_link_is_followed_inside_and_within_a_cache(tmp_path):
    for name in ("voice", "cache", "cache/blobs"):
        (tmp_path / name).mkdir()
    path = save(tmp_path / "voice" / "g", STATE)
    (tmp_path / "outside.json").write_text(json.dumps(SETTINGS | {"fmax": 7600}))
    (tmp_path / "voice" / "config.json").symlink_to("../outside.json")
    with pytest.raises(VocoderError, match="config.json is a link that leads out of the folder"):
        HifiGan(read_weights(path))
    path.rename(tmp_path / "cache" / "blobs" / "1")  # as in the cache of a hub
    (tmp_path / "outside.json").rename(tmp_path / "cache" / "blobs" / "2")
    for name, blob in (("g", "1"), ("config.json", "2")):
        (tmp_path / "cache" / name).symlink_to(f"blobs/{blob}")
        (tmp_path / "voice" / name).unlink(missing_ok=True)
        (tmp_path / "voice" / name).symlink_to(f"../cache/blobs/{blob}")
    for folder in ("cache", "voice"):
        assert HifiGan(read_weights(tmp_path / folder / "g")).audio.f_max == 7600


# Padding to few lengths


@pytest.mark.parametrize("n_frames", [1, 2, 31, 32, 33, 64, 70])
@pytest.mark.parametrize("config", [V1, V3], ids=["V1", "V3"])
def test_padding_is_not_heard_up_to_the_very_end(tmp_path, config, n_frames):
    network, path = random_file(tmp_path / "g", config)
    mel = torch.randn(2, 80, n_frames) - 4
    with torch.no_grad():
        plain = network(mel)
    torch.testing.assert_close(HifiGan(read_weights(path))(mel), plain, rtol=0, atol=1e-6)


def test_many_lengths_are_few_for_the_processor(path):
    """oneDNN keeps memory for each shape that it has met."""
    vocoder, met = HifiGan(read_weights(path)), set()
    network = vocoder._network

    def watched(mel, n_frames):
        met.add(mel.shape[-1])
        return network(mel, n_frames=n_frames)

    vocoder._network = watched
    for n_frames in range(5, 905, 30):
        assert vocoder(torch.zeros(1, 80, n_frames)).shape == (1, n_frames * 256)
    assert met <= {64, 128, 192, 256}  # long ones in chunks
