"""Listening in training, by fake judges."""

import random

import numpy as np
import pytest
import torch
from support.judges import EchoJudges
from support.training import CONFIG, assert_same, train_quietly
from support.validations import validations

import ponytaco.training.listening as listening_module
import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.config import AudioConfig
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import read_datasets
from ponytaco.runs.folder import Run
from ponytaco.runs.history import Column, read_history
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.listening import Listener
from ponytaco.training.loop import train

pytestmark = pytest.mark.usefixtures("no_pictures")

CPU = torch.device("cpu")
MELS = [torch.zeros(80, 40), torch.zeros(80, 30)]
LONG_AGO = 1e6  # seconds of training: there is time to listen


class SequenceJudges(EchoJudges):
    """Hear nothing but what a test says, one text a listening; the clips come first."""

    def __init__(self, *texts):
        super().__init__()
        self.texts = iter(texts)

    def listen(self, waveforms, sample_rate):
        # Judges may draw random numbers; the run must not notice.
        torch.rand(3), random.random()
        text = next(self.texts)
        self._transcribe = lambda sounds: [text] * len(sounds)
        return super().listen(waveforms, sample_rate)


def silent_vocoder(mel):
    return torch.zeros(len(mel), 256 * mel.shape[-1])


@pytest.fixture
def judges(monkeypatch):
    """Return a function that installs judges, which hear these texts."""

    def install(*texts, judges=None):
        found = judges or SequenceJudges(*texts)
        monkeypatch.setattr(listening_module, "is_installed", lambda: True)
        monkeypatch.setattr(listening_module.judge, "open_judges", lambda: found)
        monkeypatch.setattr(listening_module, "open_vocoder", lambda *a, **k: silent_vocoder)

    return install


@pytest.fixture(scope="module")
def data(fake_dataset):
    return open_datasets(read_datasets([fake_dataset]), AudioConfig(), SYMBOLS, "english")


@pytest.fixture
def listener(data, tmp_path):
    log = []
    made = lambda **settings: Listener(  # noqa: E731
        Run(tmp_path), CONFIG.replace(**settings), data, CPU, log.append
    )
    made.log = log
    return made


def test_it_hears_the_voice_beside_the_clips(judges, listener, data):
    first = data.val.clips[0].text
    judges(" ".join(c.text for c in data.val.clips[:1]), "nothing of it")
    state = RunState(seconds=LONG_AGO)
    heard = listener().hear(MELS[:1], True, state)
    assert heard.clips.understood == 1.0 and heard.voice.understood == 0.0, first
    assert "0 % of words understood (the clips: 100 %), MOS 2.0 (2.0)" in str(heard)
    row = heard.history_row()
    assert row[Column.UNDERSTOOD] == 0 and row[Column.CLIPS_UNDERSTOOD] == 1
    assert row[Column.LISTENING_SHARE] == heard.share < 0.01


def test_it_keeps_to_its_share_of_the_time(judges, listener, monkeypatch):
    judges(*["bad"] * 20)
    clock = iter(range(0, 10_000, 10))  # each listening takes ten seconds
    monkeypatch.setattr(listening_module.time, "monotonic", lambda: float(next(clock)))
    ears, state = listener(listening_share=0.05), RunState()
    for state.seconds in range(0, 4000, 20):
        ears.hear(MELS, True, state)
        assert state.listening_seconds <= 0.05 * max(state.seconds, 1)
    assert state.listening_seconds >= 0.04 * state.seconds


@pytest.mark.parametrize(
    ("aligned", "mels", "settings"),
    [(False, MELS, {}), (True, [], {}), (True, MELS, {"listening_share": 0.0})],
)
def test_what_cannot_be_understood_is_not_listened_to(judges, listener, aligned, mels, settings):
    judges("bad", "bad")
    state = RunState(seconds=LONG_AGO)
    assert listener(**settings).hear(mels, aligned, state) is None
    assert state.listening_seconds == 0


def test_without_the_packages_nobody_listens_and_nothing_is_said(listener):
    ears = listener()
    assert not ears.is_active and ears.hear(MELS, True, RunState(seconds=LONG_AGO)) is None
    assert not listener.log


def test_a_judge_that_fails_ends_the_listening_alone(judges, listener):
    judges()  # nothing to hear: StopIteration
    ears, state = listener(), RunState(seconds=LONG_AGO)
    assert ears.hear(MELS, True, state) is None and not ears.is_active
    assert "The judges cannot listen" in listener.log[-1]
    assert "Training continues" in listener.log[-1]


def test_random_numbers_stay_as_they_were(judges, listener):
    judges("bad", "bad")
    torch.manual_seed(3), random.seed(3)
    expected = torch.rand(2), random.random()
    torch.manual_seed(3), random.seed(3)
    listener().hear(MELS, True, RunState(seconds=LONG_AGO))
    assert_same((torch.rand(2), random.random()), expected)


def spoken_validations(*found):
    """Validations with speech, as ``validations`` makes them."""
    fake = validations(*found)

    def validate(*args):
        validation = fake(*args)
        object.__setattr__(validation, "spoken", MELS)
        return validation

    return validate


@pytest.fixture
def always(monkeypatch):
    """Let there be time to listen at every validation."""
    monkeypatch.setattr(listening_module, "_FIRST_SECONDS", {"cpu": 0.0})
    monkeypatch.setattr(Listener, "_expected_seconds", property(lambda s: 0.0, lambda s, v: None),
                        raising=False)  # fmt: skip
    return CONFIG.replace(max_steps=3, validate_every=1, listening_share=1.0)


def test_the_run_keeps_the_voice_that_is_understood_best(
    judges, always, fake_dataset, tmp_path, data, monkeypatch
):
    whole = data.val.clips[0].text
    some = whole.split()[0]
    judges(whole, some, whole, "")
    monkeypatch.setattr(
        session_module, "validate", spoken_validations((0.9, True), (0.2, True), (0.99, True))
    )
    run, seen = Run(tmp_path / "run"), []
    train_quietly(fake_dataset, run, always, on_validation=seen.append)
    best = load_checkpoint(run.best_model).run_state
    assert best.step == best.best_step == 2
    assert best.best_understood == seen[1].understood > seen[0].understood
    rows = [row for row in read_history(run.history) if Column.UNDERSTOOD in row]
    assert [row[Column.STEP] for row in rows] == [1, 2, 3]
    assert all(validation.spoken == () for validation in seen)
    # Resumed, the bar is where it was.
    state = load_checkpoint(run.current_model).run_state
    assert state.best_understood == best.best_understood and state.listening_seconds > 0


def test_listening_changes_nothing_of_the_training(
    judges, always, fake_dataset, tmp_path, monkeypatch
):
    saves = []
    for name, heard in (("deaf", False), ("heard", True)):
        if heard:
            judges(*["bad"] * 9)
        found = spoken_validations(*[(0.5, True)] * 3)
        monkeypatch.setattr(session_module, "validate", found)
        run = Run(tmp_path / name)
        train_quietly(fake_dataset, run, always)
        saves.append(load_checkpoint(run.current_model))
    deaf, heard = saves
    assert_same(deaf.trained, heard.trained)
    assert_same(deaf.rng, heard.rng)
    assert_same(deaf.optimizer, heard.optimizer)
    assert heard.run_state.listening_seconds > deaf.run_state.listening_seconds == 0


def test_judges_that_fail_do_not_stop_the_training(
    judges, always, fake_dataset, tmp_path, monkeypatch
):
    judges()
    monkeypatch.setattr(session_module, "validate", spoken_validations(*[(0.5, True)] * 3))
    log = []
    result = train(fake_dataset, tmp_path / "run", always, log=log.append)
    assert result.finished and sum("judges cannot listen" in sentence for sentence in log) == 1


def test_a_real_validation_is_listened_to(judges, always, fake_dataset, tmp_path, monkeypatch):
    """With the mels that the model speaks, though nothing is aligned in three steps."""
    judges(*["bad"] * 9)
    heard = []
    hear = Listener.hear
    monkeypatch.setattr(
        Listener, "hear",
        lambda self, mels, aligned, state: heard.append(mels) or hear(self, mels, True, state),
    )  # fmt: skip
    seen = []
    train_quietly(fake_dataset, Run(tmp_path / "run"), always, on_validation=seen.append)
    assert all(validation.heard is not None for validation in seen)
    n_mels = CONFIG.audio.n_mels
    assert all(len(mels) == 3 and mels[0].shape[0] == n_mels for mels in heard)
    assert all(np.isfinite(mel.numpy()).all() for mels in heard for mel in mels)
