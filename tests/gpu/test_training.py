"""Runs on a GPU: they learn, save, stop, are killed, and go on as if they had not been."""

import os
import random
import signal
import time
import warnings

import pytest
import torch
from support.distances import distance
from support.sessions import Sessions
from support.validations import validations

import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.training.loop import train
from ponytaco.training.rng import rng_state, set_rng_state

pytestmark = pytest.mark.gpu

# Everything random and everything remembered before a voice is aligned is on.
CONFIG = preset("tiny").replace(
    batch_size=4, max_steps=24, validate_every=10, drop_frame_rate=0.3, gaf_every=3,
    p_arpabet=0.5, arpabet_first_steps=10, max_gaf=0.4,
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)


@pytest.fixture(params=["as it is", "deterministic"])
def mode(request):
    """With and without the choice of cuDNN's algorithms that always add up in one order."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = request.param == "deterministic"
    yield request.param
    torch.backends.cudnn.deterministic = before


def quietly(*args, **kwargs):
    return train(*args, log=lambda sentence: None, **kwargs)


def stop_after(n_steps):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) >= n_steps

    return stop


def disturb_random_numbers():
    torch.manual_seed(98765)
    random.seed(98765)


def weights_apart(one, other):
    """How far the weights of two saves are apart; 0.0 only where all are equal to the bit."""
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
    """Exactly where the GPU itself does the same twice; else it differs by no more than that."""
    if device.type == "cpu" and precision == "float16":
        pytest.skip("not every CPU has it")
    config = CONFIG.replace(device=str(device), precision=precision)
    for name in ("one", "other"):
        quietly(fake_dataset, Run(tmp_path / name), config)
    result = quietly(fake_dataset, Run(tmp_path / "parts"), config, stop=stop_after(13))
    assert (result.step, result.finished) == (13, False)
    disturb_random_numbers()
    assert quietly(fake_dataset, Run(tmp_path / "parts"), config).finished
    one, other, parts = (
        load_checkpoint(Run(tmp_path / name).current_model) for name in ("one", "other", "parts")
    )
    twice, resumed = weights_apart(other, one), weights_apart(parts, one)
    measured("twice the same run", twice or "is the same to the bit")
    measured("resumed", resumed or "is the same to the bit")
    assert one.sampler == parts.sampler and one.run_state.step == parts.run_state.step == 24
    # Wrong random numbers, or a lost moment of the optimizer, would be hundredths.
    assert resumed == 0 if twice == 0 else resumed < 10 * twice + 1e-6
    if resumed == 0:
        for name in one.rng:
            assert all(map(same, one.rng[name], parts.rng[name])), name


def same(one, other):
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_a_wrong_random_number_would_be_seen(fake_dataset, tmp_path, device, measured, monkeypatch):
    """What the test above must tell from rounding."""
    config = CONFIG.replace(device=str(device), precision="float32")
    quietly(fake_dataset, Run(tmp_path / "one"), config)
    quietly(fake_dataset, Run(tmp_path / "parts"), config, stop=stop_after(13))
    monkeypatch.setattr(
        "ponytaco.training.session.set_rng_state", lambda *args: disturb_random_numbers()
    )
    quietly(fake_dataset, Run(tmp_path / "parts"), config)
    one, parts = (load_checkpoint(Run(tmp_path / n).current_model) for n in ("one", "parts"))
    measured("resumed with other random numbers", weights_apart(parts, one))
    assert weights_apart(parts, one) > 1e-4


def test_aligned_with_fewer_frames_a_step_and_its_own_frames(
    fake_dataset, tmp_path, device, measured, monkeypatch
):
    config = CONFIG.replace(
        device=str(device), precision="float32", max_steps=8, validate_every=1,
        p_teacher_forcing=0.5, teacher_forcing_fade_steps=1, teacher_forcing_window=6,
        n_frames_per_step=3, reduce_frames_to="2,1", reduce_frames_after=2,
    )  # fmt: skip
    torch.backends.cudnn.deterministic = True
    saves = []
    for name, split in (("straight", None), ("parts", 4)):
        monkeypatch.setattr(session_module, "validate", validations(*((0.5, True),) * 9))
        run = Run(tmp_path / name)
        if split:
            quietly(fake_dataset, run, config, stop=stop_after(split))
            disturb_random_numbers()
        quietly(fake_dataset, run, config)
        saves.append(load_checkpoint(run.current_model))
    torch.backends.cudnn.deterministic = False
    assert [save.config.model.n_frames_per_step for save in saves] == [1, 1]
    measured("resumed apart by", weights_apart(*saves))
    assert weights_apart(*saves) < 1e-4


def test_random_numbers_go_on_where_they_were(device):
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
    quietly(fake_dataset, run, cpu.replace(max_steps=3))
    there = CONFIG.replace(device=str(device), precision="auto")
    quietly(fake_dataset, run, there.replace(max_steps=6))
    saved = load_checkpoint(run.current_model)
    assert ("cuda" in saved.rng) == (device.type == "cuda")
    # What a save holds is read without a GPU.
    assert {value.device.type for value in saved.trained.values()} == {"cpu"}
    moments = [v for state in saved.optimizer["state"].values() for v in state.values()]
    assert {value.device.type for value in moments} == {"cpu"}
    assert quietly(fake_dataset, run, cpu.replace(max_steps=9)).finished
    assert [row["step"] for row in read_history(run.history)] == [3, 6, 9]


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_it_learns(fake_dataset, tmp_path, device, measured, precision):
    config = CONFIG.replace(
        device=str(device), precision=precision, max_steps=60, validate_every=30,
        learning_rate=3e-3, p_head_dropout=0.0,
    )  # fmt: skip
    reports, found, said = [], [], []
    result = train(
        fake_dataset, Run(tmp_path), config, log=said.append, on_step=reports.append,
        on_validation=found.append,
    )  # fmt: skip
    assert result.finished and f"on {device}" in " ".join(said)
    losses = [report.losses["loss"] for report in reports]
    measured("loss", f"{losses[0]:.2f} to {losses[-1]:.2f}")
    measured("ms a step", 1000 * reports[-1].seconds_per_step)
    assert losses[-1] < 0.8 * losses[0]
    assert found[-1].loss < found[0].loss
    assert not any(report.skipped_steps for report in reports) or precision == "auto"


def test_nothing_is_warned_of(fake_dataset, tmp_path, device):
    """A hobbyist can do nothing about torch's warnings, and takes them for mistakes."""
    config = CONFIG.replace(device=str(device), max_steps=4, validate_every=2)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        quietly(fake_dataset, Run(tmp_path), config)
    assert not [str(w.message)[:300] for w in said if issubclass(w.category, UserWarning)]


def test_loading_processes_beside_the_gpu(fake_dataset, tmp_path, device):
    config = CONFIG.replace(device=str(device), max_steps=8, loader_workers=2)
    assert quietly(fake_dataset, Run(tmp_path), config).finished


def test_a_terminated_run_has_saved(fake_dataset, tmp_path, device):
    config = CONFIG.replace(device=str(device), max_steps=50)
    result = quietly(
        fake_dataset, Run(tmp_path), config,
        on_step=lambda report: os.kill(os.getpid(), signal.SIGTERM),
    )  # fmt: skip
    assert (result.step, result.finished) == (10, False)
    assert load_checkpoint(Run(tmp_path).current_model).run_state.step == 10


def test_a_killed_run_goes_on(fake_dataset, tmp_path, device):
    """In processes of their own, forked before anything touches the GPU."""
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
