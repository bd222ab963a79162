import dataclasses
import errno
import json
import os
import random
import shutil
import signal
import threading

import numpy as np
import pytest
import torch
from support.full_disk import no_file_larger_than
from support.validations import validations

import ponytaco.training.loop as training_module
import ponytaco.training.session as session_module
import ponytaco.training.step as step_module
from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, new_model
from ponytaco.config import Config, ConfigError
from ponytaco.data.dataset import ClipDataset, open_datasets
from ponytaco.data.dataset_folder import FilelistError, read_dataset
from ponytaco.data.loader import collate
from ponytaco.data.sampler import BucketSampler, Pick
from ponytaco.errors import PonytacoError
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.presets import preset
from ponytaco.runs.folder import Run, RunError
from ponytaco.runs.history import Column, read_history
from ponytaco.runs.state import RunState
from ponytaco.text.encode import spoken_symbols
from ponytaco.text.lexicon import LexiconError
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.loop import train
from ponytaco.training.rng import rng_state
from ponytaco.training.step import make_optimizer, train_step
from ponytaco.training.validation import validate

CPU = torch.device("cpu")
# Everything random and everything remembered before a voice is aligned is on.
# 11 clips in batches of 4 are 3 steps an epoch.
CONFIG = preset("tiny").replace(
    batch_size=4, max_steps=5, validate_every=100, drop_frame_rate=0.3, gaf_every=3,
    guidance_weight=2.0, p_arpabet=0.5, max_gaf=0.4,
    prenet_dim=16, attention_rnn_dim=24, decoder_rnn_dim=24, device="cpu",
)  # fmt: skip


FAST = CONFIG.replace(gaf_every=10)
# What comes once aligned: its own frames, and fewer a step, from step 3 and from step 6 on.
ALIGNED = CONFIG.replace(
    max_steps=8, validate_every=1, p_teacher_forcing=0.5, teacher_forcing_fade_steps=1,
    teacher_forcing_window=6, n_frames_per_step=3, reduce_frames_to="2,1", reduce_frames_after=2,
)  # fmt: skip


def quietly(*args, **kwargs):
    return train(*args, log=lambda sentence: None, **kwargs)


def stop_after(n_steps):
    """A ``stop`` that is content after so many steps."""
    asked = []

    def stop():
        asked.append(1)
        return len(asked) >= n_steps

    return stop


def assert_same(one, other, place=""):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    elif hasattr(one, "items"):
        assert list(one) == list(other), place
        for key in one:
            assert_same(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{place}/{i}")
    else:
        assert one == other, place


def assert_same_run(one, other, but=("seconds",)):
    """Two checkpoints are equal to the bit, but for the time they took."""
    for name in ("state_dict", "trained", "optimizer", "sampler", "rng", "mean_frame", "symbols"):
        assert_same(getattr(one, name), getattr(other, name), name)
    first, second = (dataclasses.asdict(c.run_state) for c in (one, other))
    for name in but:
        first.pop(name), second.pop(name)
    assert first == second


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)


@pytest.fixture(scope="module")
def straight(fake_dataset, tmp_path_factory):
    """Runs of CONFIG that nothing interrupted, by validate_every."""
    runs = {}

    def of(validate_every=100):
        if validate_every not in runs:
            run = Run(tmp_path_factory.mktemp("straight"))
            config = CONFIG.replace(validate_every=validate_every)
            quietly(fake_dataset, run, config)
            runs[validate_every] = load_checkpoint(run.current_model)
        return runs[validate_every]

    return of


def disturb_random_numbers():
    torch.manual_seed(98765)
    random.seed(98765)
    np.random.default_rng().random()


def in_two_sessions(dataset, run, split, config, **second):
    result = quietly(dataset, run, config, stop=stop_after(split))
    assert (result.step, result.finished) == (split, False)
    assert load_checkpoint(run.current_model).run_state.step == split
    disturb_random_numbers()
    result = quietly(dataset, run, config.replace(**second))
    assert (result.step, result.finished) == (config.train.max_steps, True)
    return load_checkpoint(run.current_model)


# Resuming is exact


@pytest.mark.parametrize("split", [1, 2, 3, 4])
def test_a_resumed_run_is_the_uninterrupted_one(
    fake_dataset, tmp_path, no_pictures, straight, split
):
    resumed = in_two_sessions(fake_dataset, Run(tmp_path), split, CONFIG)
    assert resumed.run_state.step == 5 and resumed.run_state.gaf > 0
    assert resumed.sampler == {"epoch": 1, "drawn": [[4, 2]], "letters": [False, False]}
    assert_same_run(straight(), resumed)


@pytest.mark.parametrize(
    ("split", "validate_every"), [(3, 2), (1, 2), pytest.param(2, 2, id="stopped at a validation")]
)
def test_a_validation_between_changes_nothing(
    fake_dataset, tmp_path, no_pictures, straight, split, validate_every
):
    config = CONFIG.replace(validate_every=validate_every)
    resumed = in_two_sessions(fake_dataset, Run(tmp_path), split, config)
    assert_same_run(straight(validate_every), resumed)
    # nor does it change the weights that come after
    assert_same(straight().state_dict, resumed.state_dict)
    assert_same(straight().trained, resumed.trained)


def test_an_aligned_run_with_fewer_frames_a_step_resumes_exactly(
    fake_dataset, tmp_path, no_pictures, monkeypatch
):
    def session(name, found=((0.5, True),) * 9):
        monkeypatch.setattr(session_module, "validate", validations(*found))
        return Run(tmp_path / name)

    quietly(fake_dataset, session("straight"), ALIGNED)
    straight = load_checkpoint(tmp_path / "straight" / "current_model")
    assert straight.config.model.n_frames_per_step == 1
    # A reduction comes at the beginning of a step: after step 3 it is due, after 4 it is done.
    for split in (3, 4):
        run = session(f"{split}")
        resumed = in_two_sessions(fake_dataset, run, split, ALIGNED)
        assert_same_run(straight, resumed)
        assert resumed.config == straight.config
        # Settings for people and for going on are those that were asked for.
        assert Config.from_json(run.config.read_text(encoding="utf-8")) == ALIGNED


# What a validation leaves in the progress beside the alignment.
BEST = ("best_score", "best_step", "validations_since_best")


def test_an_end_that_is_raised_goes_on_exactly(fake_dataset, tmp_path, no_pictures, straight):
    run = Run(tmp_path)
    quietly(fake_dataset, run, CONFIG.replace(max_steps=2))
    disturb_random_numbers()
    quietly(fake_dataset, run, CONFIG)
    resumed = load_checkpoint(run.current_model)
    # the validation at the end of the first part has left its score
    assert_same_run(straight(), resumed, but=("seconds", *BEST))


def test_workers_make_no_difference(fake_dataset, tmp_path, no_pictures, straight):
    config = CONFIG.replace(loader_workers=2)
    resumed = in_two_sessions(fake_dataset, Run(tmp_path), 2, config, loader_workers=0)
    assert_same_run(straight(), resumed)


def test_other_seeds_are_other_runs(fake_dataset, tmp_path, no_pictures, straight):
    run = Run(tmp_path)
    quietly(fake_dataset, run, CONFIG.replace(seed=7))
    other = load_checkpoint(run.current_model).state_dict
    assert not torch.equal(other["embedding.weight"], straight().state_dict["embedding.weight"])


def test_new_settings_hold_when_resuming(fake_dataset, tmp_path, no_pictures):
    run = Run(tmp_path)
    quietly(fake_dataset, run, FAST.replace(max_steps=1))
    quietly(
        fake_dataset,
        run,
        FAST.replace(
            max_steps=2, weight_decay=0.01, learning_rate=5e-4, attention_learning_rate_scale=4.0
        ),
    )
    saved = load_checkpoint(run.current_model)
    groups = saved.optimizer["param_groups"]
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (5e-4, 0.01),
        (2e-3, 0.01),
    ]
    assert saved.config.train.weight_decay == 0.01
    assert Config.from_json(run.config.read_text()) == saved.config


def test_another_architecture_is_not_resumed(fake_dataset, tmp_path, no_pictures):
    run = Run(tmp_path)
    quietly(fake_dataset, run, FAST.replace(max_steps=1))
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match="prenet_dim"):
        quietly(fake_dataset, run, FAST.replace(prenet_dim=8))
    assert before == {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def test_a_finished_run_has_nothing_to_do(fake_dataset, tmp_path, no_pictures):
    run = Run(tmp_path)
    quietly(fake_dataset, run, FAST.replace(max_steps=1))
    before = run.current_model.read_bytes()
    result = quietly(fake_dataset, run, FAST.replace(max_steps=1))
    assert result.finished and result.step == 1
    assert run.current_model.read_bytes() == before


# Stopping


def test_a_stop_saves_says_so_and_leaves(fake_dataset, tmp_path, no_pictures):
    run, said = Run(tmp_path / "run"), []
    result = train(fake_dataset, run, FAST, log=said.append, stop=stop_after(2))
    assert (result.step, result.finished, result.validation) == (2, False, None)
    assert load_checkpoint(run.current_model).run_state.step == 2
    assert any("step 2" in sentence for sentence in said)
    assert not any(path.name.startswith(".") for path in run.folder.iterdir())


def test_a_stop_at_the_end_is_the_end(fake_dataset, tmp_path, no_pictures):
    run, said = Run(tmp_path), []
    result = train(
        fake_dataset, run, FAST.replace(max_steps=2), log=said.append, stop=stop_after(2)
    )
    assert result.finished
    assert result.validation is not None and run.best_model.is_file()
    assert not any("go on from there" in sentence for sentence in said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_leaves(fake_dataset, tmp_path, no_pictures, number):
    run = Run(tmp_path)
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    result = quietly(
        fake_dataset,
        run,
        FAST.replace(max_steps=15),
        on_step=lambda report: os.kill(os.getpid(), number),
    )
    assert (result.step, result.finished) == (10, False)
    assert load_checkpoint(run.current_model).run_state.step == 10
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert [row["step"] for row in read_history(run.history)] == [10]


def test_a_second_interrupt_is_obeyed_at_once(fake_dataset, tmp_path, no_pictures):
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        quietly(fake_dataset, Run(tmp_path), FAST, stop=twice)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_it_trains_in_a_thread(fake_dataset, tmp_path, no_pictures):
    results = []
    config = FAST.replace(max_steps=1)
    thread = threading.Thread(
        target=lambda: results.append(quietly(fake_dataset, Run(tmp_path), config))
    )
    thread.start()
    thread.join()
    assert results[0].finished


def test_a_session_may_end_by_the_clock(fake_dataset, tmp_path, no_pictures):
    run, said = Run(tmp_path), []
    config = FAST.replace(max_steps=1000, max_minutes=1e-6)
    result = train(fake_dataset, run, config, log=said.append)
    assert (result.step, result.finished) == (1, False)
    assert result.validation is not None and run.best_model.is_file()
    assert load_checkpoint(run.current_model).run_state.step == 1
    assert not any("Finished" in sentence for sentence in said)


# Steps that are no numbers


@pytest.fixture
def step(fake_dataset):
    """Everything that ``train_step`` takes, after one good step."""
    torch.manual_seed(1)
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    model = new_model(CONFIG)
    picks = BucketSampler(data.train.lengths, 4, 0, 1.0).remaining()[0]
    batch = collate([data.train[pick] for pick in picks])
    settings = CONFIG.replace(gaf_every=1).train
    optimizer = make_optimizer(model, settings)
    arguments = (
        model,
        optimizer,
        batch,
        settings,
        RunState(),
        torch.tensor(0.123),
        data.mean_frame,
    )
    train_step(*arguments)
    return arguments


def snapshot(model, optimizer):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    moments = {
        f"{index}/{name}": value.clone()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    return state, moments


@pytest.mark.parametrize("what", ["loss", "gradient", "batch"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_step_that_is_no_number_changes_nothing(step, monkeypatch, what, value):
    model, optimizer, batch, settings, run_state, gaf, mean_frame = step
    before = snapshot(model, optimizer)

    def broken_loss(*args):
        parts = tacotron_loss(*args)
        return parts._replace(mel=parts.mel * value)

    if what == "loss":
        monkeypatch.setattr(step_module, "tacotron_loss", broken_loss)
    elif what == "gradient":
        model.embedding.weight.register_hook(lambda gradient: gradient * value)
    else:
        mel = batch.mel.clone()
        mel[0, 3, 2] = value
        batch = batch._replace(mel=mel)
    losses = train_step(model, optimizer, batch, settings, run_state, gaf, mean_frame)
    assert losses.skipped
    assert_same(before, snapshot(model, optimizer))
    assert losses.gaf == gaf


def test_a_good_step_changes_weights_moments_and_buffers(step):
    model, optimizer, *_ = step
    state, moments = snapshot(model, optimizer)
    losses = train_step(*step)
    assert not losses.skipped
    state_after, moments_after = snapshot(model, optimizer)
    assert losses.gaf >= 0 and losses.gaf != torch.tensor(0.123)
    for name in ("embedding.weight", "postnet.convolutions.0.1.running_mean", "mi.linear1.weight"):
        if name in state:
            assert not torch.equal(state[name], state_after[name]), name
    assert not all(torch.equal(moments[key], moments_after[key]) for key in moments)


def test_skipped_steps_are_counted_and_saved(fake_dataset, tmp_path, no_pictures, monkeypatch):
    calls = []

    def sometimes_broken(*args):
        calls.append(1)
        parts = tacotron_loss(*args)
        return parts._replace(gate=parts.gate * float("nan")) if len(calls) in (2, 3) else parts

    monkeypatch.setattr(step_module, "tacotron_loss", sometimes_broken)
    run, reports = Run(tmp_path), []
    quietly(fake_dataset, run, FAST, on_step=reports.append)
    saved = load_checkpoint(run.current_model)
    assert saved.run_state.skipped_steps == reports[-1].skipped_steps == 2
    assert saved.run_state.step == 5
    assert np.isfinite(reports[-1].losses["loss"])
    assert all(torch.isfinite(value).all() for value in saved.state_dict.values())
    assert read_history(run.history)[-1]["skipped_steps"] == 2


# What each loss costs


def n_prenet_calls(step, p_teacher_forcing, aligned_since=0):
    model, optimizer, batch, settings, _, *rest = step
    calls = []
    handle = model.decoder.prenet.register_forward_hook(lambda *args: calls.append(1))
    settings = dataclasses.replace(
        settings,
        p_teacher_forcing=p_teacher_forcing,
        teacher_forcing_fade_steps=2,
        teacher_forcing_window=2,
    )
    run_state = RunState(step=2, aligned_since=aligned_since)
    train_step(model, optimizer, batch, settings, run_state, *rest)
    handle.remove()
    return len(calls)


def test_full_teacher_forcing_costs_nothing(step):
    assert n_prenet_calls(step, 1.0) == 1
    assert n_prenet_calls(step, 0.0) > 5


def test_its_own_frames_are_fed_only_once_aligned(step):
    assert n_prenet_calls(step, 0.0, aligned_since=None) == 1
    assert n_prenet_calls(step, 0.0, aligned_since=2) == 1  # just found: it falls from here
    assert 1 < n_prenet_calls(step, 0.0, aligned_since=1) <= n_prenet_calls(step, 0.0)


@pytest.mark.parametrize(
    ("change", "absent"),
    [({"mmi": False}, {"mi", "gaf"}), ({"guidance_weight": 0.0}, {"guidance", "guidance_weight"})],
)
def test_a_loss_that_is_off_is_not_computed(step, change, absent):
    model, optimizer, batch, settings, *rest = step
    everything = train_step(model, optimizer, batch, settings, *rest).values
    assert absent <= set(everything)
    settings = dataclasses.replace(settings, **change)
    assert not absent & set(train_step(model, optimizer, batch, settings, *rest).values)


def test_the_parts_make_the_loss(step):
    values = {name: float(value) for name, value in train_step(*step).values.items()}
    total = values["mel"] + values["mel_postnet"] + values["gate"]
    total += values["guidance_weight"] * values["guidance"] + values["gaf"] * values["mi"]
    assert values["loss"] == pytest.approx(total, rel=1e-5)


def test_gradients_between_refreshes_are_those_of_the_total(step):
    """With gaf_every off and the same factor, a plain step has the balanced step's gradients."""
    model, _, batch, settings, run_state, gaf, mean_frame = step
    gradients = []
    for gaf_every in (1, 2):
        run_state.step = 1  # refreshed when 1 % gaf_every == 0
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0, fused=True)
        torch.manual_seed(5)
        refreshing = dataclasses.replace(settings, gaf_every=gaf_every, max_grad_norm=1e9)
        gaf = train_step(model, optimizer, batch, refreshing, run_state, gaf, mean_frame).gaf
        gradients.append([p.grad.clone() for p in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


# The run's folder


def test_the_loss_falls(trained_run):
    first, last = (trained_run.reports[i].losses for i in (0, -1))
    assert [report.step for report in trained_run.reports] == [10, 20, 30, 40, 50, 60]
    assert last["loss"] < 0.8 * first["loss"]
    assert last["mel"] < first["mel"]
    assert last["mel_postnet"] < 0.9 * first["mel_postnet"]
    assert last["gate"] < 0.5 * first["gate"]
    assert last["mi"] < 0.5 * first["mi"]
    assert last["guidance"] < 0.8 * first["guidance"]


def test_a_run_leaves_what_the_design_promises(trained_run):
    run = trained_run.run
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "alignments", "best_model", "config.json", "current_model", "history.csv", "samples",
        "saves",
    ]  # fmt: skip
    assert [path.name for path in sorted(run.alignments.iterdir())] == [
        "step-000030.png", "step-000060.png",
    ]  # fmt: skip
    assert len(list(run.samples.glob("*.wav"))) == 2
    assert Config.from_json(run.config.read_text(encoding="utf-8")) == trained_run.config


def test_the_history_has_losses_and_validations(trained_run):
    rows = read_history(trained_run.run.history)
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60]
    assert all(row["loss"] > 0 and row["learning_rate"] > 0 for row in rows)
    assert [row["step"] for row in rows if "val_loss" in row] == [30, 60]
    assert rows[-1]["epoch"] == 20 and rows[-1]["seconds"] > rows[0]["seconds"] > 0


def test_a_report_counts_its_own_steps(fake_dataset, tmp_path, no_pictures, monkeypatch):
    clock = iter(range(0, 10_000_000, 5))
    monkeypatch.setattr(training_module.time, "monotonic", lambda: float(next(clock)))
    reports = []
    quietly(fake_dataset, Run(tmp_path), FAST.replace(max_steps=4), on_step=reports.append)
    assert reports[-1].step == 4
    assert reports[-1].seconds_per_step >= 5  # each step looks at the clock at least once


def test_a_crash_leaves_no_duplicates_in_the_history(fake_dataset, tmp_path, no_pictures):
    run = Run(tmp_path)
    config = FAST.replace(max_steps=20, validate_every=10)
    kept = tmp_path / "as it was at step 10"

    def keep(validation):
        if validation.step == 10:
            shutil.copy(run.current_model, kept)

    quietly(fake_dataset, run, config, on_validation=keep)
    before = read_history(run.history)
    assert [row["step"] for row in before] == [10, 20]
    os.replace(kept, run.current_model)  # the process died before the save at step 20
    quietly(fake_dataset, run, config)
    after = read_history(run.history)
    assert [row["step"] for row in after] == [10, 20]
    for row in (*before, *after):
        row.pop("seconds")
    assert after == before  # and the second half is the same again


def test_a_new_run_does_not_inherit_a_history(fake_dataset, tmp_path, no_pictures):
    run = Run(tmp_path)
    config = FAST.replace(max_steps=1)
    quietly(fake_dataset, run, config)
    run.current_model.unlink()
    quietly(fake_dataset, run, config)
    assert [row["step"] for row in read_history(run.history)] == [1]


@pytest.mark.parametrize("content", ["", "step;loss\n1;2\n", "step,loss\n1,much\n"])
def test_a_history_that_someone_broke_is_no_obstacle(fake_dataset, tmp_path, no_pictures, content):
    """Emptied by a full disk, or saved by a spreadsheet in its own way."""
    run = Run(tmp_path)
    quietly(fake_dataset, run, FAST.replace(max_steps=1))
    run.history.write_text(content)
    quietly(fake_dataset, run, FAST.replace(max_steps=2))
    assert read_history(run.history)[-1]["step"] == 2


# Which model is the best


@pytest.mark.parametrize(
    ("found", "best_step"),
    [
        ([(0.1, False), (0.3, False), (0.2, False)], 2),
        ([(0.3, False), (0.2, False), (0.1, False)], 1),
        ([(0.5, False), (0.2, True), (0.9, False)], 2),
        ([(0.3, True), (0.9, False), (0.4, True)], 3),
        ([(0.3, True), (0.3, True), (0.3, True)], 1),
        ([(float("nan"), False), (0.2, False), (0.1, False)], 2),
        ([(0.2, False), (float("nan"), True), (0.3, False)], 3),
    ],
)
def test_the_best_model(fake_dataset, tmp_path, no_pictures, monkeypatch, found, best_step):
    monkeypatch.setattr(session_module, "validate", validations(*found))
    run = Run(tmp_path)
    quietly(fake_dataset, run, FAST.replace(max_steps=3, validate_every=1))
    assert load_checkpoint(run.best_model).run_state.step == best_step
    assert load_checkpoint(run.current_model).run_state.step == 3


def test_the_best_is_remembered_over_sessions(fake_dataset, tmp_path, no_pictures, monkeypatch):
    run = Run(tmp_path)
    config = FAST.replace(validate_every=1)
    monkeypatch.setattr(session_module, "validate", validations((0.3, True)))
    quietly(fake_dataset, run, config.replace(max_steps=1))
    monkeypatch.setattr(session_module, "validate", validations((0.9, False), (0.4, True)))
    quietly(fake_dataset, run, config.replace(max_steps=2))
    assert load_checkpoint(run.best_model).run_state.step == 1
    result = quietly(fake_dataset, run, config.replace(max_steps=3))
    best = load_checkpoint(run.best_model).run_state
    assert (best.step, best.best_score, best.best_aligned) == (3, 0.4, True)
    assert result.first_aligned == 1 and best.aligned_since == 3


def test_a_voice_that_stopped_improving_is_said_now_and_then(
    fake_dataset, tmp_path, no_pictures, monkeypatch
):
    found = [(0.4, True), *[(0.3, True)] * 18]
    monkeypatch.setattr(session_module, "validate", validations(*found))
    said = []
    config = FAST.replace(validate_every=1, max_steps=10)
    train(fake_dataset, Run(tmp_path), config, log=said.append)
    (hint,) = [sentence for sentence in said if "No better voice" in sentence]
    assert "for 8 validations, since step 1" in hint and "best_model" in hint
    # counted on in the next session, and said again at twice as many
    train(fake_dataset, Run(tmp_path), config.replace(max_steps=19), log=said.append)
    hints = [sentence for sentence in said if "No better voice" in sentence]
    assert len(hints) == 2 and "for 16 validations" in hints[1]


def test_guidance_and_cap_follow_alignment(fake_dataset, tmp_path, no_pictures, monkeypatch):
    found = validations((1.0, False), (1.0, True), (1.0, True), (1.0, False), (1.0, False))
    monkeypatch.setattr(session_module, "validate", found)
    weights, caps = [], []
    original = train_step

    def spy(*args, **kwargs):
        losses = original(*args, **kwargs)
        weights.append(float(losses.values.get("guidance_weight", torch.tensor(0.0))))
        caps.append(float(losses.gaf))
        return losses

    monkeypatch.setattr(session_module, "train_step", spy)
    config = FAST.replace(validate_every=1, guidance_fade_steps=4, gaf_every=1)
    config = config.replace(max_gaf=1e-3, max_gaf_aligned=1e-4)  # lower than any ratio here
    quietly(fake_dataset, Run(tmp_path), config)
    # aligned at step 2, lost at step 4
    assert weights == pytest.approx([2.0, 2.0, 2.0, 1.5, 1.0])
    assert load_checkpoint(Run(tmp_path).current_model).run_state.guidance_scale == pytest.approx(
        0.75
    )
    assert caps == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-4])


# The data set


def test_a_changed_data_set_is_said_and_drawn_afresh(fake_dataset, tmp_path, no_pictures):
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    run, said = Run(tmp_path / "run"), []
    quietly(folder, run, FAST.replace(max_steps=2))
    assert load_checkpoint(run.current_model).sampler == {
        "epoch": 0,
        "drawn": [[4, 2]],
        "letters": [False, False],
    }
    lines = (folder / "train.txt").read_text().splitlines()
    (folder / "train.txt").write_text("\n".join(lines[:-1]) + "\n")
    train(folder, run, FAST.replace(max_steps=3), log=said.append)
    assert any("changed" in sentence for sentence in said)
    assert load_checkpoint(run.current_model).sampler == {
        "epoch": 0,
        "drawn": [[4, 1]],
        "letters": [False, False],
    }


@pytest.mark.parametrize(
    ("changes", "letters"),
    [({}, False), ({"p_arpabet": 0.0}, True), ({"guidance_weight": 0.0}, True),
     ({"arpabet_first_steps": 0}, True)],
)  # fmt: skip
def test_phones_come_first_where_attention_is_guided(
    changes, letters, fake_dataset, tmp_path, no_pictures
):
    run = Run(tmp_path / "run")
    quietly(fake_dataset, run, FAST.replace(max_steps=1, **changes))
    assert load_checkpoint(run.current_model).sampler["letters"] == [letters, letters]


def test_a_data_set_that_moved_is_the_same(fake_dataset, tmp_path, no_pictures):
    run, said = Run(tmp_path / "run"), []
    quietly(fake_dataset, run, FAST.replace(max_steps=2))
    folder = shutil.copytree(fake_dataset, tmp_path / "elsewhere")
    train(folder, run, FAST.replace(max_steps=3), log=said.append)
    assert not any("changed" in sentence for sentence in said)
    saved = load_checkpoint(run.current_model)
    assert saved.sampler == {"epoch": 1, "drawn": [], "letters": [False, False]}
    assert saved.dataset == str(folder)


def test_several_folders_train_together(fake_dataset, tmp_path, no_pictures):
    other = shutil.copytree(fake_dataset, tmp_path / "data")  # the same refs
    run, said = Run(tmp_path / "run"), []
    both = [fake_dataset, other]
    train(both, run, FAST.replace(max_steps=5), log=said.append)
    assert any("22 clips to learn from, 6 to validate on" in sentence for sentence in said)
    saved = load_checkpoint(run.current_model)
    assert saved.sampler == {"epoch": 0, "drawn": [[4, 5]], "letters": [False, False]}
    assert saved.dataset_folders == both
    train(both, run, FAST.replace(max_steps=6), log=said.append)
    assert not any("changed" in sentence for sentence in said)
    assert load_checkpoint(run.current_model).sampler == {
        "epoch": 1,
        "drawn": [],
        "letters": [False, False],
    }
    train(fake_dataset, run, FAST.replace(max_steps=7), log=said.append)
    assert any("changed" in sentence for sentence in said)


def test_a_folder_named_twice_is_refused(fake_dataset, tmp_path, no_pictures):
    with pytest.raises(FilelistError, match="twice"):
        quietly([fake_dataset, fake_dataset], Run(tmp_path / "run"), FAST)
    assert nothing_was_made(tmp_path / "run")


def test_mean_frame_and_lexicon_are_in_the_checkpoint(trained_run, fake_dataset):
    saved = load_checkpoint(trained_run.run.current_model)
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    assert torch.equal(saved.mean_frame, data.mean_frame)
    assert saved.lexicon["fade"] == "F EY1 D"


def nothing_was_made(folder):
    return not folder.exists() or not any(folder.rglob("*"))


@pytest.mark.parametrize(
    ("breakage", "error", "said"),
    [
        ("lexicon", LexiconError, "lexicon.txt, line 2"),
        ("text", PonytacoError, "can be spoken"),
        ("val text", PonytacoError, "can be spoken"),
        ("wavs", PonytacoError, "clip-002"),
        ("no val", FilelistError, "val.txt"),
    ],
)
def test_broken_data_is_said_before_anything_is_trained_or_made(
    fake_dataset, tmp_path, no_pictures, breakage, error, said
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
    with pytest.raises(error, match=said):
        quietly(folder, Run(tmp_path / "run"), FAST, stop=lambda: steps.append(1))
    assert not steps and nothing_was_made(tmp_path / "run")


@pytest.mark.parametrize("change", [{"cleaner": "spanish"}, {"device": "cuda:99"}])
def test_a_setting_that_cannot_be_is_said_before_anything_is_made(
    fake_dataset, tmp_path, no_pictures, change
):
    with pytest.raises(ConfigError, match=next(iter(change.values()))):
        quietly(fake_dataset, Run(tmp_path / "run"), FAST.replace(**change))
    assert nothing_was_made(tmp_path / "run")


def test_all_clips_too_long_is_a_sentence(fake_dataset, tmp_path, no_pictures):
    with pytest.raises(FilelistError, match="max_clip_seconds"):
        quietly(fake_dataset, Run(tmp_path / "run"), FAST.replace(max_clip_seconds=0.2))
    assert nothing_was_made(tmp_path / "run")


def test_unknown_devices_are_refused(fake_dataset, tmp_path):
    with pytest.raises(ConfigError, match="toaster"):
        quietly(fake_dataset, Run(tmp_path / "run"), FAST.replace(device="toaster"))


# Warm start


def test_a_warm_start_begins_with_the_other_weights(
    fake_dataset, tmp_path, no_pictures, trained_run
):
    said = []
    run = Run(tmp_path / "run")
    config = trained_run.config.replace(max_steps=1, learning_rate=1e-9, weight_decay=0.0)
    train(fake_dataset, run, config, warm_start_from=trained_run.run.current_model, log=said.append)
    source = load_checkpoint(trained_run.run.current_model)
    started = load_checkpoint(run.current_model)
    for name, _ in new_model(config).named_parameters():
        torch.testing.assert_close(
            started.state_dict[name], source.state_dict[name], rtol=0, atol=1e-6
        )
    assert started.run_state.step == 1  # a new run, not a continued one
    assert any("Warm start" in sentence for sentence in said)


def test_a_warm_start_does_not_undo_a_resume(fake_dataset, tmp_path, no_pictures, trained_run):
    run = Run(tmp_path / "run")
    quietly(fake_dataset, run, FAST.replace(max_steps=1))
    said = []
    config, elsewhere = FAST.replace(max_steps=2), tmp_path / "not there"
    result = train(fake_dataset, run, config, warm_start_from=elsewhere, log=said.append)
    assert result.step == 2
    assert any("The warm start is ignored" in sentence for sentence in said)


def test_a_failed_warm_start_leaves_nothing(fake_dataset, tmp_path, no_pictures):
    with pytest.raises(RunError, match="not there"):
        quietly(fake_dataset, Run(tmp_path / "run"), FAST, warm_start_from=tmp_path / "not there")
    assert nothing_was_made(tmp_path / "run")


# A full disk


def test_a_disk_full_of_pictures_does_not_cost_the_weights(fake_dataset, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(session_module, "save_pictures", fail)
    run, said = Run(tmp_path), []
    train(fake_dataset, run, FAST.replace(max_steps=2, validate_every=1), log=said.append)
    assert sum("No space left" in sentence for sentence in said) == 1
    assert load_checkpoint(run.current_model).run_state.step == 2


def test_settings_of_a_run_survive_a_full_disk(fake_dataset, tmp_path, no_pictures):
    run = Run(tmp_path)
    quietly(fake_dataset, run, FAST.replace(max_steps=1))
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises((OSError, PonytacoError)), no_file_larger_than(100):
        quietly(fake_dataset, run, FAST.replace(max_steps=2))
    assert before == {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


# Validation


@pytest.fixture(scope="module")
def validated(trained_run, fake_dataset):
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    return load_checkpoint(trained_run.run.current_model).build_model(), data


def test_a_validation_changes_nothing(validated, trained_run):
    model, data = validated
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    numbers = rng_state()
    model.train()  # as a training step leaves it
    first = validate(model, data.val, trained_run.config, 60, CPU)
    assert_same(numbers, rng_state())
    assert_same(weights, dict(model.state_dict()))
    torch.rand(3)
    second = validate(model, data.val, trained_run.config, 60, CPU)
    assert first.loss == second.loss
    np.testing.assert_array_equal(first.first_clip.predicted_mel, second.first_clip.predicted_mel)


def test_in_a_validation_too_the_gate_counts_only_at_a_texts_end(
    validated, trained_run, monkeypatch
):
    model, data = validated
    infer, given = model.infer, []

    def spy(text, text_lengths, **options):
        given.append((text, text_lengths, options["may_stop_from"]))
        return infer(text, text_lengths, **options)

    monkeypatch.setattr(model, "infer", spy)
    validate(model, data.val, trained_run.config, 60, CPU)
    ((text, lengths, ends),) = given
    for ids, length, end in zip(text.tolist(), lengths, ends, strict=True):
        assert sum(spoken_symbols(ids[end:length])) == 3
        assert spoken_symbols(ids)[end]


def without_prenet_dropout(run):
    """Its dropout stays on in validation, so that other batches would have other losses."""
    checkpoint = load_checkpoint(run.current_model)
    checkpoint.config = checkpoint.config.replace(p_prenet_dropout=0.0)
    return checkpoint.build_model()


def test_the_validations_loss_is_the_mean_over_all_frames(trained_run, validated):
    model, data = without_prenet_dropout(trained_run.run), validated[1]
    config = trained_run.config.replace(batch_size=1)
    frames = np.array(data.val.lengths)
    alone = [loss_of(model, data.val, index) for index in range(3)]
    assert len(set(frames)) > 1
    expected = float((frames * alone).sum() / frames.sum())
    assert validate(model, data.val, config, 60, CPU).loss == pytest.approx(expected, rel=1e-5)


def test_the_validations_loss_is_the_same_for_any_batch_size(trained_run, validated):
    """Of clips of equal length: padding reaches its neighbours, as in the published models."""
    model, data = without_prenet_dropout(trained_run.run), validated[1]
    alike = [i for i in range(11) if len(data.train[Pick(i, True)][0]) == 8][:5]
    mels = [data.train.mels[i][:50] for i in alike]
    assert len(alike) == 5 and all(len(mel) == 50 for mel in mels)
    clips = ClipDataset(
        [data.train.clips[i] for i in alike],
        mels,
        [None] * 5,
        SYMBOLS,
        "english",
        CONFIG.audio,
    )
    losses, scores = [], []
    for batch_size in (1, 2, 3, 5):
        config = trained_run.config.replace(batch_size=batch_size)
        validation = validate(model, clips, config, 60, CPU)
        losses.append(validation.loss)
        scores.append(validation.teacher_forced.focus)
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-5)
    assert scores == pytest.approx([scores[0]] * 4, rel=1e-4)


def loss_of(model, dataset, index):
    batch = collate([dataset[Pick(index, True)]])
    with torch.no_grad():
        out = model(batch.text, batch.text_lengths, batch.mel, batch.mel_lengths)
    arguments = (out.mel, out.mel_postnet, out.gate, batch.mel, batch.mel_lengths)
    return float(tacotron_loss(*arguments, CONFIG.train.gate_weight).total)


def test_a_validations_row_is_in_the_historys_columns(trained_run):
    for validation in trained_run.validations:
        row = validation.history_row()
        assert set(row) <= set(Column)
        assert json.loads(json.dumps(row)) == row
        assert row["forced_aligned"] == validation.teacher_forced.aligned
        assert row["aligned"] == validation.free.aligned
        assert row["in_order"] == validation.teacher_forced.in_order
        assert row["free_in_order"] == validation.free.in_order
        assert 0 <= validation.stopped <= 1
        assert validation.first_clip.target_mel.shape[0] == 80
