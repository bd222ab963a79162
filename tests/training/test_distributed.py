"""Training by several processes, which are forked and communicate over the loopback."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from support.paths import ROOT
from support.processes import in_processes

import ponytaco.data.mel_cache as mels_module
import ponytaco.training.loop as loop_module
import ponytaco.training.session as session_module
import ponytaco.training.step as step_module
from ponytaco.checkpoint.format import load_checkpoint, new_model
from ponytaco.cli import main
from ponytaco.config import ConfigError
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import FilelistError, read_dataset
from ponytaco.data.loader import training_batches
from ponytaco.data.sampler import BucketSampler
from ponytaco.device import choose_device
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.distributed import ALONE, RanksError, joined
from ponytaco.training.loop import train
from ponytaco.training.optimizer import make_optimizer
from ponytaco.training.step import train_step

CONFIG = preset("tiny").replace(
    batch_size=2, max_steps=4, validate_every=100, drop_frame_rate=0.3, guidance_weight=2.0,
    p_arpabet=0.5, prenet_dim=16, attention_rnn_dim=24, decoder_rnn_dim=24, device="cpu",
    gaf_every=3, max_gaf=1e9,
)  # fmt: skip
# Without dropouts and other random changes.
PLAIN = CONFIG.replace(
    drop_frame_rate=0.0, attention_forcing=0.0, max_grad_norm=1e9,
    **{f.name: 0.0 for f in dataclasses.fields(CONFIG.model) if f.name.startswith("p_")},
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def data(fake_dataset):
    return open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")


def freeze_batch_norms(model):
    """Make batch norms use the running statistics: those of a batch are each process's own."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.train = lambda mode, module=module: module
            module.training = False


# A step


def step_of(
    ranks, data, n_clips, config, *, step=0, n_micro_batches=1, batch_norms=False, spoil=None
):
    """Take one step on this process's shard of the first clips, and return its results."""
    torch.manual_seed(0)
    model = new_model(config)
    if not batch_norms:
        freeze_batch_norms(model)
    per_rank = -(-4 // ranks.count)
    sampler = BucketSampler(
        data.train.lengths[:n_clips], per_rank, 0, 1.0, rank=ranks.rank, n_ranks=ranks.count
    )
    batch = next(training_batches(data.train, sampler, 0))
    if spoil == ranks.rank:
        batch.mel[0, 3, 2] = float("nan")
    optimizer, gaf = make_optimizer(model, config.train), torch.tensor(0.3)
    arguments = (model, optimizer, batch, config.train, RunState(step=step), gaf, data.mean_frame)
    losses = train_step(*arguments, None, n_micro_batches, ranks=ranks)
    return {
        "gradients": {n: p.grad for n, p in model.named_parameters() if p.grad is not None},
        "losses": {name: float(value) for name, value in losses.values.items()},
        "skipped": bool(losses.skipped),
        "gaf": float(losses.gaf),
        "state": dict(model.state_dict()),
    }


def same_state(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


CASES = {
    "a refreshing step": (4, dict(step=0)),
    "a plain step": (4, dict(step=1)),
    "in micro-batches": (4, dict(step=1, n_micro_batches=2)),
    "uneven shards": (3, dict(step=0)),
    "fewer clips than processes": (1, dict(step=0)),
}


def test_two_processes_have_the_gradients_of_one(data):
    """One process has twice the batch size. Frames, clips and guided steps have equal weights."""

    def work(ranks):
        return [step_of(ranks, data, n, PLAIN, **options) for n, options in CASES.values()]

    first, second = in_processes(work)
    for case, (n, options), one, other in zip(CASES, CASES.values(), first, second, strict=True):
        whole = step_of(ALONE, data, n, PLAIN, **{**options, "n_micro_batches": 1})
        assert one["gaf"] == other["gaf"] == pytest.approx(whole["gaf"], rel=1e-4), case
        assert 0 < whole["gaf"] < 1e9
        assert one["losses"] == other["losses"] == pytest.approx(whole["losses"], rel=1e-4), case
        assert same_state(one["state"], other["state"]), case
        assert one["gradients"].keys() == whole["gradients"].keys()
        for name, gradient in whole["gradients"].items():
            assert torch.equal(one["gradients"][name], other["gradients"][name])
            torch.testing.assert_close(
                one["gradients"][name], gradient, rtol=1e-3, atol=2e-5, msg=f"{case}: {name}"
            )


def test_batch_norm_statistics_are_means_over_the_processes(data):
    def work(ranks):
        together = step_of(ranks, data, 4, PLAIN, batch_norms=True)
        # The same clips without communication: this process's own statistics.
        alone = BucketSampler(data.train.lengths[:4], 2, 0, 1.0, 0, ranks.rank, 2)
        torch.manual_seed(0)
        model = new_model(PLAIN)
        batch = next(training_batches(data.train, alone, 0))
        optimizer, gaf = make_optimizer(model, PLAIN.train), torch.tensor(0.0)
        train_step(model, optimizer, batch, PLAIN.train, RunState(), gaf, data.mean_frame)
        return together["state"], dict(model.state_dict())

    (one, own), (other, others) = in_processes(work)
    assert same_state(one, other)
    means = [name for name in one if name.endswith(("running_mean", "running_var"))]
    assert means
    for name in means:
        assert not torch.equal(own[name], others[name])
        torch.testing.assert_close(one[name], (own[name] + others[name]) / 2)


def test_a_step_that_is_not_finite_on_one_is_skipped_by_all(data):
    def work(ranks):
        torch.manual_seed(0)
        before = {name: value.clone() for name, value in new_model(CONFIG).state_dict().items()}
        steps = [
            step_of(ranks, data, 4, CONFIG, step=step, batch_norms=True, spoil=1) for step in (0, 1)
        ]
        return [(s["skipped"], s["gaf"], same_state(before, s["state"])) for s in steps]

    assert in_processes(work) == [[(True, pytest.approx(0.3), True)] * 2] * 2


# A training


def logged(ranks, folder, run, config, **options):
    """Train, and return the clips of each step, the messages and the number of reports."""
    clips, messages, reports = [], [], []
    original = BucketSampler.shard

    def shard(sampler, batch):
        own = original(sampler, batch)
        clips.append([pick.clip for pick in own])
        return own

    BucketSampler.shard = shard
    try:
        result = train(
            folder, run, config, ranks=ranks, log=messages.append, on_step=reports.append, **options
        )
    finally:
        BucketSampler.shard = original
    return {"step": result.step, "clips": clips, "messages": messages, "reports": len(reports)}


def stop_after(n_steps, rank):
    """Return a ``stop`` that is true on one process after so many steps."""
    asked = []

    def stop(ranks):
        asked.append(1)
        return ranks.rank == rank and len(asked) >= n_steps

    return stop


def clips_of(*sessions):
    return sorted(clip for session in sessions for clips in session["clips"] for clip in clips)


def test_a_run_resumes_with_another_number_of_processes(fake_dataset, tmp_path):
    """Of 11 clips, one process takes a batch, two processes take two, and one takes the rest."""
    run = Run(tmp_path / "run-0")

    def together(ranks):
        # Each has a folder of its own; the second one's must never be made.
        own = Run(tmp_path / f"run-{ranks.rank}") if ranks.rank else run
        stop = stop_after(2, rank=1)
        return logged(ranks, fake_dataset, own, CONFIG, stop=lambda: stop(ranks))

    first = logged(ALONE, fake_dataset, run, CONFIG.replace(max_steps=1))
    one, other = in_processes(together)
    assert one["step"] == other["step"] == 3
    saved = load_checkpoint(run.current_model)
    assert saved.run_state.step == 3
    assert saved.sampler == {"epoch": 0, "drawn": [[2, 1], [4, 2]], "letters": [False, False]}
    assert len(saved.rng["others"]) == 1
    assert not any(name.startswith("module.") for name in saved.state_dict)
    assert other["messages"] == [] and other["reports"] == 0
    assert any("processes 2 (was 1)" in message for message in one["messages"])
    assert sum("Stopped at step 3" in message for message in one["messages"]) == 1
    assert not (tmp_path / "run-1").exists()
    last = logged(ALONE, fake_dataset, run, CONFIG.replace(max_steps=5))
    assert any("processes 1 (was 2)" in message for message in last["messages"])
    assert clips_of(first, one, other, last) == list(range(11))
    assert load_checkpoint(run.current_model).sampler == {
        "epoch": 1,
        "drawn": [],
        "letters": [False, False],
    }
    assert [row["step"] for row in read_history(run.history)] == [1, 5]


def test_two_processes_resume_exactly(fake_dataset, tmp_path):
    """They do so with dropouts, and into the second epoch, whose last batch lacks a clip."""
    config = CONFIG.replace(max_steps=5, max_gaf=0.5)

    def work(ranks):
        straight = Run(tmp_path / "straight")
        sessions = [logged(ranks, fake_dataset, straight, config)]
        run, stop = Run(tmp_path / "run"), stop_after(2, rank=0)
        sessions.append(logged(ranks, fake_dataset, run, config, stop=lambda: stop(ranks)))
        torch.manual_seed(5)
        sessions.append(logged(ranks, fake_dataset, run, config))
        return sessions, torch.rand(3).tolist()

    (first, drawn), (second, others_drawn) = in_processes(work)
    straight, resumed = (
        load_checkpoint(tmp_path / name / "current_model") for name in ("straight", "run")
    )
    assert same_state(straight.state_dict, resumed.state_dict)
    assert same_state(straight.trained, resumed.trained)
    assert straight.sampler == resumed.sampler
    assert drawn != others_drawn  # each has its own random numbers
    epoch = [{"clips": session["clips"][:3]} for session in (first[0], second[0])]
    assert clips_of(*epoch) == list(range(11))
    assert first[0]["clips"] == first[1]["clips"] + first[2]["clips"]
    assert second[0]["clips"] == second[1]["clips"] + second[2]["clips"]


def test_fewer_clips_than_processes_do_not_deadlock(fake_dataset, tmp_path):
    """Of 11 clips, one process takes 2; of the 9 left, two processes take 8, then 1."""
    run = Run(tmp_path / "run")
    first = logged(ALONE, fake_dataset, run, CONFIG.replace(max_steps=1))

    def work(ranks):
        return logged(ranks, fake_dataset, run, CONFIG.replace(batch_size=4, max_steps=3))

    one, other = in_processes(work)
    assert clips_of(first, one, other) == list(range(11))
    assert sorted(len(c) for c in one["clips"] + other["clips"]) == [0, 1, 4, 4]


def test_the_time_limit_of_one_stops_all(fake_dataset, tmp_path):
    def work(ranks):
        config = CONFIG.replace(max_minutes=1e-6 if ranks.rank else 0.0)
        return logged(ranks, fake_dataset, Run(tmp_path / "run"), config)

    one, other = in_processes(work)
    assert one["step"] == other["step"] == 1
    assert load_checkpoint(tmp_path / "run" / "best_model").run_state.step == 1


def test_an_interrupt_of_one_stops_all(fake_dataset, tmp_path):
    def work(ranks):
        stop = stop_after(2, rank=1)

        def interrupt():
            if stop(ranks):
                os.kill(os.getpid(), signal.SIGTERM)
            return False

        return logged(ranks, fake_dataset, Run(tmp_path / "run"), CONFIG, stop=interrupt)

    assert [result["step"] for result in in_processes(work)] == [2, 2]


def test_all_roll_back_if_the_loss_of_one_is_not_finite(fake_dataset, tmp_path, monkeypatch):
    calls = []

    def work(ranks):
        def broken_loss(*args):
            calls.append(1)
            losses = tacotron_loss(*args)
            broken = ranks.rank == 1 and len(calls) in (3, 4)
            return losses._replace(mel=losses.mel * float("nan")) if broken else losses

        step_module.tacotron_loss = broken_loss
        config = CONFIG.replace(validate_every=2, max_steps=5)
        result = logged(ranks, fake_dataset, Run(tmp_path / "run"), config)
        return result["messages"], len(calls)

    monkeypatch.setattr(session_module, "_PATIENCE", 2)
    monkeypatch.setattr(loop_module, "_REPORT_EVERY", 1)
    (messages, n_steps), (nothing, n_others) = in_processes(work)
    assert nothing == [] and n_steps == n_others == 7  # 2, then 2 skipped ones, then 3
    assert any("Back to step 2, with 0.5 times" in message for message in messages)
    saved = load_checkpoint(tmp_path / "run" / "current_model").run_state
    assert (saved.step, saved.skipped_steps, saved.learning_rate_scale) == (5, 2, 0.5)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_all_take_more_micro_batches_if_one_is_out_of_memory(fake_dataset, tmp_path, where):
    def run_out_of_memory(gradient=None):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate")

    def work(ranks):
        sizes = []

        def loss(*args):
            sizes.append(len(args[4]))
            losses = tacotron_loss(*args)
            if ranks.rank == 1 and sizes[-1] > 1:
                if where == "forward":
                    run_out_of_memory()
                losses.mel.register_hook(run_out_of_memory)
            return losses

        step_module.tacotron_loss = loss
        run = Run(tmp_path / "run")
        config = CONFIG.replace(max_steps=2)
        messages = []
        train(fake_dataset, run, config, ranks=ranks, log=messages.append)
        return sum("in 2 micro-batches" in message for message in messages), sizes[:3]

    (n_messages, sizes), (n_others, others) = in_processes(work)
    assert (n_messages, n_others) == (1, 0)
    assert sizes == others == [2, 1, 1]
    assert load_checkpoint(tmp_path / "run" / "current_model").run_state.n_micro_batches == 2


# Errors


def test_out_of_memory_after_the_exchange_is_an_error():
    def work(ranks):
        if ranks.rank:
            return ranks.report_out_of_memory()
        return ranks.any(True)

    error, nothing = in_processes(work)
    assert isinstance(error, RanksError) and "batch_size" in str(error) and nothing is None


def test_an_error_of_the_first_ends_all(tmp_path):
    def work(ranks):
        train(tmp_path / "nowhere", Run(tmp_path / "run"), CONFIG, ranks=ranks)

    one, other = in_processes(work)
    assert isinstance(one, FilelistError) and isinstance(other, RanksError)
    assert "process 0 failed" in str(other)


def test_an_error_of_another_ends_all(fake_dataset, tmp_path):
    def work(ranks):
        folder = tmp_path / "nowhere" if ranks.rank else fake_dataset
        train(folder, Run(tmp_path / "run"), CONFIG, ranks=ranks, log=lambda sentence: None)

    one, other = in_processes(work)
    assert isinstance(other, FilelistError) and isinstance(one, RanksError)
    assert "Process 1" in str(one) and "nowhere" in str(one)


def test_a_process_that_dies_ends_all_and_the_first_one_saves(fake_dataset, tmp_path):
    def work(ranks):
        def on_the_third():
            calls.append(1)
            if len(calls) == 3 and ranks.rank:
                os._exit(1)
            return False

        calls = []
        train(fake_dataset, Run(tmp_path / "run"), CONFIG, ranks=ranks, stop=on_the_third,
              log=lambda sentence: None)  # fmt: skip

    error, death = in_processes(work)
    assert isinstance(error, RanksError) and "has ended" in str(error)
    assert isinstance(death, EOFError)
    assert load_checkpoint(tmp_path / "run" / "current_model").run_state.step == 3


def test_mels_are_computed_once(fake_dataset, tmp_path):
    folder = shutil.copytree(
        fake_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("mels-*")
    )

    def work(ranks):
        if ranks.rank:
            mels_module.load_wav = None  # reading a WAV file here is an error
        return logged(ranks, folder, Run(tmp_path / "run"), CONFIG.replace(max_steps=1))["step"]

    assert in_processes(work) == [1, 1]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "0"}, "WORLD_SIZE"),
        ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "MASTER_ADDR, MASTER_PORT"),
        ({"RANK": "zero", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "MASTER_ADDR"),
        ({"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "a",
          "MASTER_PORT": "1"}, "RANK=x"),
        ({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "a",
          "MASTER_PORT": "1"}, "contradict"),
    ],
)  # fmt: skip
def test_an_incomplete_environment_is_reported(monkeypatch, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RanksError, match=message), joined(on_gpu=False):
        pass


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RanksError, match="nproc_per_node=1"), joined(on_gpu=True):
        pass
    with pytest.raises(ConfigError, match="'auto'"):
        choose_device("cuda:0", local_rank=1)


def test_a_single_process_of_torchrun_does_not_communicate(monkeypatch):
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a",
                        "MASTER_PORT": "1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with joined(on_gpu=False) as ranks:
        assert (ranks.rank, ranks.count) == (0, 1)
        tensors = [torch.ones(2), None]
        assert all(a is b for a, b in zip(ranks.all_reduce(tensors), tensors, strict=True))


# The command


def test_torchrun_trains_and_stops_by_ctrl_c(fake_dataset, tmp_path):
    run = tmp_path / "run"
    settings = ["--preset", "tiny", "--batch-size", "2", "--device", "cpu", "--set",
                "prenet_dim=16", "--set", "max_steps=9999", "--validate-every", "5000"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
         "-m", "ponytaco", "train", fake_dataset, run, *settings],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("step "):
            process.send_signal(signal.SIGINT)
            break
    out, errors = process.communicate(timeout=60)
    lines += out.splitlines()
    assert sum(line.startswith("Starting") for line in lines) == 1, errors
    (stopped,) = [line for line in lines if line.startswith("Stopped at step")]
    step = int(re.sub(r"\D", "", stopped.split(" and ")[0]))
    assert load_checkpoint(run / "current_model").run_state.step == step >= 10
    settings[settings.index("max_steps=9999")] = f"max_steps={step + 1}"
    assert main(["train", str(fake_dataset), str(run), *settings]) == 0
    assert load_checkpoint(run / "current_model").run_state.step == step + 1
