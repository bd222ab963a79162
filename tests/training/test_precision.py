"""Steps in 16-bit types stay close to float32's, and recover from an overflow."""

import copy

import pytest
import torch

from ponytaco.checkpoint.format import new_model
from ponytaco.config import ConfigError
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.data.loader import collate
from ponytaco.data.sampler import BucketSampler
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.precision import grad_scaler, product_dtype, require_trainable
from ponytaco.training.step import train_step

CPU = torch.device("cpu")
CONFIG = preset("tiny").replace(batch_size=4, gaf_every=2)


@pytest.fixture
def parts(fake_dataset):
    torch.manual_seed(1)
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    model = new_model(CONFIG)
    model.decoder.start_from(data.mean_frame)
    picks = BucketSampler(data.train.lengths, 4, 0, 1.0).remaining()[0]
    return model, collate([data.train[pick] for pick in picks]), data.mean_frame


def run_steps(parts, precision, n_steps, scale=None):
    model, batch, mean_frame = parts
    model = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    settings = CONFIG.replace(precision=precision).train
    scaler = grad_scaler(product_dtype(precision, CPU), CPU)
    if scale is not None:
        scaler.load_state_dict({**scaler.state_dict(), "scale": scale})
    run_state, gaf = RunState(), torch.zeros(())
    torch.manual_seed(2)
    losses = []
    for _ in range(n_steps):
        losses.append(
            train_step(model, optimizer, batch, settings, run_state, gaf, mean_frame, scaler)
        )
        run_state.step, gaf = run_state.step + 1, losses[-1].gaf
    return model, losses, scaler


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.02), ("float16", 0.005)])
def test_a_16_bit_type_learns_what_float32_learns(parts, precision, tolerance):
    _, expected, _ = run_steps(parts, "float32", 4)
    # float16's scale starts too high by design, and the first steps would be skipped.
    model, losses, _ = run_steps(
        parts, precision, 4, scale=256.0 if precision == "float16" else None
    )
    for ours, theirs in zip(losses, expected, strict=True):
        assert not ours.skipped
        for name in ("mel", "mel_postnet", "guidance", "mi"):
            torch.testing.assert_close(
                ours.values[name], theirs.values[name], rtol=tolerance, atol=tolerance
            )
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert losses[-1].values["loss"] < losses[0].values["loss"]


def test_a_16_bit_type_is_really_used(parts):
    """Otherwise the losses would equal float32's to the bit."""
    (_, whole, _), (_, short, _) = run_steps(parts, "float32", 1), run_steps(parts, "bfloat16", 1)
    assert whole[0].values["mel"] != short[0].values["mel"]


def test_a_loss_that_overflows_recovers(parts):
    model, losses, scaler = run_steps(parts, "float16", 12, scale=2.0**22)
    skipped = [step.skipped for step in losses]
    assert skipped[0]
    assert skipped.count(False) >= 3
    assert scaler.get_scale() < 2.0**22
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_only_float16_scales_its_loss():
    assert not grad_scaler(torch.float32, CPU).is_enabled()
    assert not grad_scaler(torch.bfloat16, CPU).is_enabled()
    assert grad_scaler(torch.float16, CPU).is_enabled()


def test_auto_depends_on_the_hardware(monkeypatch):
    gpu = torch.device("cuda")
    assert product_dtype("auto", CPU) is torch.float32
    for capability, expected in (((7, 5), torch.float16), ((8, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert product_dtype("auto", gpu) is expected
    assert product_dtype("float32", gpu) is torch.float32


def test_float16_is_refused_on_a_cpu():
    with pytest.raises(ConfigError, match="bfloat16 or float32"):
        require_trainable("float16", CPU)
    require_trainable("float16", torch.device("cuda"))
    for name in ("auto", "float32", "bfloat16"):
        require_trainable(name, CPU)
