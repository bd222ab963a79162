import os

import pytest
from support.waiting import within

from ponytaco.config import Config, ConfigError, describe
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import PRESETS, preset, preset_of, read_config
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS


def n_parameters(config):
    model = Tacotron2(config.model, len(SYMBOLS), config.audio.n_mels, len(CTC_SYMBOLS))
    return sum(parameter.numel() for parameter in model.parameters())


def test_presets_change_what_they_name_and_nothing_else():
    defaults = {name: default for name, _, default, _ in describe()}
    assert preset("full") == Config()
    for name, changes in PRESETS.items():
        ours = {k: v for s in preset(name).to_dict().values() for k, v in s.items()}
        assert ours == {**defaults, **changes}


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        preset("huge")
    assert str(caught.value) == (
        "There is no preset 'huge'. There are: full, warm, gradual, small, tiny."
    )


def test_the_full_model_has_the_published_size():
    n = n_parameters(preset("full"))
    print(f"the full model has {n:,} parameters")
    assert 28e6 < n < 34e6


def test_the_presets_go_from_large_to_small():
    assert n_parameters(preset("small")) > 10 * n_parameters(preset("tiny"))
    assert n_parameters(preset("small")) < 5e6


def test_a_model_is_known_whatever_its_run_has_come_to():
    gradual = preset("gradual")
    assert gradual.frames_per_step == (7, 2, 1)
    assert preset_of(gradual.model) == preset_of(gradual.reduced_to(2).model) == "gradual"
    assert gradual.reduced_to(1).model == preset("full").model
    assert preset_of(gradual.replace(n_frames_per_step=3).model) is None


def recipe(tmp_path, text):
    path = tmp_path / "quiet.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_recipe_changes_its_preset(tmp_path):
    path = recipe(tmp_path, 'preset = "small"\n[train]\nbatch_size = 8\n')
    assert read_config(path) == preset("small").replace(batch_size=8)
    assert read_config(path, "tiny") == preset("tiny").replace(batch_size=8)


def test_a_recipe_without_a_preset_changes_the_default(tmp_path):
    assert read_config(recipe(tmp_path, "batch_size = 8")) == Config().replace(batch_size=8)
    assert read_config(recipe(tmp_path, b"\xef\xbb\xbfseed = 8")) == Config().replace(seed=8)
    assert read_config(recipe(tmp_path, "")) == Config()


def test_a_runs_settings_are_read_from_its_folder(tmp_path):
    config = preset("gradual").replace(seed=7, cleaner="basic", device="cpu")
    (tmp_path / "config.json").write_text(config.to_json())
    assert read_config(tmp_path) == read_config(tmp_path / "config.json") == config
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path, "small")
    assert str(caught.value) == (
        f"{tmp_path / 'config.json'}: a run's settings are complete, so --preset small would "
        "change nothing. Leave out one of them."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[train]\nbatch_size = "many"', "batch_size cannot be 'many': it must be a whole number."),
        ("learning_rate = nan", "learning_rate cannot be 'nan': it must be a number."),
        ("device = 1", "device cannot be '1': it must be text."),
        ("seed = 1979-05-27", "seed cannot be '1979-05-27': it must be a whole number."),
        ("seed = 0x" + "f" * 9999, "seed cannot be '0x…': it must be a whole number below 2^63."),
        ("batch_size = 0", "batch_size is 0; it must be above 0."),
        ("bach_size = 3", "There is no setting 'bach_size'. Did you mean batch_size"),
        ('preset = "huge"', "There is no preset 'huge'. There are: full,"),
        ("preset = [1]", "There is no preset '[1]'. There are: full,"),
        ("{", "The settings are not JSON"),
        ('{"train": {"bach_size": 3}}', "There is no setting 'bach_size'. Did you mean"),
        (
            b"PK\x03\x04\xff\xfe",
            "not text in UTF-8. Give a run's config.json, or a recipe in TOML.",
        ),
        (b"#" * 2**21, "too large for settings."),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, expected):
    path = recipe(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    for path, missing in ((tmp_path / "no.toml",) * 2, (tmp_path, tmp_path / "config.json")):
        with pytest.raises(ConfigError) as caught:
            read_config(path)
        assert str(caught.value) == (
            f"{missing}: cannot be read (No such file or directory). Check the name."
        )


def test_a_config_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    for path in (tmp_path, tmp_path / "config.json"):
        with within(5), pytest.raises(ConfigError, match="not a file"):
            read_config(path)
