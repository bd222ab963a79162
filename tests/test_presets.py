import pytest

from ponytaco.config import Config, ConfigError, describe
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import PRESETS, preset, preset_of
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
