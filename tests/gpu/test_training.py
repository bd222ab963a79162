"""Runs on a GPU: they learn, save, and resume after a stop or a kill as if nothing happened."""

import os
import random
import signal
import time
import warnings

import pytest
import torch
from support.distances import distance
from support.sessions import Sessions
from support.training import disturb_random_numbers, stop_after, train_quietly
from support.validations import validations

import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.loop import train
from ponytaco.training.rng import rng_state, set_rng_state

pytestmark = pytest.mark.gpu

# Everything that is random, or kept in the state, before a voice is aligned is on.
CONFIG = preset("tiny").replace(
    batch_size=4, max_steps=24, validate_every=10, drop_frame_rate=0.3, gaf_every=3,
    p_arpabet=0.5, arpabet_first_steps=10, max_gaf=0.4,
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)


@pytest.fixture(params=["as it is", "deterministic"])
def mode(request):
    """With and without those algorithms of cuDNN that always sum in one order."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = request.param == "deterministic"
    yield request.param
    torch.backends.cudnn.deterministic = before


def weights_apart(one, other):
    """Return the distance of the weights of two saves; 0.0 only if all are equal to the bit."""
    pairs = [
        (value, other.trained[name])
        for name, value in one.trained.items()
        if value.is_floating_point()
    ]
    if all(torch.equal(a, b) for a, b in pairs):
        return 0.0
    ours, theirs = (
        torch.cat([tensor.double().flatten() for tensor in side])
        for side in zip(*pairs, strict=True)
    )
    return distance(ours, theirs)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_resumed_run_is_the_uninterrupted_one(
    fake_dataset, tmp_path, device, measured, mode, precision
):
    """To the bit if the GPU repeats a run to the bit; else it differs by no more than that."""
    if device.type == "cpu" and precision == "float16":
        pytest.skip("refused on a CPU")
    config = CONFIG.replace(device=str(device), precision=precision)
    for name in ("one", "other"):
        train_quietly(fake_dataset, Run(tmp_path / name), config)
    result = train_quietly(fake_dataset, Run(tmp_path / "resumed"), config, stop=stop_after(13))
    assert (result.step, result.finished) == (13, False)
    disturb_random_numbers()
    assert train_quietly(fake_dataset, Run(tmp_path / "resumed"), config).finished
    one, other, resumed = (
        load_checkpoint(Run(tmp_path / name).current_model) for name in ("one", "other", "resumed")
    )
    repeated, apart = weights_apart(other, one), weights_apart(resumed, one)
    measured("repeated", repeated or "is the same to the bit")
    measured("resumed", apart or "is the same to the bit")
    assert one.sampler == resumed.sampler and one.run_state.step == resumed.run_state.step == 24
    # Wrong random numbers, or a lost moment of the optimizer, would make hundredths.
    assert apart == 0 if repeated == 0 else apart < 10 * repeated + 1e-6
    if apart == 0:
        for name in one.rng:
            assert all(map(same, one.rng[name], resumed.rng[name])), name


def same(one, other):
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_wrong_random_numbers_would_show(fake_dataset, tmp_path, device, measured, monkeypatch):
    """The test above must tell them from rounding."""
    config = CONFIG.replace(device=str(device), precision="float32")
    train_quietly(fake_dataset, Run(tmp_path / "one"), config)
    train_quietly(fake_dataset, Run(tmp_path / "resumed"), config, stop=stop_after(13))
    monkeypatch.setattr(
        "ponytaco.training.session.set_rng_state", lambda *args: disturb_random_numbers()
    )
    train_quietly(fake_dataset, Run(tmp_path / "resumed"), config)
    one, resumed = (load_checkpoint(Run(tmp_path / n).current_model) for n in ("one", "resumed"))
    measured("resumed with other random numbers", weights_apart(resumed, one))
    assert weights_apart(resumed, one) > 1e-4


def test_an_aligned_run_with_a_smaller_reduction_factor_resumes(
    fake_dataset, tmp_path, device, measured, monkeypatch
):
    config = CONFIG.replace(
        device=str(device), precision="float32", max_steps=8, validate_every=1,
        p_teacher_forcing=0.5, teacher_forcing_fade_steps=1, teacher_forcing_window=6,
        n_frames_per_step=3, reduce_frames_to="2,1", reduce_frames_after=2,
    )  # fmt: skip
    torch.backends.cudnn.deterministic = True
    saves = []
    for name, split in (("straight", None), ("resumed", 4)):
        monkeypatch.setattr(session_module, "validate", validations(*((0.5, True),) * 9))
        run = Run(tmp_path / name)
        if split:
            train_quietly(fake_dataset, run, config, stop=stop_after(split))
            disturb_random_numbers()
        train_quietly(fake_dataset, run, config)
        saves.append(load_checkpoint(run.current_model))
    torch.backends.cudnn.deterministic = False
    assert [save.config.model.n_frames_per_step for save in saves] == [1, 1]
    measured("resumed apart by", weights_apart(*saves))
    assert weights_apart(*saves) < 1e-4


def test_restored_random_numbers_are_the_next_ones(device):
    torch.rand(3, device=device)
    state = rng_state(device)
    assert ("cuda" in state) == (device.type == "cuda")

    def draw():
        return torch.rand(3), torch.rand(5, device=device), random.random()

    expected = draw()
    disturb_random_numbers()
    set_rng_state(state, device)
    for one, other in zip(draw(), expected, strict=True):
        assert same(one, other)


def test_a_run_moves_from_device_to_device(fake_dataset, tmp_path, device):
    run, cpu = Run(tmp_path), CONFIG.replace(device="cpu")
    train_quietly(fake_dataset, run, cpu.replace(max_steps=3))
    there = CONFIG.replace(device=str(device), precision="auto")
    train_quietly(fake_dataset, run, there.replace(max_steps=6))
    saved = load_checkpoint(run.current_model)
    assert ("cuda" in saved.rng) == (device.type == "cuda")
    # A save can be read without a GPU.
    assert {value.device.type for value in saved.trained.values()} == {"cpu"}
    moments = [v for state in saved.optimizer["state"].values() for v in state.values()]
    assert {value.device.type for value in moments} == {"cpu"}
    assert train_quietly(fake_dataset, run, cpu.replace(max_steps=9)).finished
    assert [row["step"] for row in read_history(run.history)] == [3, 6, 9]


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_it_learns(fake_dataset, tmp_path, device, measured, precision):
    config = CONFIG.replace(
        device=str(device), precision=precision, max_steps=60, validate_every=30,
        learning_rate=3e-3, p_head_dropout=0.0,
    )  # fmt: skip
    reports, found, messages = [], [], []
    result = train(
        fake_dataset, Run(tmp_path), config, log=messages.append, on_step=reports.append,
        on_validation=found.append,
    )  # fmt: skip
    assert result.finished and f"on {device}" in " ".join(messages)
    losses = [report.losses["loss"] for report in reports]
    measured("loss", f"{losses[0]:.2f} to {losses[-1]:.2f}")
    measured("ms a step", 1000 * reports[-1].seconds_per_step)
    assert losses[-1] < 0.8 * losses[0]
    assert found[-1].loss < found[0].loss
    assert not any(report.skipped_steps for report in reports) or precision == "auto"


def test_no_warnings(fake_dataset, tmp_path, device):
    """A hobbyist can do nothing about torch's warnings, and takes them for errors."""
    config = CONFIG.replace(device=str(device), max_steps=4, validate_every=2)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        train_quietly(fake_dataset, Run(tmp_path), config)
    assert not [str(w.message)[:300] for w in warned if issubclass(w.category, UserWarning)]


def test_loader_workers(fake_dataset, tmp_path, device):
    config = CONFIG.replace(device=str(device), max_steps=8, loader_workers=2)
    assert train_quietly(fake_dataset, Run(tmp_path), config).finished


def test_a_terminated_run_is_saved(fake_dataset, tmp_path, device):
    config = CONFIG.replace(device=str(device), max_steps=50)
    result = train_quietly(
        fake_dataset, Run(tmp_path), config,
        on_step=lambda report: os.kill(os.getpid(), signal.SIGTERM),
    )  # fmt: skip
    assert (result.step, result.finished) == (10, False)
    assert load_checkpoint(Run(tmp_path).current_model).run_state.step == 10


def test_a_killed_run_resumes(fake_dataset, tmp_path, device):
    """Sessions are processes of their own, forked before anything touches the GPU."""
    config = CONFIG.replace(
        device=str(device), max_steps=12, validate_every=100, save_every_minutes=1e-6
    )
    log = tmp_path / "log"
    with Sessions(fake_dataset) as sessions:
        pid = sessions.start(tmp_path / "run", None, log, config)
        deadline = time.monotonic() + 60
        while "saved 3" not in (log.read_text() if log.is_file() else ""):
            assert time.monotonic() < deadline, log.read_text() if log.is_file() else "no log"
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        assert sessions.end() == -signal.SIGKILL
        sessions.start(tmp_path / "run", None, tmp_path / "second", config)
        assert sessions.end() == 0
    second = (tmp_path / "second").read_text()
    assert "Resuming run at step" in second and second.endswith("done\n")
    assert load_checkpoint(tmp_path / "run" / "current_model").run_state.step == 12
