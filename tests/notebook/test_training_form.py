import shutil
import sys
import types

import pytest

from ponytaco.checkpoint.format import load_checkpoint, save_checkpoint
from ponytaco.config import ConfigError
from ponytaco.device import choose_device
from ponytaco.errors import PonytacoError
from ponytaco.notebook import training_form
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.training_form import (
    NVIDIA,
    OLDER_RUN,
    TrainingSettings,
    training_settings,
    wants_style_signs,
)
from ponytaco.presets import preset
from ponytaco.text.symbols import STYLE_SIGNS


@pytest.fixture
def storage(tmp_path):
    return Storage(root=tmp_path / "root", disk=tmp_path / "disk")


@pytest.fixture
def run_of_zecora(storage, trained_run):
    shutil.copytree(trained_run.run.folder, storage.run("Zecora").folder)
    return storage.run("Zecora")


def test_auto_takes_the_machines_preset(storage):
    small = TrainingSettings().config_for(storage.run("new"))
    expected = "full" if choose_device("auto").type == "cuda" else "small"
    assert small.model == preset(expected).model


def test_the_forms_values_count(storage):
    form = TrainingSettings("tiny", "4", "1e-4", 3, mmi=False, mixed_precision=False)
    config = form.config_for(storage.run("new"), "77")
    train = config.train
    assert (train.batch_size, train.learning_rate, train.max_steps) == (4, 1e-4, 77)
    assert (train.save_every_minutes, train.mmi, train.precision) == (3, False, "float32")


def test_a_resumed_run_keeps_its_own_settings(run_of_zecora, trained_run):
    config = TrainingSettings().config_for(run_of_zecora)
    assert config.model == trained_run.config.model
    assert config.train.batch_size == trained_run.config.train.batch_size
    assert TrainingSettings(batch_size="8").config_for(run_of_zecora).train.batch_size == 8


def test_a_fresh_form_changes_nothing_about_a_resumed_run(run_of_zecora):
    began = TrainingSettings(
        save_every_minutes=3, mmi="off", mixed_precision=False, learning_rate="5e-4"
    ).config_for(run_of_zecora)
    assert (began.train.mmi, began.train.precision) == (False, "float32")
    run_of_zecora.config.write_text(began.to_json())
    assert TrainingSettings().config_for(run_of_zecora) == began
    chosen = TrainingSettings(mixed_precision="on", mmi="on").config_for(run_of_zecora)
    assert (chosen.train.mmi, chosen.train.precision) == (True, "auto")


@pytest.mark.parametrize(
    ("content", "reason"),
    [('{"train": {"colour": 1}}', "There is no setting 'colour'"), ("{", "not JSON"),
     ("", "not JSON"), (None, "No such file")],
)  # fmt: skip
def test_settings_that_cannot_be_read_are_taken_from_the_save(
    run_of_zecora, trained_run, capsys, content, reason
):
    run_of_zecora.config.unlink()
    if content is not None:
        run_of_zecora.config.write_text(content)
    assert TrainingSettings().config_for(run_of_zecora) == trained_run.config
    printed = capsys.readouterr().out
    assert printed.startswith(f"{run_of_zecora.config} cannot be used (") and reason in printed
    for path in (*run_of_zecora.saves.iterdir(), *run_of_zecora.models()):
        path.write_bytes(b"broken")
    with pytest.raises(ConfigError, match=r"config\.json cannot be used"):
        TrainingSettings().config_for(run_of_zecora)


def test_settings_saved_with_a_byte_order_mark_are_read(run_of_zecora, trained_run, capsys):
    run_of_zecora.config.write_text(trained_run.config.to_json(), encoding="utf-8-sig")
    assert TrainingSettings().config_for(run_of_zecora) == trained_run.config
    assert not capsys.readouterr().out


@pytest.mark.parametrize("signs", [True, False])
def test_style_signs_are_as_the_voice_began(run_of_zecora, storage, signs):
    saved = load_checkpoint(run_of_zecora.current_model)
    saved.seen_symbols = [*saved.seen_symbols, STYLE_SIGNS["Happy"]] if signs else ["a", "b"]
    save_checkpoint(run_of_zecora.current_model, saved)
    assert wants_style_signs("auto", run_of_zecora) == signs
    assert wants_style_signs("on", run_of_zecora) and not wants_style_signs(False, run_of_zecora)
    assert not wants_style_signs("auto", storage.run("new"))
    run_of_zecora.current_model.write_bytes(b"broken")
    assert not wants_style_signs("auto", run_of_zecora)  # the best was prepared without
    run_of_zecora.best_model.write_bytes(b"broken")
    assert not wants_style_signs("auto", run_of_zecora)
    with pytest.raises(ConfigError, match="style_signs cannot be 'perhaps'"):
        wants_style_signs("perhaps", run_of_zecora)


def test_a_wrong_value_is_refused(storage):
    with pytest.raises(ConfigError, match="batch_size"):
        TrainingSettings(batch_size="many").config_for(storage.run("new"))


@pytest.mark.parametrize(
    ("fields", "setting", "value"),
    [({"learning_rate": "0,001"}, "learning_rate", 0.001),
     ({"learning_rate": "5e-4"}, "learning_rate", 5e-4),
     ({"save_every_minutes": "2,5"}, "save_every_minutes", 2.5),
     ({"batch_size": " 16 "}, "batch_size", 16),
     ({"learning_rate": "１e-3"}, "learning_rate", 0.001),
     ({"learning_rate": "0，001"}, "learning_rate", 0.001),
     ({"learning_rate": "1e−3"}, "learning_rate", 0.001),
     ({"learning_rate": "'1e-3' "}, "learning_rate", 0.001),
     ({"batch_size": "１６"}, "batch_size", 16),
     ({"batch_size": "16.0"}, "batch_size", 16),
     ({"batch_size": None}, "batch_size", 16),
     ({"learning_rate": ""}, "learning_rate", 3e-3),
     ({"save_every_minutes": " AUTO "}, "save_every_minutes", 5)],
)  # fmt: skip
def test_numbers_are_understood_as_people_write_them(storage, fields, setting, value):
    config = TrainingSettings(**fields).config_for(storage.run("new"))
    assert getattr(config.train, setting) == value


@pytest.mark.parametrize(
    "text",
    [
        "20,000",
        "20.000",
        "20 000",
        "20'000",
        "20\u202f000",
        "2e4",
        "２０，０００",
        "'20000'",
        20000,
    ],
)
def test_a_number_of_steps_may_be_grouped(storage, text):
    config = TrainingSettings().config_for(storage.run("new"), text)
    assert config.train.max_steps == 20_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [(("huge",), "There is no preset 'huge'"),
     (("auto", "many"), "batch_size cannot be 'many'"),
     (("auto", "1,5"), "batch_size cannot be '1,5'"),
     (("auto", "auto", "-1"), "learning_rate is -1"),
     (("auto", "auto", "0,0,1"), "learning_rate cannot be '0,0,1'"),
     (("auto", "auto", "auto", "0"), "save_minutes is 0"),
     (("auto", "auto", "auto", "-5"), "save_minutes is -5"),
     (("auto", "auto", "auto", "8h"), "save_minutes cannot be '8h'"),
     (("auto", "auto", "auto", "5 min"), "save_minutes cannot be '5 min'"),
     (("auto", "auto", "auto", "1e9"), "save_minutes is 1e[+]09; choose at most 600"),
     (("auto", "auto", "1000"), "learning_rate is 1000; choose at most 1"),
     (("auto", "auto", "5x10^-4"), "learning_rate cannot be '5x10"),
     (("auto", "99999999999"), "batch_size is 1e[+]11; choose at most 1024"),
     (("auto", "20k"), "batch_size cannot be '20k'"),
     (("auto", "-16"), "batch_size is -16"),
     (("auto", "auto", "auto", "auto", "perhaps"), "mmi cannot be 'perhaps'"),
     ((*["auto"] * 5, "maybe"), "mixed_precision cannot be 'maybe'"),
     ((*["auto"] * 6, "maybe"), "style_signs cannot be 'maybe'"),
     ((*["auto"] * 7, "Zecroa"), "'Zecroa' .*Did you mean Zecora.*Your voices: Zecora"),
     ((*["auto"] * 7, "older run"), "none at .*current_model"),
     ((*["auto"] * 7, "soundtools"), "none at .*soundtools"),
     ((*["auto"] * 7, "MyDrive/../.."), "no voice 'MyDrive/../..'"),
     ((*["auto"] * 7, "/"), "none at /[.]"),
     ((*["auto"] * 7, "https://example.org/voice.pt"), "no voice 'https"),
     ((*["auto"] * 7, "a\0b"), "no voice"),
     ((*["auto"] * 7, "x" * 5000), "no voice 'x{199}…'"),
     ((*["auto"] * 7, "notes.txt"), "none at .*notes.txt"),
     ((*["auto"] * 7, "soundtools/notes.voice"), "notes.voice cannot be used")],
)  # fmt: skip
def test_a_wrong_field_is_refused_where_it_is_filled_in(storage, run_of_zecora, fields, message):
    (storage.root / "soundtools").mkdir()
    (storage.root / "notes.txt").write_text("Hello.")
    (storage.root / "soundtools" / "notes.voice").touch()
    with pytest.raises(PonytacoError, match=message):
        training_settings(storage, *fields)


@pytest.mark.parametrize("name", ["none", "", None, "NVIDIA's voice", "nvidia’s voice",
                                  "NVIDIA", "Zecora", "zecora", "'Zecora'", "colab/Zecora",
                                  " None "])  # fmt: skip
def test_a_good_form_downloads_nothing(storage, run_of_zecora, monkeypatch, name):
    monkeypatch.setattr(training_form, "fetch", lambda *args: pytest.fail("downloaded"))
    settings = training_settings(storage, *["auto"] * 7, name)
    found = settings.find_own_warm_start(storage)
    assert (found is not None) == ("zecora" in str(name).lower())


@pytest.mark.parametrize("name", ["Small", " small", "'small'", "SMALL", "small\n"])
def test_a_preset_is_known_in_any_writing(storage, name):
    assert training_settings(storage, name).preset == "small"
    assert training_settings(storage, None).preset == training_settings(storage, " ").preset


def test_where_a_new_voice_starts(storage, monkeypatch):
    assert TrainingSettings().find_warm_start(storage) is None
    with pytest.raises(ConfigError, match="none at .*current_model"):
        TrainingSettings(warm_start=OLDER_RUN).find_warm_start(storage)
    older = storage.runs / "current_model"
    older.parent.mkdir(parents=True)
    older.write_bytes(b"weights")
    assert TrainingSettings(warm_start=OLDER_RUN).find_warm_start(storage) == older
    assert TrainingSettings(warm_start="colab/current_model").find_warm_start(storage) == older
    with pytest.raises(ConfigError, match="A path starts at"):
        TrainingSettings(warm_start="nowhere").find_warm_start(storage)
    weights = storage.disk / "weights" / "tacotron2_statedict.pt"
    gdown = types.SimpleNamespace(
        download=lambda id, output, quiet: output.write(b"PK\x03\x04\x00")
    )
    monkeypatch.setitem(sys.modules, "gdown", gdown)
    assert TrainingSettings(warm_start=NVIDIA).find_warm_start(storage) == weights
    assert weights.is_file()


def test_a_new_voice_starts_from_one_of_the_users(storage, run_of_zecora, trained_run):
    warm_start = TrainingSettings(warm_start="Zecora").find_warm_start(storage)
    assert warm_start == run_of_zecora.best_model
    by_path = TrainingSettings(warm_start="colab/Zecora")
    assert by_path.find_warm_start(storage) == run_of_zecora.folder
    for path in (warm_start, run_of_zecora.folder):
        config = TrainingSettings().config_for(storage.run("new"), warm_start=path)
        assert config.model.attention_rnn_dim == trained_run.config.model.attention_rnn_dim
        assert config.model.n_frames_per_step == trained_run.config.model.n_frames_per_step
        assert config.train.learning_rate == preset("warm").train.learning_rate
    config = TrainingSettings("small").config_for(storage.run("new"), warm_start=warm_start)
    assert config.model == preset("small").model
