"""A batch that does not fit into the memory is computed in micro-batches."""

import weakref

import pytest
import torch
from support.training import CONFIG, train_quietly

import ponytaco.training.session as session_module
import ponytaco.training.step as step_module
from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.runs.state import RunState
from ponytaco.training.loop import train
from ponytaco.training.memory import in_micro_batches, is_out_of_memory
from ponytaco.training.validation import validate

pytestmark = pytest.mark.usefixtures("no_pictures")


def run_out_of_memory():
    raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_batch_that_does_not_fit_is_split(fake_dataset, tmp_path, monkeypatch, where):
    """There is memory for two clips at a time."""
    run, messages, sizes = Run(tmp_path), [], []

    def loss(*args):
        sizes.append(len(args[4]))
        if where == "forward" and sizes[-1] > 2:
            run_out_of_memory()
        losses = tacotron_loss(*args)
        if where == "backward" and sizes[-1] > 2:
            losses.mel.register_hook(lambda gradient: run_out_of_memory())
        return losses

    monkeypatch.setattr(step_module, "tacotron_loss", loss)
    train(fake_dataset, run, CONFIG.replace(max_steps=6), log=messages.append)
    assert sum("in 2 micro-batches" in message for message in messages) == 1
    assert sizes.count(4) == 1 and max(sizes[1:]) == 2
    assert load_checkpoint(run.current_model).run_state.n_micro_batches == 2
    assert read_history(run.history)[-1]["micro_batches"] == 2
    train(fake_dataset, run, CONFIG.replace(max_steps=7), log=messages.append)  # the state keeps it
    assert sizes.count(4) == 1
    assert sum("in 2 micro-batches" in message for message in messages) == 1


def test_a_validation_that_does_not_fit_is_split(fake_dataset, tmp_path, monkeypatch):
    messages, sizes = [], []

    def small(model, data, config, *args):
        sizes.append(config.train.batch_size)
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return validate(model, data, config, *args)

    monkeypatch.setattr(session_module, "validate", small)
    train(fake_dataset, Run(tmp_path), CONFIG.replace(max_steps=1), log=messages.append)
    assert sizes == [4, 2] and sum("in 2 micro-batches" in message for message in messages) == 1


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_memory_is_released_before_the_next_attempt(kind):
    class Large:
        pass

    attempts = []

    def work(n_micro_batches):
        if attempts:
            assert attempts[0]() is None, "the first attempt's tensors are still alive"
            return n_micro_batches
        large = Large()
        large.itself = large  # as a graph's cycles do
        attempts.append(weakref.ref(large))
        raise kind

    run_state = RunState()
    assert in_micro_batches(work, run_state, 4, lambda message: None) == 2
    assert run_state.n_micro_batches == 2


@pytest.mark.parametrize("n_clips", [1, 4])
def test_memory_that_can_be_done_without_goes_first(n_clips):
    """As that of CUDA graphs; a whole batch that fits then is not split for good."""
    freed, messages, numbers = [], [], []

    def free():
        freed.append(True)
        return len(freed) == 1

    def work(n_micro_batches):
        numbers.append(n_micro_batches)
        if not freed or (n_clips > 1 and n_micro_batches < 4):
            run_out_of_memory()
        return "done"

    assert in_micro_batches(work, RunState(), n_clips, messages.append, free=free) == "done"
    assert numbers == ([1, 1] if n_clips == 1 else [1, 1, 2, 4])
    assert len(messages) == len(freed) - 1 == (0 if n_clips == 1 else 2)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (
            RuntimeError(
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
            ),
            True,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"), False),
    ],
)
def test_out_of_memory_is_recognised(error, expected):
    assert is_out_of_memory(error) == expected


def test_another_error_is_not_taken_for_out_of_memory():
    def work(n_micro_batches):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        in_micro_batches(work, RunState(), 4, lambda message: None)


def test_one_clip_that_does_not_fit_ends_the_run(fake_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(step_module, "tacotron_loss", lambda *args: run_out_of_memory())
    with pytest.raises(RuntimeError, match="allocate memory"):
        train_quietly(fake_dataset, Run(tmp_path), CONFIG.replace(max_steps=2))
