import dataclasses
import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.config import (
    AudioConfig,
    Config,
    ConfigError,
    ModelConfig,
    TrainConfig,
    describe,
    parse_recipe,
    parse_settings,
    section_of,
)
from ponytaco.hparams import ELSEWHERE, RENAMED
from ponytaco.presets import PRESETS, preset

SECTIONS = {"audio": AudioConfig, "model": ModelConfig, "train": TrainConfig}


def message_of(function, *args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_the_audio_is_nvidias():
    audio = AudioConfig()
    assert (audio.sample_rate, audio.n_fft, audio.hop_length, audio.win_length) == (
        22_050,
        1024,
        256,
        1024,
    )
    assert (audio.n_mels, audio.f_min, audio.f_max) == (80, 0.0, 8000.0)


@pytest.mark.parametrize("name", PRESETS)
def test_json_there_and_back(name):
    config = preset(name).replace(cleaner="basic", mmi=False, f_min=50.5, seed=7)
    assert Config.from_json(config.to_json()) == config
    assert Config.from_dict(config.to_dict()) == config


def test_json_is_plain_and_in_sections():
    sections = json.loads(Config().to_json())
    assert list(sections) == ["audio", "model", "train"]
    assert sections["train"]["batch_size"] == 32
    assert sections["train"]["mmi"] is True


def test_what_json_lacks_takes_its_default():
    assert Config.from_json('{"train": {"batch_size": 5}}') == Config().replace(batch_size=5)
    assert Config.from_json("{}") == Config()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "The settings are not JSON"),
        ("[]", "not a table"),
        ('{"sound": {}}', "Unknown section 'sound'. There are: audio, model, train."),
        (
            '{"audio": {"batch_size": 3}}',
            "'audio' has no setting 'batch_size'; it is one of 'train'.",
        ),
        ('{"train": {"bach_size": 3}}', "Did you mean batch_size"),
        ('{"train": {"batch_size": null}}', "batch_size cannot be 'None'"),
        ('{"train": {"batch_size": [3]}}', "batch_size cannot be '[3]'"),
        ('{"train": {"learning_rate": NaN}}', "learning_rate cannot be 'nan'"),
        ('{"train": {"batch_size": 0}}', "batch_size is 0"),
    ],
)
def test_wrong_json_is_refused(text, expected):
    assert expected in message_of(Config.from_json, text)


def test_a_section_that_is_no_table_is_not_called_unknown():
    message = message_of(Config.from_json, '{"audio": 3}')
    assert "audio" in message
    assert "Unknown" not in message


def test_replace_finds_each_setting_in_its_section():
    config = Config().replace(hop_length=200, prenet_dim=100, batch_size=4)
    assert (config.audio.hop_length, config.model.prenet_dim, config.train.batch_size) == (
        200,
        100,
        4,
    )
    assert Config().audio.hop_length == 256
    assert Config().replace() == Config()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("batch_size", "12", 12),
        ("batch_size", " 12 ", 12),
        ("batch_size", 12.0, 12),
        ("max_steps", "2e4", 20_000),
        ("learning_rate", "2e-3", 2e-3),
        ("learning_rate", "1", 1.0),
        ("f_max", 7000, 7000.0),
        ("mmi", "False", False),
        ("mmi", "no", False),
        ("mmi", "off", False),
        ("mmi", "0", False),
        ("mmi", "TRUE", True),
        ("mmi", "yes", True),
        ("mmi", "1", True),
        ("mmi", False, False),
        ("head", "plain", "plain"),
        ("device", "cuda:1", "cuda:1"),
    ],
)
def test_text_is_read_as_the_settings_type(name, text, value):
    config = Config().replace(**{name: text})
    read = getattr(getattr(config, section_of(name)), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("seed", [2**53 + 1, str(2**53 + 1)])
def test_whole_numbers_stay_exact(seed):
    assert Config().replace(seed=seed).train.seed == 2**53 + 1


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("batch_size", "many", "a whole number"),
        ("batch_size", "1.5", "a whole number"),
        ("batch_size", "", "a whole number"),
        ("batch_size", "inf", "a whole number below 2^63"),
        ("seed", "1e30", "a whole number below 2^63"),
        ("seed", str(2**63), "a whole number below 2^63"),
        ("batch_size", "nan", "a whole number"),
        ("batch_size", True, "a whole number"),
        ("batch_size", None, "a whole number"),
        ("learning_rate", "fast", "a number"),
        ("learning_rate", "nan", "a number"),
        ("learning_rate", "inf", "a number"),
        ("learning_rate", True, "a number"),
        ("mmi", "maybe", "true or false"),
        ("mmi", 2, "true or false"),
        ("mmi", None, "true or false"),
        ("head", 1, "text"),
        ("device", None, "text"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, value, wanted):
    message = message_of(Config().replace, **{name: value})
    assert message == f"{name} cannot be '{value}': it must be {wanted}."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("bach_size", "batch_size"),
        ("learning_rat", "learning_rate"),
        ("hop_lenght", "hop_length"),
        ("n_frame_per_step", "n_frames_per_step"),
    ],
)
def test_an_unknown_name_suggests_the_one_that_was_meant(name, meant):
    message = message_of(Config().replace, **{name: 1})
    assert f"There is no setting '{name}'" in message
    assert meant in message.split("Did you mean")[1]


def test_a_name_that_is_like_no_other_says_where_they_are_listed():
    message = message_of(Config().replace, zzzzzz=1)
    assert message == "There is no setting 'zzzzzz'. ponytaco train --help lists them all."


def test_a_part_of_a_name_is_answered_with_those_that_have_it():
    message = message_of(Config().replace, postnet=1)
    assert message.endswith("?") and "postnet_kernel_size" in message
    assert message.count(",") <= 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"win_length": 2048}, "win_length 2048 is larger than n_fft 1024"),
        ({"f_min": 9000}, "f_min"),
        ({"f_max": 12_000}, "f_max"),
        ({"f_min": -1}, "f_min"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"hop_length": 0}, "hop_length"),
        ({"n_mels": -80}, "n_mels"),
        ({"head": "two"}, "head is 'two'; it can be 'mmi' or 'plain'."),
        ({"encoder_embedding_dim": 33}, "encoder_embedding_dim 33 must be even"),
        ({"encoder_kernel_size": 4}, "encoder_kernel_size 4 must be odd"),
        ({"attention_location_kernel_size": 30}, "attention_location_kernel_size 30"),
        ({"postnet_kernel_size": 2}, "postnet_kernel_size 2"),
        ({"postnet_n_convolutions": 1}, "postnet_n_convolutions"),
        ({"n_frames_per_step": 0}, "n_frames_per_step"),
        ({"prenet_dim": 0}, "prenet_dim"),
        ({"encoder_n_convolutions": 0}, "encoder_n_convolutions"),
        ({"p_prenet_dropout": 1.1}, "p_prenet_dropout"),
        ({"p_ctc_dropout": -0.1}, "p_ctc_dropout"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"decay_steps": 0}, "decay_steps"),
        ({"max_steps": -1}, "max_steps"),
        ({"validate_every": 0}, "validate_every"),
        ({"gate_weight": 0}, "gate_weight"),
        ({"gaf_every": 0}, "gaf_every"),
        ({"teacher_forcing_window": 0}, "teacher_forcing_window"),
        ({"max_grad_norm": 0}, "max_grad_norm"),
        ({"save_every_minutes": 0}, "save_every_minutes"),
        ({"drop_frame_rate": 1.5}, "drop_frame_rate"),
        ({"p_teacher_forcing": -0.5}, "p_teacher_forcing"),
        ({"p_arpabet": 2}, "p_arpabet"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"max_gaf": -1}, "max_gaf"),
        ({"guidance_fade_steps": -1}, "guidance_fade_steps"),
        ({"teacher_forcing_fade_steps": -1}, "teacher_forcing_fade_steps"),
        ({"reduce_frames_after": -1}, "reduce_frames_after"),
        ({"reduce_frames_to": "2,one"}, "reduce_frames_to cannot be '2,one'"),
        ({"reduce_frames_to": "2,"}, "reduce_frames_to cannot be '2,'"),
        ({"n_frames_per_step": 5, "reduce_frames_to": "2,2"}, "reduce_frames_to cannot be '2,2'"),
        ({"n_frames_per_step": 5, "reduce_frames_to": "1,2"}, "reduce_frames_to cannot be '1,2'"),
        ({"n_frames_per_step": 5, "reduce_frames_to": "2,0"}, "reduce_frames_to cannot be '2,0'"),
        ({"n_frames_per_step": 5, "reduce_frames_to": "2,-1"}, "reduce_frames_to cannot be '2,-1'"),
        ({"n_frames_per_step": 5, "reduce_frames_to": "9" * 9999}, "reduce_frames_to cannot be"),
        ({"n_frames_per_step": 2, "reduce_frames_to": "2,1"}, "below n_frames_per_step 2"),
        ({"reduce_frames_to": "1"}, "below n_frames_per_step 1"),
        ({"max_clip_seconds": -1}, "max_clip_seconds"),
        ({"loader_workers": -1}, "loader_workers"),
        ({"cleaner": "englsh"}, "cleaner"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, expected):
    assert expected in message_of(Config().replace, **changes)


@pytest.mark.parametrize(
    "name",
    [
        "warmup_steps", "max_gaf", "guidance_weight", "guidance_fade_steps", "attention_forcing",
        "arpabet_first_steps", "teacher_forcing_fade_steps", "reduce_frames_after",
        "max_clip_seconds", "drop_frame_rate", "p_arpabet", "p_teacher_forcing", "weight_decay",
    ],
)  # fmt: skip
def test_zero_is_allowed_where_it_switches_something_off(name):
    assert getattr(Config().replace(**{name: 0}).train, name) == 0


def test_settings_that_only_fit_together_can_be_changed_together():
    assert Config().replace(n_fft=2048, win_length=2048).audio.win_length == 2048
    sections = Config().replace(n_fft=2048, win_length=2048).to_dict()
    assert Config.from_dict(sections).audio.n_fft == 2048


def test_sections_may_come_in_any_order():
    sections = preset("gradual").to_dict()
    reversed_sections = dict(reversed(sections.items()))
    assert Config.from_dict(reversed_sections) == preset("gradual")


def test_the_settings_of_a_run_that_has_come_to_fewer_frames():
    config = Config().replace(n_frames_per_step=7, reduce_frames_to=" 3, 2,1 ", batch_size=5)
    assert config.frames_per_step == (7, 3, 2, 1)
    assert config.reduced_to(7) == config
    assert config.reduced_to(2) == config.replace(n_frames_per_step=2, reduce_frames_to="1")
    assert config.reduced_to(2).reduced_to(1) == config.reduced_to(1)
    assert config.reduced_to(1).frames_per_step == (1,)


def test_no_setting_is_in_two_sections():
    names = [f.name for kind in SECTIONS.values() for f in dataclasses.fields(kind)]
    assert len(names) == len(set(names))
    assert not set(names) & set(SECTIONS)
    for section, kind in SECTIONS.items():
        assert {section_of(f.name) for f in dataclasses.fields(kind)} == {section}


def test_every_setting_is_described():
    described = describe()
    assert [name for name, *_ in described] == [
        f.name for kind in SECTIONS.values() for f in dataclasses.fields(kind)
    ]
    for name, kind, default, doc in described:
        assert doc.strip().endswith((".", "…")), name
        assert kind in ("int", "float", "bool", "str"), name
        assert type(default).__name__ == kind, name


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().train.batch_size = 3
    with pytest.raises(TypeError):
        PRESETS["mine"] = {}


def test_words_are_read_as_settings():
    assert parse_settings(["batch_size=3", " cleaner = basic", "device=a=b"]) == {
        "batch_size": "3",
        "cleaner": "basic",
        "device": "a=b",
    }
    assert "'batch_size'" in message_of(parse_settings, ["batch_size"])


def test_a_recipe_has_sections_and_names_alone():
    text = """
preset = "small"
batch_size = 8
model.p_ctc_dropout = 0.25  # the same as below [model]
[train]
learning_rate = 5e-4
mmi = false
"""
    assert parse_recipe(text) == {
        "preset": "small",
        "batch_size": 8,
        "p_ctc_dropout": 0.25,
        "learning_rate": 5e-4,
        "mmi": False,
    }
    assert parse_recipe("") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("batch_size", "The recipe is not TOML: "),
        ("seed = " + "9" * 5000, "The recipe is not TOML: a number in it has thousands of digits."),
        (
            "a = " + "[" * 100_000,
            "The recipe is not TOML: its lists or tables are nested too deep.",
        ),
        ("seed = 1\nseed = 2", "The recipe is not TOML: "),
        ("bach_size = 3", "There is no setting 'bach_size'. Did you mean batch_size"),
        ("[train]\nbach_size = 3", "There is no setting 'bach_size'. Did you mean batch_size"),
        ("[training]\nseed = 3", "Unknown section 'training'. There are: audio, model, train."),
        ("[model]\nbatch_size = 3", "'model' has no setting 'batch_size'; it is one of 'train'."),
        ("seed = 3\n[train]\nseed = 3", "seed is set twice: inside a section and outside."),
        ("train = 3", "Section 'train' is not a table of settings."),
        ('[train]\npreset = "small"', "Write preset above [train], not below it."),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(text, expected):
    assert message_of(parse_recipe, text).startswith(expected)


@settings(max_examples=50, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-12, max_value=1e12))
def test_any_float_survives_json_and_text(rate):
    config = Config().replace(learning_rate=repr(rate))
    assert math.isclose(config.train.learning_rate, rate, rel_tol=0)
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "-1", "seed is -1; it cannot be negative"),
        (
            "seed",
            str(2**63),
            "seed cannot be '9223372036854775808': it must be a whole number below",
        ),
        ("seed", "1e30", "a whole number below"),
        ("seed", "9" * 5000, "a whole number below"),
        ("gate_weight", "1e300", "gate_weight cannot be '1e300': it must be a number below 1e38"),
        ("max_gaf", 1e39, "a number below 1e38"),
        ("loader_workers", 1_000_000, "it can be at most 256"),
        ("reduce_frames_to", "9" * 4000, r"^.{,200}$"),
    ],
)
def test_numbers_beyond_use_are_refused_in_a_sentence(name, value, message):
    with pytest.raises(ConfigError, match=message):
        Config().replace(**{name: value})


@pytest.mark.parametrize("seed", ["0", str(2**63 - 1), "1e18"])
def test_any_other_seed_is_usable(seed):
    from ponytaco.data.sampler import BucketSampler
    from ponytaco.training.rng import seed_rank

    value = Config().replace(seed=seed).train.seed
    assert BucketSampler([5, 6], 2, value, 0.5).remaining()
    seed_rank(value, 1, 10)


# The names of other programs

BFS18 = [
    "epochs", "iters_per_checkpoint", "seed", "dynamic_loss_scaling", "fp16_run",
    "distributed_run", "dist_backend", "dist_url", "cudnn_enabled", "cudnn_benchmark",
    "ignore_layers", "load_mel_from_disk", "training_files", "validation_files", "text_cleaners",
    "max_wav_value", "sampling_rate", "filter_length", "hop_length", "win_length",
    "n_mel_channels", "mel_fmin", "mel_fmax", "n_symbols", "symbols_embedding_dim",
    "encoder_kernel_size", "encoder_n_convolutions", "encoder_embedding_dim", "n_frames_per_step",
    "decoder_rnn_dim", "prenet_dim", "max_decoder_steps", "gate_threshold", "p_attention_dropout",
    "p_decoder_dropout", "attention_rnn_dim", "attention_dim", "attention_location_n_filters",
    "attention_location_kernel_size", "postnet_embedding_dim", "postnet_kernel_size",
    "postnet_n_convolutions", "use_saved_learning_rate", "learning_rate", "weight_decay",
    "grad_clip_thresh", "batch_size", "mask_padding", "drop_frame_rate", "use_mmi", "use_gaf",
    "max_gaf", "global_mean_npy",
]  # fmt: skip
"""Every name in bfs18's hparams.py, which has NVIDIA's among them."""


@pytest.mark.parametrize("name", BFS18)
def test_every_hparam_of_the_ancestors_is_ours_or_gets_a_pointer(name):
    known = {setting for setting, *_ in describe()}
    if name in known:
        return
    for refuse in (
        lambda: Config().replace(**{name: 1}),
        lambda: Config.from_dict({"train": {name: 1}}),
        lambda: parse_recipe(f"{name} = 1"),
        lambda: parse_recipe(f"[audio]\n{name} = 1"),
    ):
        message = message_of(refuse)
        assert message.startswith(f"There is no setting '{name}'. {name} ")
        assert "Did you mean" not in message and message.endswith(".")
        assert message.count(".") >= 2


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("filter_length", "n_fft"),
        ("grad_clip_thresh", "max_grad_norm"),
        ("use_gaf", "mmi_weight=1"),
        ("epochs", "max_steps"),
        ("fp16_run", "precision"),
        ("iters_per_checkpoint", "validate_every"),
        ("gate_threshold", "speak --gate-threshold"),
        ("max_decoder_steps", "speak --max-seconds"),
        ("global_mean_npy", "computed from the data set"),
        ("text_cleaners", "cleaner"),
        ("ignore_layers", "by their sign"),
        ("num_mels", "n_mels"),
        ("Sampling_Rate", "sample_rate"),
    ],
)
def test_a_pointer_names_what_there_is_here(name, there):
    assert there in message_of(section_of, name)


def test_every_pointer_leads_to_a_setting_that_exists():
    known = {setting for setting, *_ in describe()}
    assert set(RENAMED.values()) <= known
    assert not known & {*RENAMED, *ELSEWHERE}
    for clause in ELSEWHERE.values():
        for name in re.findall(r"(?:set|see|with) (\w+_\w+)", clause):
            assert name in known, clause


def test_a_constant_weight_of_the_mmi_loss_is_not_negative():
    assert Config().train.mmi_weight == 0
    assert "cannot be negative" in message_of(Config().replace, mmi_weight=-1)


# Values beyond use


def nested(depth=900):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


ODD_VALUES = [10**600, -(10**600), 1 << 20_000, float("nan"), float("inf"), True, nested(), {}]


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", ["hop_length", "f_max", "sample_rate", "batch_size", "device"])
def test_no_value_is_more_than_one_sentence(name, value):
    with pytest.raises(ConfigError) as error:
        Config().replace(**{name: value})
    assert name in str(error.value) and len(str(error.value)) < 200


def test_lists_nested_deep_are_refused_also_where_true_or_false_is_wanted():
    for depth in (900, 100_000):
        with pytest.raises(ConfigError, match="mmi cannot be '"):
            Config().replace(mmi=nested(depth))


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("hop_length", 2**14), ("win_length", 2**14), ("n_fft", 2**14), ("sample_rate", 400_000),
        ("n_mels", 1024),
    ],
)  # fmt: skip
def test_settings_of_audio_have_limits(name, limit):
    """Windows, filters and frames of these sizes are allocated later."""
    with pytest.raises(ConfigError, match=f"{name} is .*; it can be at most {limit}"):
        Config().replace(**{name: limit + 1})
    with pytest.raises(ConfigError, match=f"at most {limit}"):
        AudioConfig(**{name: 10**600})
    many = {"n_fft": 2**14, "sample_rate": 400_000}
    assert getattr(Config().replace(**{**many, name: limit}).audio, name) == limit


@pytest.mark.parametrize("value", ["10**600", "1" + "0" * 600, "1e600", "1" * 5000, "nan", "-0.5"])
def test_settings_from_the_command_line_are_refused_in_a_sentence(value):
    with pytest.raises(ConfigError, match="hop_length cannot be"):
        Config().replace(**parse_settings([f"hop_length={value}"]))


def test_settings_of_a_file_steer_nothing():
    with pytest.raises(ConfigError) as error:
        Config.from_json('{"train": {"\\u001b[2J\\nDone.": 1}}')
    assert str(error.value).isprintable()
