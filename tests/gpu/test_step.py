"""A training step on a GPU: in each precision, without waiting, in a memory that is too small."""

import contextlib
import copy
import gc
import warnings
from pathlib import Path

import pytest
import torch
from support.distances import distance, largest_distance

from ponytaco.checkpoint.format import new_model
from ponytaco.config import Config
from ponytaco.device import choose_device
from ponytaco.evaluation.speed import noise_batch
from ponytaco.losses.mmi import drop_frames
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.training.memory import in_micro_batches
from ponytaco.training.optimizer import make_optimizer
from ponytaco.training.precision import grad_scaler, product_dtype
from ponytaco.training.step import train_step

pytestmark = pytest.mark.gpu

NO_DROPOUT = {
    f"p_{name}_dropout": 0.0
    for name in ("encoder", "prenet", "attention", "decoder", "head", "postnet", "ctc")
}
# Nothing is drawn by chance, so that two devices and two types do the same.
CERTAIN = preset("tiny").replace(
    **NO_DROPOUT, drop_frame_rate=0.0, attention_forcing=0.0, gaf_every=2, batch_size=3,
    precision="float32",
)  # fmt: skip
LENGTHS = torch.tensor([12, 9, 17]), torch.tensor([40, 31, 57])


class Steps:
    """A model that takes steps on one batch of noise."""

    def __init__(self, config, device, lengths=LENGTHS, scale=None):
        self.settings = config.train
        torch.manual_seed(0)
        self.model = new_model(config).to(device)
        self.optimizer = make_optimizer(self.model, config.train)
        self.batch = noise_batch(config, *lengths).to(device)
        self.mean_frame = torch.full((80,), -5.0, device=device)
        self.scaler = grad_scaler(product_dtype(config.train.precision, device), device)
        if scale is not None:
            self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": scale})
        self.run_state, self.gaf = RunState(), torch.zeros((), device=device)

    def __call__(self, n_micro_batches=1):
        losses = train_step(
            self.model, self.optimizer, self.batch, self.settings, self.run_state, self.gaf,
            self.mean_frame, self.scaler, n_micro_batches,
        )  # fmt: skip
        self.gaf = losses.gaf
        self.run_state.step += 1
        return losses


def test_auto_is_the_gpu_and_a_type_that_it_has(device):
    assert choose_device("auto").type == device.type
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.get_device_capability(device) >= (8, 0)
        assert product_dtype("auto", device) is (torch.bfloat16 if has_bfloat16 else torch.float16)


@pytest.mark.parametrize("n_micro_batches", [1, 3])
def test_steps_are_the_cpus(device, measured, n_micro_batches):
    here, there = Steps(CERTAIN, torch.device("cpu")), Steps(CERTAIN, device)
    worst = 0.0
    for _ in range(5):
        expected, ours = here(n_micro_batches), there(n_micro_batches)
        assert not ours.skipped and ours.values.keys() == expected.values.keys()
        worst = max(worst, *(distance(ours.values[n], expected.values[n]) for n in ours.values))
        worst = max(worst, distance(ours.gaf, expected.gaf, least=1e-3))
    measured("losses apart by", worst)
    # Adam's first steps are as long as the rate whatever the gradient's size, so that weights
    # whose gradient is near zero go astray; what they do to the losses is small.
    assert worst < 5e-3


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["tiny", "full"])
def test_a_shorter_type_learns_what_float32_learns(device, measured, name, precision):
    if device.type == "cpu" and name == "full":
        pytest.skip("a CPU takes minutes")
    config = preset(name).replace(
        **NO_DROPOUT, drop_frame_rate=0.0, attention_forcing=0.0, gaf_every=2, batch_size=3
    )
    # float16's scale begins too high by design, and the first steps would be skipped
    scale = 256.0 if precision == "float16" else None
    whole = Steps(config.replace(precision="float32"), device)
    short = Steps(config.replace(precision=precision), device, scale=scale)
    first = worst = 0.0
    for number in range(4):
        expected, ours = whole(), short()
        assert not ours.skipped
        names = ("mel", "mel_postnet", "guidance", "mi")
        apart = max(distance(ours.values[n], expected.values[n]) for n in names)
        first, worst = first or apart, max(worst, apart)
        if number == 0:
            assert apart > 0  # the shorter type is really used
    measured("first losses apart by", first)
    measured("losses apart by", worst)
    # Adam's first steps turn what rounding leaves of a gradient near zero into whole steps: at the
    # published size and rate the losses then part for a while (0.32 and 0.11 were measured).
    assert first < {"bfloat16": 0.01, "float16": 0.002}[precision]
    assert worst < (0.05 if name == "tiny" else 0.6)
    assert {p.dtype for p in short.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_with_everything_that_is_drawn_by_chance_it_stays_finite_and_learns(device, precision):
    config = preset("tiny").replace(precision=precision, batch_size=3, gaf_every=3)
    steps = Steps(config, device)
    losses = [steps() for _ in range(30)]
    done = [step for step in losses if not step.skipped]
    # float16 looks for its scale.
    assert len(done) == 30 if precision != "float16" else len(done) > 10
    assert all(torch.isfinite(v).all() for v in steps.model.state_dict().values())
    assert done[-1].values["loss"] < done[0].values["loss"]
    assert 0 < float(done[-1].gaf) <= config.train.max_gaf


def test_a_scale_that_overflows_recovers(device):
    steps = Steps(CERTAIN.replace(precision="float16"), device, scale=2.0**40)
    before = copy.deepcopy(steps.model.state_dict())
    assert steps().skipped
    for name, value in steps.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    skipped = [bool(steps().skipped) for _ in range(40)]
    assert skipped.count(False) >= 3
    assert steps.scaler.get_scale() < 2.0**40
    assert all(torch.isfinite(v).all() for v in steps.model.state_dict().values())


def test_a_batch_without_numbers_changes_nothing(device):
    steps = Steps(CERTAIN, device)
    steps()
    before = copy.deepcopy((steps.model.state_dict(), steps.optimizer.state_dict()))
    gaf = steps.gaf.clone()
    steps.batch.mel[0, 0, 3] = torch.nan
    assert steps().skipped
    assert torch.equal(steps.gaf, gaf)
    for name, value in steps.model.state_dict().items():
        assert torch.equal(value, before[0][name]), name
    for number, state in steps.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            assert torch.equal(value, before[1]["state"][number][name]), name


def test_the_share_of_dropped_frames(device):
    torch.manual_seed(0)
    mel, mean_frame = torch.zeros(8, 80, 5000, device=device), torch.ones(80, device=device)
    dropped = drop_frames(mel, mean_frame, 0.35)
    assert float(dropped.mean()) == pytest.approx(0.35, abs=0.01)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("refreshes", [False, True])
def test_a_step_never_waits_for_the_gpu(device, measured, precision, refreshes):
    """But where torch's own CTC loss does, forward and backward.

    In float32 the first call of ``torch.cuda`` about TF32 may, too.
    """
    if device.type != "cuda":
        pytest.skip("only CUDA tells")
    every = 1 if refreshes else 1000
    steps = Steps(preset("tiny").replace(precision=precision, gaf_every=every), device)
    steps()
    steps()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            steps()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in said if "synchroniz" in str(w.message)]
    places = sorted({f"{Path(w.filename).parent.name}/{Path(w.filename).name}:{w.lineno}"
                     for w in waits})  # fmt: skip
    measured(f"waits {len(waits)} times, in", " ".join(places) or "no place")
    allowed = ("nn/functional.py", "autograd/graph.py", "cuda/__init__.py")
    assert not [place for place in places if not place.startswith(allowed)]


def test_the_same_step_twice(device, measured):
    """Names what a GPU adds up in another order each time; a long batch has the most of it."""
    config = preset("tiny").replace(precision="float32", n_frames_per_step=1, gaf_every=1)
    grads = []
    for _ in range(2):
        steps = Steps(config, device, (torch.tensor([80, 60]), torch.tensor([500, 400])))
        steps()
        grads.append({n: p.grad for n, p in steps.model.named_parameters()})
    different = [n for n, g in grads[0].items() if not torch.equal(g, grads[1][n])]
    worst, _ = largest_distance(*grads)
    measured("gradients that differ", f"{len(different)} of {len(grads[0])}")
    measured("of these", " ".join(different[:12]))
    measured("apart by", worst)
    assert worst < 1e-4


# Memory


@contextlib.contextmanager
def memory_for(n_clips, config, lengths, device, monkeypatch):
    """So little memory that a step fits in with so many clips, and not with all of them."""
    if device.type != "cuda":
        forward = Tacotron2.forward

        def limited(self, text, *others):
            if len(text) > n_clips:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return forward(self, text, *others)

        with monkeypatch.context() as patch:
            patch.setattr(Tacotron2, "forward", limited)
            yield
        return

    device = torch.device("cuda", torch.cuda.current_device())

    def peak(n_micro_batches):
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        steps = Steps(config, device, lengths)
        for _ in range(2):
            steps(n_micro_batches)
        torch.cuda.synchronize()
        return torch.cuda.max_memory_reserved(device), torch.cuda.max_memory_allocated(device)

    reserved, _ = peak(len(lengths[0]) // n_clips)
    _, needed = peak(1)
    assert needed > 1.2 * reserved, "choose a larger batch"
    gc.collect()
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction((reserved + needed) / 2 / whole, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        gc.collect()
        torch.cuda.empty_cache()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_does_not_fit_is_computed_in_parts(device, measured, monkeypatch, precision):
    n_clips, n_frames = (32, 400) if device.type == "cuda" else (8, 20)
    config = Config().replace(
        **{name: getattr(preset("small").model, name) for name in (
            "attention_rnn_dim", "decoder_rnn_dim", "encoder_embedding_dim")},
        **NO_DROPOUT, drop_frame_rate=0.0, attention_forcing=0.0, batch_size=n_clips,
        precision=precision,
    )  # fmt: skip
    lengths = torch.full((n_clips,), 80), torch.full((n_clips,), n_frames)
    expected = Steps(config, device, lengths)(4)
    loss = float(expected.values["loss"])
    del expected
    said = []
    with memory_for(n_clips // 4, config, lengths, device, monkeypatch):
        steps = Steps(config, device, lengths)
        found = [in_micro_batches(steps, steps.run_state, n_clips, said.append) for _ in range(2)]
    measured("parts", steps.run_state.n_micro_batches)
    assert steps.run_state.n_micro_batches in (2, 4)
    assert len(said) == {2: 1, 4: 2}[steps.run_state.n_micro_batches]
    assert all("memory is too small" in sentence for sentence in said)
    assert steps.run_state.step == 2 and not any(step.skipped for step in found)
    # Batch norms see the clips of a part, so that 2 parts are not quite 4.
    assert float(found[0].values["loss"]) == pytest.approx(loss, rel=0.05)
