import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.commands import TINY, files, no_space, refused

import ponytaco.training.loop as training_module
import ponytaco.training.session as session_module
from ponytaco.cli import main
from ponytaco.cli.train import validation_lines
from ponytaco.config import Config
from ponytaco.judges.judge import Verdict
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.presets import PRESETS, preset
from ponytaco.runs.folder import Run
from ponytaco.training.listening import Heard
from ponytaco.training.validation import Validation


def taking_notes(seen):
    """In place of ``train``: keeps its arguments, and trains nothing."""

    def train(*args, **kwargs):
        seen.append(args)
        return SimpleNamespace(finished=False)

    return train


def test_options_reach_the_run(fake_dataset, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    words = ["train", str(fake_dataset), str(tmp_path), *TINY, "--max-gaf", "0.25", "--mmi", "no"]
    assert main([*words, "--set", "learning_rate=1e-4", "--set", "seed = 7"]) == 0
    config = seen[0][2]
    assert (config.train.max_gaf, config.train.mmi, config.train.batch_size) == (0.25, False, 4)
    assert (config.train.learning_rate, config.train.seed) == (1e-4, 7)
    assert config.model.attention_rnn_dim == 48


def settings_of(monkeypatch, *words):
    """The settings with which a command would train."""
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    assert main(["train", "data", "run", *map(str, words)]) == 0
    return seen[0][2]


def test_a_recipe_lies_between_preset_and_options(tmp_path, monkeypatch):
    recipe = tmp_path / "quiet.toml"
    recipe.write_text('preset = "tiny"\nbatch_size = 3\n[train]\nseed = 5\n')
    config = ["--config", recipe]
    assert settings_of(monkeypatch, *config) == preset("tiny").replace(batch_size=3, seed=5)
    changed = settings_of(
        monkeypatch, *config, "--batch-size", "4", "--set", "seed=6", "--device", "cpu"
    )
    assert changed == preset("tiny").replace(batch_size=4, seed=6, device="cpu")
    small = settings_of(monkeypatch, *config, "--preset", "small")
    assert small == preset("small").replace(batch_size=3, seed=5)


def test_the_recipe_of_a_run_makes_the_same_settings(trained_run, fake_dataset, tmp_path):
    run = tmp_path / "again"
    command = ["train", fake_dataset, run, "--config", trained_run.run.folder, "--max-steps", "1"]
    assert main([str(word) for word in command]) == 0
    written = Config.from_json(Run(run).config.read_text())
    assert written == trained_run.config.replace(max_steps=1)


def test_the_settings_of_a_run_take_no_preset_and_a_wrong_recipe_is_named(
    trained_run, tmp_path, capsys
):
    command = ["train", tmp_path, tmp_path / "run", "--config"]
    printed = refused(capsys, *command, trained_run.run.folder, "--preset", "small")
    assert "config.json: a run's settings are complete" in printed and "--preset small" in printed
    (tmp_path / "bad.toml").write_text("[train]\nbach_size = 4")
    printed = refused(capsys, *command, tmp_path / "bad.toml")
    assert "bad.toml: There is no setting 'bach_size'. Did you mean batch_size" in printed


@pytest.mark.parametrize("folders", [["a"], ["a", "b", "c"]])
def test_the_last_folder_is_the_run(monkeypatch, folders):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    assert main(["train", *folders, "run", *TINY]) == 0
    assert seen[0][0] == [Path(folder) for folder in folders]
    assert seen[0][1].folder == Path("run")


def test_a_validation_that_was_listened_to_has_a_third_line():
    score = AlignmentScore(0.62, 1.0, 0.99, 1.2, 0.12, 1.0, 0.99)
    heard = Heard(Verdict(0.62, 2.1, 0.81), Verdict(0.96, 4.3, 0.94), 0.021)
    found = Validation(9, 10.4, score, score, 1.0, 0.63, 5.0, 1.0, 30.0, None, heard=heard)
    *_, third = validation_lines(found)
    assert third == (
        "  62 % of words understood (the clips: 96 %), MOS 2.1 (4.3), likeness 0.81 (0.94); "
        "listening took 2.1 % of the time"
    )


@pytest.mark.parametrize(
    ("free", "forced", "verdict"),
    [(1.0, 1.0, ": aligned, voice"), (0.1, 1.0, ": aligned only when fed"), (0.1, 0.1, "not al")],
)
def test_a_validation_is_two_short_lines(free, forced, verdict):
    scores = [AlignmentScore(0.62, share, 0.99, 1.2, 0.12, 1.0, 0.99) for share in (forced, free)]
    first, second = validation_lines(
        Validation(123_456, 10.412, *scores, 1.0, 0.63, 5.0, 1.0, 30.0, None)
    )
    assert first.startswith("validation at step 123,456: ") and verdict in first
    assert "voice 0.63 of 1" in first and f"coverage {free:.2f}" in second
    assert len(first) <= 100 and len(second) <= 100


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--set", "batchsize=4"], "batch_size"),
        (["--set", "learning_rat=4"], "learning_rate"),
        (["--set", "seed"], "name=value"),
        (["--set", "seed=many"], "seed.*whole number"),
        (["--set", "seed=3", "--seed", "4"], "seed.*twice"),
        (["--set", "drop_frame_rate=2"], "drop_frame_rate"),
        (["--head", "big"], "mmi"),
        (["--encoder-kernel-size", "4"], "odd"),
        (["--device", "toaster"], "toaster"),
        (["--cleaner", "spanish"], "spanish"),
    ],
)
def test_a_setting_that_cannot_be(fake_dataset, tmp_path, capsys, words, expected):
    line = refused(capsys, "train", fake_dataset, tmp_path / "run", "--preset", "tiny", *words)
    assert re.search(expected, line)
    assert not (tmp_path / "run").exists()


def test_an_option_twice_in_set_is_an_error_or_the_last(fake_dataset, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    main(["train", "data", "run", *TINY, "--set", "seed=3", "--set", "seed=4"])
    assert seen[0][2].train.seed == 4


def test_an_error_of_train_does_not_show_all_settings(capsys):
    with pytest.raises(SystemExit):
        main(["train", "data"])
    printed = capsys.readouterr().err
    assert printed.count("\n") == 2 and "train DATASET [DATASET ...] RUN [options]" in printed
    assert "--help lists them" in printed and "required: RUN" in printed


def test_an_unknown_preset_lists_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["train", "data", "run", "--preset", "huge"])
    printed = capsys.readouterr().err
    assert all(name in printed for name in PRESETS)


@pytest.mark.parametrize("what", ["missing", "empty", "a file"])
def test_a_folder_that_is_no_dataset(tmp_path, capsys, what):
    folder = tmp_path / "data"
    if what == "empty":
        folder.mkdir()
    elif what == "a file":
        folder.write_text("hello")
    printed = refused(capsys, "train", folder, tmp_path / "run", *TINY)
    assert "not a dataset folder" in printed and "ponytaco prepare ARCHIVE FOLDER" in printed
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_be_made(fake_dataset, tmp_path, capsys):
    (tmp_path / "run").write_text("I am a file")
    assert "folder" in refused(capsys, "train", fake_dataset, tmp_path / "run", *TINY)


def test_a_checkpoint_of_another_size(fake_dataset, voice, capsys):
    before = files(voice), (voice / "config.json").read_text()
    printed = refused(capsys, "train", fake_dataset, voice, "--preset", "small", "--device", "cpu")
    assert "symbols_embedding_dim=32" in printed and "128" in printed
    assert "the preset it began with, tiny, or another folder" in printed
    assert (files(voice), (voice / "config.json").read_text()) == before


def test_a_warm_start_that_is_not_there(fake_dataset, tmp_path, capsys):
    words = ["train", fake_dataset, tmp_path / "run", *TINY, "--warm-start", tmp_path / "none.pt"]
    printed = refused(capsys, *words)
    assert f"nothing at {tmp_path / 'none.pt'}" in printed and "ponytaco fetch tacotron2" in printed
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("where", ["ponytaco.io.tensor_file.file.pack", "os.replace", "os.fsync"])
def test_a_full_disk_while_training(
    trained_run, fake_dataset, tmp_path, capsys, monkeypatch, where
):
    # trained_run has made the mel cache, so that the checkpoint is the first that does not fit
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)
    monkeypatch.setattr(where, no_space)
    words = ["train", fake_dataset, tmp_path / "run", *TINY, "--max-steps", "1"]
    printed = refused(capsys, *words)
    assert "No space left" in printed and str(tmp_path / "run") in printed
    assert not Run(tmp_path / "run").resumable
    assert not [name for name in files(tmp_path) if "current" in name or "/." in name]


def test_an_interrupt_while_loading_is_no_traceback(fake_dataset, tmp_path, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(session_module, "open_datasets", interrupt)
    assert main(["train", str(fake_dataset), str(tmp_path / "run"), *TINY]) == 130
    assert capsys.readouterr().err == "ponytaco: interrupted.\n"


@pytest.mark.parametrize("words", [["--use-gaf", "False"], ["--use_gaf=False"]])
def test_an_option_of_another_program_gets_a_pointer(capsys, words):
    with pytest.raises(SystemExit):
        main(["train", "data", "run", *words])
    assert "mmi_weight=1" in capsys.readouterr().err


# A run's own settings


def test_a_run_is_resumed_with_its_own_settings(voice, trained_run, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    assert main(["train", "data", str(voice)]) == 0
    assert main(["train", "data", str(voice), "--max-steps", "99"]) == 0
    assert main(["train", "data", str(voice), "--preset", "small"]) == 0
    assert main(["train", "data", str(tmp_path / "new")]) == 0
    own = trained_run.config
    expected = [own, own.replace(max_steps=99), preset("small"), preset("full")]
    assert [arguments[2] for arguments in seen] == expected


def test_without_a_config_a_run_is_resumed_with_its_saves_settings(voice, trained_run, monkeypatch):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    (voice / "config.json").unlink()
    assert main(["train", "data", str(voice)]) == 0
    assert seen[0][2] == trained_run.config


def test_a_run_without_a_save_keeps_its_settings_too(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.config.write_text(preset("tiny").replace(batch_size=5, max_minutes=3).to_json())
    assert main(["train", "data", str(run.folder)]) == 0
    # But the limit of minutes was that session's.
    assert seen[0][2] == preset("tiny").replace(batch_size=5)


def test_a_dataset_has_no_settings(fake_dataset, tmp_path, capsys):
    printed = refused(capsys, "train", fake_dataset, tmp_path / "run", "--config", fake_dataset)
    assert f"{fake_dataset} is a dataset, which has no settings" in printed
