"""Opening a session: datasets, settings and warm start. Errors leave nothing behind."""

import shutil

import pytest
import torch
from support.training import CONFIG, FAST, stop_after, train_quietly
from support.validations import validations

import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import load_checkpoint, new_model
from ponytaco.config import ConfigError
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import FilelistError, fingerprint, read_dataset
from ponytaco.errors import PonytacoError
from ponytaco.runs.folder import Run, RunError
from ponytaco.text.lexicon import LexiconError
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.loop import train

pytestmark = pytest.mark.usefixtures("no_pictures")


def nothing_was_made(folder):
    return not folder.exists() or not any(folder.rglob("*"))


# Datasets


def test_a_changed_dataset_is_reported_and_shuffled_anew(fake_dataset, tmp_path):
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    run, messages = Run(tmp_path / "run"), []
    train_quietly(folder, run, FAST.replace(max_steps=2))
    assert load_checkpoint(run.current_model).sampler == {
        "epoch": 0,
        "drawn": [[4, 2]],
        "letters": [False, False],
    }
    lines = (folder / "train.txt").read_text().splitlines()
    (folder / "train.txt").write_text("\n".join(lines[:-1]) + "\n")
    train(folder, run, FAST.replace(max_steps=3), log=messages.append)
    assert any("changed" in message for message in messages)
    assert load_checkpoint(run.current_model).sampler == {
        "epoch": 0,
        "drawn": [[4, 1]],
        "letters": [False, False],
    }


@pytest.mark.parametrize("is_killed", [False, True])
def test_another_dataset_has_its_own_best_voice(fake_dataset, tmp_path, monkeypatch, is_killed):
    other = shutil.copytree(fake_dataset, tmp_path / "other")
    (other / "alignments.jsonl").unlink()
    run, messages = Run(tmp_path / "run"), []
    config = FAST.replace(max_steps=2, validate_every=2)
    monkeypatch.setattr(session_module, "validate", validations((0.9, True), (0.3, False)))
    train_quietly(fake_dataset, run, config)
    best = run.best_model.read_bytes()
    if is_killed:  # before the first validation with it, after a save
        train(other, run, config.replace(max_steps=9), log=messages.append, stop=stop_after(1))
        assert run.best_model.read_bytes() == best
    train(other, run, config.replace(max_steps=4), log=messages.append)
    (message,) = [text for text in messages if "data set has changed" in text]
    for folder in (fake_dataset, other):
        assert f"{folder} (fingerprint {fingerprint(folder)[:8]})" in message
    assert "best_model.before" in message
    assert load_checkpoint(run.best_model).run_state.step == 4
    assert load_checkpoint(run.best_model).run_state.best_score == 0.3
    assert run.earlier_best.read_bytes() == best
    assert run.voice() == run.best_model


@pytest.mark.parametrize(
    ("changes", "letters"),
    [({}, False), ({"p_arpabet": 0.0}, True), ({"guidance_weight": 0.0}, True),
     ({"arpabet_first_steps": 0}, True)],
)  # fmt: skip
def test_phones_come_first_where_attention_is_guided(changes, letters, fake_dataset, tmp_path):
    run = Run(tmp_path / "run")
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1, **changes))
    assert load_checkpoint(run.current_model).sampler["letters"] == [letters, letters]


def test_a_dataset_that_moved_is_the_same(fake_dataset, tmp_path):
    run, messages = Run(tmp_path / "run"), []
    train_quietly(fake_dataset, run, FAST.replace(max_steps=2))
    folder = shutil.copytree(fake_dataset, tmp_path / "elsewhere")
    train(folder, run, FAST.replace(max_steps=3), log=messages.append)
    assert not any("changed" in message for message in messages)
    saved = load_checkpoint(run.current_model)
    assert saved.sampler == {"epoch": 1, "drawn": [], "letters": [False, False]}
    assert saved.dataset == str(folder)


def test_several_folders_train_together(fake_dataset, tmp_path):
    other = shutil.copytree(fake_dataset, tmp_path / "data")  # the same refs
    run, messages = Run(tmp_path / "run"), []
    both = [fake_dataset, other]
    train(both, run, FAST.replace(max_steps=5), log=messages.append)
    assert any("22 clips to learn from, 6 to validate on" in message for message in messages)
    saved = load_checkpoint(run.current_model)
    assert saved.sampler == {"epoch": 0, "drawn": [[4, 5]], "letters": [False, False]}
    assert saved.dataset_folders == both
    train(both, run, FAST.replace(max_steps=6), log=messages.append)
    assert not any("changed" in message for message in messages)
    assert load_checkpoint(run.current_model).sampler == {
        "epoch": 1,
        "drawn": [],
        "letters": [False, False],
    }
    train(fake_dataset, run, FAST.replace(max_steps=7), log=messages.append)
    assert any("changed" in message for message in messages)


def test_a_folder_named_twice_is_refused(fake_dataset, tmp_path):
    with pytest.raises(FilelistError, match="twice"):
        train_quietly([fake_dataset, fake_dataset], Run(tmp_path / "run"), FAST)
    assert nothing_was_made(tmp_path / "run")


def test_mean_frame_and_lexicon_are_in_the_checkpoint(trained_run, fake_dataset):
    saved = load_checkpoint(trained_run.run.current_model)
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    assert torch.equal(saved.mean_frame, data.mean_frame)
    assert saved.lexicon["fade"] == "F EY1 D"


def test_a_clip_that_cannot_be_read_is_named_and_left_out(fake_dataset, tmp_path):
    folder, messages = shutil.copytree(fake_dataset, tmp_path / "data"), []
    (folder / "wavs" / "clip-002.wav").write_bytes(b"RIFF")
    train(folder, Run(tmp_path / "run"), CONFIG.replace(max_steps=1), log=messages.append)
    assert any("1 of the clips" in message and "clip-002" in message for message in messages)
    assert any("10 clips to learn from" in message for message in messages)


@pytest.mark.parametrize(
    ("breakage", "error", "message"),
    [
        ("lexicon", LexiconError, "lexicon.txt, line 2"),
        ("text", PonytacoError, "can be spoken"),
        ("val text", PonytacoError, "can be spoken"),
        ("wavs", PonytacoError, "clip-002"),
        ("no val", FilelistError, "val.txt"),
    ],
)
def test_broken_data_is_refused_before_anything_is_trained_or_made(
    fake_dataset, tmp_path, breakage, error, message
):
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    if breakage == "lexicon":
        (folder / "lexicon.txt").write_text("BAD  B AE1 D\nBEE  bzz\n")
    elif breakage in ("text", "val text"):
        path = folder / ("train.txt" if breakage == "text" else "val.txt")
        first, *lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines, first.split("|")[0] + "|?!"]) + "\n")
    elif breakage == "wavs":  # too many to be left out
        for i in (2, 3):
            (folder / "wavs" / f"clip-00{i}.wav").write_bytes(b"RIFF")
    else:
        (folder / "val.txt").unlink()
    steps = []
    with pytest.raises(error, match=message):
        train_quietly(folder, Run(tmp_path / "run"), FAST, stop=lambda: steps.append(1))
    assert not steps and nothing_was_made(tmp_path / "run")


# Settings


@pytest.mark.parametrize(
    "change",
    [{"cleaner": "spanish"}, {"device": "cuda:99"}, {"precision": "float16"},
     {"cuda_graphs": "always"}],
)  # fmt: skip
def test_impossible_settings_are_refused_before_anything_is_made(fake_dataset, tmp_path, change):
    with pytest.raises(ConfigError, match=next(iter(change.values()))):
        train_quietly(fake_dataset, Run(tmp_path / "run"), FAST.replace(**change))
    assert nothing_was_made(tmp_path / "run")


@pytest.mark.parametrize("seconds", [0.2, 0.01, 1e-30])
def test_too_long_clips_are_refused(fake_dataset, tmp_path, seconds):
    with pytest.raises(FilelistError, match="max_clip_seconds"):
        train_quietly(fake_dataset, Run(tmp_path / "run"), FAST.replace(max_clip_seconds=seconds))
    assert nothing_was_made(tmp_path / "run")


def test_unknown_devices_are_refused(fake_dataset, tmp_path):
    with pytest.raises(ConfigError, match="toaster"):
        train_quietly(fake_dataset, Run(tmp_path / "run"), FAST.replace(device="toaster"))


# Warm start


def test_a_warm_start_starts_from_the_other_weights(fake_dataset, tmp_path, trained_run):
    messages = []
    run = Run(tmp_path / "run")
    config = trained_run.config.replace(max_steps=1, learning_rate=1e-9, weight_decay=0.0)
    train(
        fake_dataset,
        run,
        config,
        warm_start_from=trained_run.run.current_model,
        log=messages.append,
    )
    source = load_checkpoint(trained_run.run.current_model)
    started = load_checkpoint(run.current_model)
    for name, _ in new_model(config).named_parameters():
        torch.testing.assert_close(
            started.state_dict[name], source.state_dict[name], rtol=0, atol=1e-6
        )
    assert started.run_state.step == 1  # a new run, not a resumed one
    assert any("Warm start" in message for message in messages)


def test_a_warm_start_names_the_mel_settings_that_differ(fake_dataset, tmp_path, trained_run):
    messages = []
    config = trained_run.config.replace(max_steps=1, f_max=7600, hop_length=220)
    train(
        fake_dataset,
        Run(tmp_path / "run"),
        config,
        warm_start_from=trained_run.run.current_model,
        log=messages.append,
    )
    report = next(i for i, message in enumerate(messages) if "Warm start from" in message)
    assert messages[report + 1].split() == ["part", "taken", "mapped", "new"]  # a line each
    assert any("hop_length 256 (here 220), f_max 8000 (here 7600)" in m for m in messages)


def test_a_resumed_run_ignores_a_warm_start(fake_dataset, tmp_path, trained_run):
    run = Run(tmp_path / "run")
    train_quietly(fake_dataset, run, FAST.replace(max_steps=1))
    messages = []
    config, elsewhere = FAST.replace(max_steps=2), tmp_path / "not there"
    result = train(fake_dataset, run, config, warm_start_from=elsewhere, log=messages.append)
    assert result.step == 2
    assert any("The warm start is ignored" in message for message in messages)


def test_a_failed_warm_start_leaves_nothing(fake_dataset, tmp_path):
    with pytest.raises(RunError, match="not there"):
        train_quietly(
            fake_dataset, Run(tmp_path / "run"), FAST, warm_start_from=tmp_path / "not there"
        )
    assert nothing_was_made(tmp_path / "run")
