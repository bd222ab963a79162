"""A run that is cut off, or fed what is no number, goes on from its last save."""

import dataclasses
import errno
import multiprocessing
import os
import shutil
import signal
import weakref
from types import SimpleNamespace

import pytest
import torch
from support.soak import IS_SOAK

import ponytaco.io.store.store as store_module
import ponytaco.training.loop as training_module
import ponytaco.training.session as session_module
import ponytaco.training.step as step_module
from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, new_model
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.data.loader import collate, training_batches
from ponytaco.data.sampler import Pick
from ponytaco.io.store.files import Files
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.interrupts import interruptible
from ponytaco.training.loop import train
from ponytaco.training.memory import in_micro_batches
from ponytaco.training.step import train_step
from ponytaco.training.validation import validate

CONFIG = preset("tiny").replace(
    batch_size=4, validate_every=1000, drop_frame_rate=0.3, guidance_weight=2.0, p_arpabet=0.5,
    prenet_dim=16, attention_rnn_dim=24, decoder_rnn_dim=24, device="cpu", gaf_every=3,
    save_every_minutes=1e-6,
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)


def same_weights(one, other):
    return all(torch.equal(one.state_dict[name], other.state_dict[name]) for name in one.state_dict)


# A spoilt newest save


@pytest.fixture(scope="module")
def saved_twice(fake_dataset, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("saved") / "run")
    train(fake_dataset, run, CONFIG.replace(max_steps=2), log=lambda sentence: None)
    return run.folder


@pytest.mark.parametrize("how", ["truncated", "a bit flipped", "emptied", "deleted"])
def test_a_spoilt_newest_save_costs_only_itself(fake_dataset, tmp_path, saved_twice, how):
    places = range(100 if IS_SOAK else 3) if how in ("truncated", "a bit flipped") else [0]
    for i in places:
        run, said = Run(tmp_path / f"{i}"), []
        shutil.copytree(saved_twice, run.folder)
        content = bytearray(run.current_model.read_bytes())
        place = len(content) * i // len(places)
        if how == "truncated":
            content = content[:place]
        elif how == "a bit flipped":
            content[place] ^= 16
        run.current_model.write_bytes(b"" if how == "emptied" else content)
        if how == "deleted":
            run.current_model.unlink()
        result = train(fake_dataset, run, CONFIG.replace(max_steps=2), log=said.append)
        assert result.finished
        assert any("Resuming from step 1 " in sentence for sentence in said)
        assert any("Resuming" in sentence and "at step 1," in sentence for sentence in said)
        again, first = (
            load_checkpoint(run.current_model),
            load_checkpoint(saved_twice / "current_model"),
        )
        assert same_weights(again, first)


# What is said when a run goes on


def test_it_is_said_what_is_not_as_it_was(fake_dataset, tmp_path, saved_twice, monkeypatch):
    run, said = Run(tmp_path / "run"), []
    shutil.copytree(saved_twice, run.folder)
    monkeypatch.setattr("ponytaco.training.resume.__version__", "9.9")
    train(fake_dataset, run, CONFIG.replace(max_steps=3, learning_rate=1e-4), log=said.append)
    text = " ".join(said)
    assert "at step 2, saved at 20" in text and str(run.current_model) in text
    assert "max_steps 3 (was 2)" in text and "learning_rate 0.0001 (was 0.002)" in text
    assert "ponytaco 9.9 (was " in text


# Interrupts


def test_an_interrupt_is_answered_at_once_and_a_second_one_obeyed():
    said = []
    with pytest.raises(KeyboardInterrupt), interruptible(said.append) as interrupted:
        assert not interrupted.is_set() and not said
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.is_set()
        assert len(said) == 1 and said[0].startswith("Stopping after this step")
        os.kill(os.getpid(), signal.SIGINT)
    assert len(said) == 1


def test_a_stream_that_is_busy_does_not_end_the_run():
    def busy(sentence):
        raise RuntimeError("reentrant call")

    with interruptible(busy) as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.is_set()


# Errors


def test_an_error_in_the_loop_saves_first(fake_dataset, tmp_path):
    run = Run(tmp_path)

    def fail(report):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(
            fake_dataset, run, CONFIG.replace(save_every_minutes=60.0, max_steps=12), on_step=fail
        )
    assert load_checkpoint(run.current_model).run_state.step == 10


def test_an_error_in_a_step_saves_the_place_before_it(fake_dataset, tmp_path, monkeypatch):
    calls = []

    def fail(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError
        return train_step(*args, **kwargs)

    monkeypatch.setattr(session_module, "train_step", fail)
    config = CONFIG.replace(save_every_minutes=60.0, max_steps=12)
    with pytest.raises(ZeroDivisionError):
        train(fake_dataset, Run(tmp_path), config, log=lambda sentence: None)
    saved = load_checkpoint(tmp_path / "current_model")
    assert (saved.run_state.step, saved.sampler) == (
        2,
        {"epoch": 0, "drawn": [[4, 2]], "letters": [False, False]},
    )


def test_a_mount_that_vanishes_does_not_end_the_run(fake_dataset, tmp_path, monkeypatch):
    run, said = Run(tmp_path / "drive" / "run", tmp_path / "scratch"), []
    monkeypatch.setattr("ponytaco.io.store.store._DELAYS", (0.0,))

    def vanish(report):
        if report.step == 10:
            shutil.rmtree(tmp_path / "drive")
            (tmp_path / "drive").write_text("not connected")

    with pytest.raises(CheckpointError, match="could not be saved"):
        train(fake_dataset, run, CONFIG.replace(max_steps=20), on_step=vanish, log=said.append)
    assert sum("could not be saved" in sentence for sentence in said) == 1
    assert sum("history could not be written" in sentence for sentence in said) == 1
    (left,) = (tmp_path / "scratch").glob("step-*")
    assert load_checkpoint(left).run_state.step == 20  # it went on to its end


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("scratch", [None, "scratch"])
def test_a_disk_that_is_full_for_a_while_does_not_end_the_run(
    fake_dataset, tmp_path, monkeypatch, number, scratch
):
    real, steps, said = Files(), [], []

    def fsync(file):
        if 2 <= len(steps) < 5:
            raise OSError(number, os.strerror(number))
        real.fsync(file)

    monkeypatch.setattr(store_module, "Files", lambda: Files(fsync=fsync))
    monkeypatch.setattr(store_module, "_DELAYS", ())
    monkeypatch.setattr(store_module, "_SHORT_DELAYS", ())
    monkeypatch.setattr(training_module, "_REPORT_EVERY", 1)
    run = Run(tmp_path / "run", scratch and tmp_path / scratch)
    train(fake_dataset, run, CONFIG.replace(max_steps=8), log=said.append, on_step=steps.append)
    assert len(steps) == 8 and load_checkpoint(run.current_model).run_state.step == 8
    assert sum("the last good save is kept" in sentence for sentence in said) == 1
    assert sum("works again" in sentence for sentence in said) == 1


def test_saves_come_by_the_clock(fake_dataset, tmp_path, monkeypatch):
    """Every 2.5 minutes where a step takes one."""
    now, saved = [0.0], []

    def passing(batches):
        for batch in batches:
            now[0] += 60.0
            yield batch

    monkeypatch.setattr(session_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(
        session_module, "training_batches", lambda *args: passing(training_batches(*args))
    )
    write = session_module.write_checkpoint
    monkeypatch.setattr(
        session_module,
        "write_checkpoint",
        lambda path, content: (saved.append(content.run_state.step), write(path, content)),
    )
    config = CONFIG.replace(save_every_minutes=2.5, max_steps=10)
    train(fake_dataset, Run(tmp_path), config, log=lambda sentence: None)
    assert saved == [3, 6, 9, 10]


def test_a_loader_worker_that_dies_is_replaced(fake_dataset, tmp_path, monkeypatch):
    """Killed, as by a machine without memory, in the middle of the first epoch."""
    straight, run, said = Run(tmp_path / "straight"), Run(tmp_path / "run"), []
    config = CONFIG.replace(max_steps=9, batch_size=2)
    train(fake_dataset, straight, config, log=said.append)
    monkeypatch.setattr(training_module, "_REPORT_EVERY", 1)

    def kill(report):
        if report.step == 1:
            (worker,) = multiprocessing.active_children()
            worker.kill()
            worker.join()

    config = config.replace(loader_workers=1)
    train(fake_dataset, run, config, log=said.append, on_step=kill)
    assert sum("process that loads clips died" in sentence for sentence in said) == 1
    one, other = load_checkpoint(run.current_model), load_checkpoint(straight.current_model)
    assert same_weights(one, other)


def test_a_clip_that_cannot_be_read_is_named_and_left_out(fake_dataset, tmp_path):
    folder, said = shutil.copytree(fake_dataset, tmp_path / "data"), []
    (folder / "wavs" / "clip-002.wav").write_bytes(b"RIFF")
    train(folder, Run(tmp_path / "run"), CONFIG.replace(max_steps=1), log=said.append)
    assert any("1 of the clips" in sentence and "clip-002" in sentence for sentence in said)
    assert any("10 clips to learn from" in sentence for sentence in said)


# Numbers that are none


def broken_losses(monkeypatch, is_broken):
    calls = []

    def loss(*args):
        calls.append(1)
        parts = tacotron_loss(*args)
        return parts._replace(gate=parts.gate * float("nan")) if is_broken(len(calls)) else parts

    monkeypatch.setattr(step_module, "tacotron_loss", loss)
    monkeypatch.setattr(session_module, "_PATIENCE", 4)


def test_after_many_a_run_goes_back_at_half_the_rate(fake_dataset, tmp_path, monkeypatch):
    broken_losses(monkeypatch, lambda n: 6 <= n < 10)
    run, said = Run(tmp_path), []
    config = CONFIG.replace(max_steps=10, save_every_minutes=60.0, validate_every=5)
    monkeypatch.setattr(training_module, "_REPORT_EVERY", 1)
    train(fake_dataset, run, config, log=said.append)
    assert any("Back to step 5, at 0.5" in sentence for sentence in said)
    saved = load_checkpoint(run.current_model)
    assert (saved.run_state.step, saved.run_state.skipped_steps) == (10, 4)
    assert saved.run_state.learning_rate_scale == 0.5
    rows = {row["step"]: row for row in read_history(run.history)}
    assert rows[5]["learning_rate"] == 2 * rows[6]["learning_rate"] > 0
    assert rows[6]["skipped_steps"] == 4
    train(fake_dataset, run, config.replace(max_steps=11), log=said.append)  # it is remembered
    assert read_history(run.history)[-1]["learning_rate"] == rows[6]["learning_rate"]


def test_it_does_not_go_back_for_ever(fake_dataset, tmp_path, monkeypatch):
    broken_losses(monkeypatch, lambda n: n > 2)
    run = Run(tmp_path)
    config = CONFIG.replace(max_steps=1000, save_every_minutes=60.0, validate_every=2)
    with pytest.raises(CheckpointError, match="learning_rate"):
        train(fake_dataset, run, config, log=lambda sentence: None)
    assert dataclasses.asdict(load_checkpoint(run.current_model).run_state)["step"] >= 2


# Too little memory


def no_memory():
    raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_batch_that_does_not_fit_is_computed_in_parts(fake_dataset, tmp_path, monkeypatch, where):
    """Room for two clips at a time, as a GPU's memory has it."""
    run, said, sizes = Run(tmp_path), [], []

    def loss(*args):
        sizes.append(len(args[-2]))
        if where == "forward" and sizes[-1] > 2:
            no_memory()
        parts = tacotron_loss(*args)
        if where == "backward" and sizes[-1] > 2:
            parts.mel.register_hook(lambda gradient: no_memory())
        return parts

    monkeypatch.setattr(step_module, "tacotron_loss", loss)
    train(fake_dataset, run, CONFIG.replace(max_steps=6), log=said.append)
    assert sum("in 2 parts" in sentence for sentence in said) == 1
    assert sizes.count(4) == 1 and max(sizes[1:]) == 2
    assert load_checkpoint(run.current_model).run_state.n_micro_batches == 2
    assert read_history(run.history)[-1]["micro_batches"] == 2
    train(fake_dataset, run, CONFIG.replace(max_steps=7), log=said.append)  # it is remembered
    assert sizes.count(4) == 1
    assert sum("in 2 parts" in sentence for sentence in said) == 1


def test_a_validation_that_does_not_fit_is_done_in_parts(fake_dataset, tmp_path, monkeypatch):
    said, sizes = [], []

    def small(model, data, config, *args):
        sizes.append(config.train.batch_size)
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return validate(model, data, config, *args)

    monkeypatch.setattr(session_module, "validate", small)
    train(fake_dataset, Run(tmp_path), CONFIG.replace(max_steps=1), log=said.append)
    assert sizes == [4, 2] and sum("in 2 parts" in sentence for sentence in said) == 1


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_what_did_not_fit_is_given_back_before_the_next_attempt(kind):
    class Large:
        pass

    attempts = []

    def work(n_micro_batches):
        if attempts:
            assert attempts[0]() is None, "the first attempt's tensors are still held"
            return n_micro_batches
        large = Large()
        large.itself = large  # as a graph's cycles do
        attempts.append(weakref.ref(large))
        raise kind

    run_state = RunState()
    assert (
        in_micro_batches(work, run_state, 4, lambda sentence: None)
        == 2
        == run_state.n_micro_batches
    )


def test_another_error_is_not_taken_for_too_little_memory():
    def work(n_micro_batches):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        in_micro_batches(work, RunState(), 4, lambda sentence: None)


def test_one_clip_that_does_not_fit_ends_the_run(fake_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(step_module, "tacotron_loss", lambda *args: no_memory())
    with pytest.raises(RuntimeError, match="allocate memory"):
        train(fake_dataset, Run(tmp_path), CONFIG.replace(max_steps=2), log=lambda sentence: None)


def test_parts_have_the_gradients_of_the_whole(fake_dataset):
    """But for batch norm and dropouts, which are off here."""
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    batch = collate([data.train[Pick(i, True)] for i in range(4)])
    config = CONFIG.replace(guidance_weight=0.0, mmi=False, drop_frame_rate=0.0, max_grad_norm=1e9,
                            **{f.name: 0.0 for f in dataclasses.fields(CONFIG.model)
                               if f.name.startswith("p_")})  # fmt: skip
    gradients, losses = [], []
    for n_micro_batches in (1, 2, 3):
        torch.manual_seed(0)
        model = new_model(config)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.train = lambda mode, module=module: module
                module.training = False
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0, fused=True)
        gaf, mean_frame = torch.zeros(()), data.mean_frame
        arguments = (model, optimizer, batch, config.train, RunState(), gaf, mean_frame, None)
        losses.append(float(train_step(*arguments, n_micro_batches).values["loss"]))
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    for other in gradients[1:]:
        for one, two in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)
